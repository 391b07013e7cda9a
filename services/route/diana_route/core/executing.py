"""Carrying out the steps of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from diana_common.attempts import Failed, Parted, Refused, Unreachable
from diana_route.core.actions import Action, Joint
from diana_route.core.model import Job, Task


@dataclass(frozen=True, slots=True)
class Carried:
    """A rule's actions, ready to be carried out."""

    digest: str
    """As `Rule.digest`."""

    actions: Sequence[Action]


class Executing:
    """Carries out a job's next step by its rule's action. Safe to share between threads."""

    def __init__(self, rules: Mapping[str, Carried]) -> None:
        """The rules in force, by name."""
        self._rules = rules

    def attempt(self, task: Task) -> None:
        """Carry out the step of each of a task's jobs. Raises Failed; Parted if the jobs fared differently.

        Refused where the job's rule is no more, or has other actions than when the job was made.
        """
        action = self._action(task.job)
        if task.companions:
            _raise_failures(task, _outcomes(action, [task.part([job]) for job in task.jobs]))
        else:
            action.carry_out(task)

    def _action(self, job: Job) -> Action:
        rule = self._rules.get(job.rule)
        if rule is None or rule.digest != job.digest:
            raise Refused(f"rule {job.rule} is no more, or has other actions than when the job was made")
        return rule.actions[job.current]


def _outcomes(action: Action, tasks: Sequence[Task]) -> Sequence[Failed | None]:
    if isinstance(action, Joint):
        return action.carry_out_all(tasks)
    outcomes: list[Failed | None] = []
    for task in tasks:
        last = outcomes[-1] if outcomes else None
        # What one found unreachable, the others need not try.
        outcomes.append(last if isinstance(last, Unreachable) else _outcome(action, task))
    return outcomes


def _outcome(action: Action, task: Task) -> Failed | None:
    try:
        action.carry_out(task)
    except Failed as failure:
        return failure
    return None


def _raise_failures(task: Task, outcomes: Sequence[Failed | None]) -> None:
    """Those that fared alike are recorded together."""
    alike: dict[object, tuple[list[Job], Failed | None]] = {}
    for job, outcome in zip(task.jobs, outcomes, strict=True):
        how = None if outcome is None else (type(outcome), outcome.why, outcome.retry_after)
        alike.setdefault(how, ([], outcome))[0].append(job)
    if alike.keys() != {None}:
        raise Parted([(task.part(jobs), outcome) for jobs, outcome in alike.values()])
