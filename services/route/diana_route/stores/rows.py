"""Jobs as the journal's rows have them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from diana_route.core.model import FileItem, InstanceItem, Item, Job, NewJob, State, StepRecord, StudyItem

JOB = (
    "number, name, rule, digest, item, trail, state, step, steps, create_time, due_time, end_time, stored_count,"
    " refused_count, waiting_since, coalesce(successor, '')"
)
"""A job's columns, in the order in which `job_of` takes them."""

_KINDS = {"study": StudyItem, "instance": InstanceItem, "file": FileItem}


def job_of(row: Sequence[Any]) -> Job:
    """The job of a row."""
    number, name, rule, digest, item, trail, state, step, steps, *rest = row
    records = [_record(one, place < step) for place, one in enumerate(json.loads(steps))]
    trail = tuple(json.loads(trail))
    return Job(number, name, rule, digest, item_of(item), trail, State(state), records, *rest)


def job_made(number: int, name: str, new: NewJob, now: float) -> Job:
    """The job as its row has it when it is new."""
    steps = [StepRecord(action) for action in new.actions]
    if new.dead:
        steps[0] = StepRecord(new.actions[0], last_error=new.dead)
    return Job(
        number,
        name,
        new.rule,
        new.digest,
        new.item,
        tuple(new.trail),
        State.DEAD if new.dead else State.WAITING,
        steps,
        create_time=now,
        next_attempt_time=None if new.dead else now,
        end_time=now if new.dead else None,
        waiting_since=now,
    )


def item_of(text: str) -> Item:
    """The item that a column has."""
    values = json.loads(text)
    item: Item = _KINDS[values.pop("kind")](**values)
    return item


def item_text(item: Item) -> str:
    """An item for a column."""
    kind = next(name for name, one in _KINDS.items() if isinstance(item, one))
    return json.dumps({"kind": kind, **{one.name: getattr(item, one.name) for one in fields(item)}})


def new_steps(job: NewJob) -> str:
    """The steps of a job that begins, for a column."""
    pairs = zip(job.actions, job.targets, strict=True)
    steps = [new_step(action, target) for action, target in pairs]
    steps[0]["error"] = job.dead
    return json.dumps(steps)


def new_step(action: str, target: str) -> dict[str, Any]:
    """A step that was never tried."""
    return {"action": action, "target": target, "attempts": 0, "error": "", "memo": ""}


def _record(step: Mapping[str, Any], done: bool) -> StepRecord:
    return StepRecord(step["action"], done, step["attempts"], step["error"], step["memo"])
