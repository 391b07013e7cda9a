"""What is told of the router's jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diana.route.v1 import route_service_pb2 as pb
from diana_endpoints.items import Item

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

STATES = {
    "waiting": pb.Job.STATE_WAITING,
    "done": pb.Job.STATE_DONE,
    "dead": pb.Job.STATE_DEAD,
    "cancelled": pb.Job.STATE_CANCELLED,
}


def job_item(job: pb.Job, number: int = 0) -> Item:
    """A job: where it is, and its steps."""
    step = next((one for one in job.steps if not one.done), None)
    meta = {
        "job": job.name,
        "state": pb.Job.State.Name(job.state).removeprefix("STATE_").lower(),
        "rule": job.rule,
        "item": word_of(job.item),
        "step": step.action if step else "",
        "attempts": step.attempt_count if step else 0,
        "last_error": step.last_error if step else "",
        "created": time_of(job.create_time),
        "stored": job.stored_count,
        "refused": job.refused_count,
        "steps": [_step(one) for one in job.steps],
    }
    if step and step.HasField("next_attempt_time"):
        meta["next_attempt"] = time_of(step.next_attempt_time)
    if job.HasField("end_time"):
        meta["ended"] = time_of(job.end_time)
    if job.successor:
        meta["successor"] = job.successor
    return Item(meta, number=number)


def word_of(item: pb.Item) -> str:
    """An item as one word, which names it in a question too."""
    match item.WhichOneof("kind"):
        case "study":
            return f"study:{item.study.store}/{item.study.study_uid}"
        case "instance":
            return f"instance:{item.instance.store}/{item.instance.sop_instance_uid}"
        case "file":
            return f"file:{item.file.rule}/{item.file.path}"
        case _:
            return ""


def time_of(stamp: Timestamp) -> str:
    """A time, UTC."""
    return stamp.ToDatetime().isoformat(timespec="milliseconds") + "Z"


def _step(step: pb.Step) -> dict[str, object]:
    return {
        "action": step.action,
        "done": step.done,
        "attempts": step.attempt_count,
        "last_error": step.last_error,
    }
