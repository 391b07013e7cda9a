"""The journal as the core knows it: every job, from before its first action until long after its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from diana_common.attempts import Queue
from diana_route.core.model import Job, NewJob, State, Task

Trail = tuple[str, ...]
"""The rules whose work led to something, the earliest first; empty if none did."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a query's answer changes: studies that it found and had not found before, and those found no more."""

    source: str
    """The query's name."""

    new: Sequence[str] = ()
    gone: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Learnt:
    """What following a source tells, beside the jobs that come of it."""

    cursor: tuple[str, str] | None = None
    """A source's name, and the position up to which it was followed."""

    trails: Mapping[tuple[str, str], Trail | None] = field(default_factory=dict)
    """What led to studies, by store and Study Instance UID; None forgets what was known."""

    found: Found | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of a file's instances."""

    stored: int
    """Stored, or there already."""

    refused: int = 0
    why: str = ""
    """Why instances were refused, without patient values: shown as the current step's `last_error`, which stays when
    the step is done."""


RUN = "run "
"""How occasions begin that people make."""

TOGETHER = 500
"""So many jobs of files at most are done together."""


class Journal(Queue[Task], Protocol):
    """Durable jobs, a queue of their next steps. Safe to share between threads; what returned survived a power cut.

    Of `Queue`: `succeeded` ends the job's current step, and the job with its last one; a job that was cancelled while
    the step was under way goes no further. Times are seconds since the epoch. Every method may raise DianaError
    DISK_FULL.

    Thousands of files come at once: `next_for` gives up to TOGETHER jobs as one task (`Task.companions`) where they are
    of files, of one rule and digest, at one step, and that step was never tried before. What was tried goes alone, and
    so does a zip (by its name), which may be large. All that `succeeded`, `failed` and `dead` do is done to each of
    `Task.numbers`, in one transaction. What a target did first it does first of all the later steps too: a job that
    goes on keeps its place before those that came after it.
    """

    def add(self, jobs: Sequence[NewJob], now: float, learnt: Learnt | None = None) -> list[Job]:
        """Make jobs, and know from then on what was learnt: both or neither.

        Returns those that are new: of a rule, item and occasion there is one job, for as long as it is remembered.
        """
        ...

    def made(self, rule: str, key: str, occasion: str) -> Job | None:
        """The job that a rule made of an item (`Item.key`) on an occasion, if it is remembered."""
        ...

    def recent_count(self, rule: str, key: str, since: float) -> int:
        """How many jobs a rule has made of an item (`Item.key`) since then."""
        ...

    def credit(self, number: int, operation: str) -> None:
        """What an operation of another service makes is this job's work; told as soon as the operation is known."""
        ...

    def claim(self, number: int, store: str, study_uid: str, attributes: Mapping[str, str]) -> bool:
        """Have a study be that of who gives it these attributes, whatever becomes of it in the store.

        False, and nothing changes, where a job that is remembered claimed it with another value of one of them.
        """
        ...

    def trail_of(self, operation: str) -> Trail | None:
        """What led to the work of a job (`Job.name`) or of an operation credited to one, its own rule at the end.

        None if no job of that name, or credited with it, is remembered.
        """
        ...

    def study_trail(self, store: str, study_uid: str) -> Trail | None:
        """What is known of what led to a study."""
        ...

    def found(self, source: str, after: str, until: str | None, size: int) -> list[str]:
        """The first studies, sorted, that a query has found: after a UID, and up to another one unless that is None."""
        ...

    def stop_rule(self, rule: str, why: str, configuration: str) -> None:
        """Remember that a rule was stopped, for as long as the configuration (its digest) is this one."""
        ...

    def stopped_rules(self, configuration: str) -> Mapping[str, str]:
        """Rules that were stopped under a configuration, and why."""
        ...

    def cursor(self, source: str) -> str | None:
        """How far a source was followed; None if it never was."""
        ...

    def forget_cursor(self, source: str) -> None:
        """As if the source had never been followed."""
        ...

    def files(self, rule: str) -> Mapping[str, str]:
        """The files of a rule's folder that jobs were made of and that were there when last looked: stamps by path."""
        ...

    def forget_files(self, rule: str, paths: Sequence[str]) -> None:
        """Those are no more: what comes under such a path later is another file.

        Occasions of people's (RUN) stay: their requests may be repeated.
        """
        ...

    def write_memo(self, number: int, memo: str) -> None:
        """What the job's current step has to remember between attempts."""
        ...

    def count_instances(self, counts: Mapping[int, Counted]) -> None:
        """What became of files' instances, by the jobs' numbers, instead of what was counted before.

        It is kept with the end of the attempt that is under way, in one transaction.
        """
        ...

    def get(self, name: str) -> Job:
        """Raises JOB_NOT_FOUND."""
        ...

    def some(self, numbers: Sequence[int]) -> list[Job]:
        """The jobs of these numbers that are remembered, in order."""
        ...

    def page(self, before: int | None, size: int, state: State | None, rule: str) -> list[Job]:
        """Jobs with numbers below `before`, newest first; of a state and a rule unless None or empty."""
        ...

    def of_item(self, key: str, size: int) -> list[Job]:
        """The jobs of an item (`Item.key`), newest first."""
        ...

    def retry(self, name: str, digests: Mapping[str, str], now: float) -> Job:
        """Have a dead or cancelled job go on at once, as if its step had never been tried; one that waits is tried at
        once. `digests` are those of the rules in force.

        Raises JOB_NOT_FOUND, JOB_ENDED (which one that has a successor has, too), RULE_CHANGED.
        """
        ...

    def cancel(self, name: str, now: float) -> Job:
        """End a job that waits; one that was cancelled stays as it is. Raises JOB_NOT_FOUND, JOB_ENDED."""
        ...

    def counts(self) -> Mapping[tuple[str, State], int]:
        """How many jobs there are of each rule and state."""
        ...
