"""Jobs, to messages."""

from __future__ import annotations

from diana.route.v1 import route_service_pb2 as pb
from diana_route.core.model import Job, State
from diana_route.wire.items import item_to_proto
from diana_server.times import timestamp


def state_from_proto(state: pb.Job.State.ValueType) -> State | None:
    """A state to look for; None for any."""
    return State(state) if state else None


def job_to_proto(job: Job) -> pb.Job:
    """A job as the contract has it: without what its actions remember, since that may tell who became whom."""
    return pb.Job(
        name=job.name,
        rule=job.rule,
        item=item_to_proto(job.item),
        state=pb.Job.State.Value(f"STATE_{job.state.name}"),
        steps=[_step(job, number) for number in range(len(job.steps))],
        create_time=timestamp(job.create_time),
        end_time=timestamp(job.end_time),
        stored_count=job.stored_count,
        refused_count=job.refused_count,
        successor=job.successor,
    )


def _step(job: Job, number: int) -> pb.Step:
    step = job.steps[number]
    is_next = job.state is State.WAITING and number == job.current
    return pb.Step(
        action=step.action,
        done=step.done,
        attempt_count=step.attempt_count,
        last_error=step.last_error,
        next_attempt_time=timestamp(job.next_attempt_time) if is_next else None,
    )
