"""The journal as the core knows it: every job, from before its first action until long after its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from diana_common.attempts import Queue
from diana_route.core.model import Job, NewJob, State, Task


class Journal(Queue[Task], Protocol):
    """Durable jobs, a queue of their next steps. Safe to share between threads; what returned survived a power cut.

    Of `Queue`: `succeeded` ends the job's current step, and the job with its last one. Times are seconds since the
    epoch. Every method may raise DianaError DISK_FULL.
    """

    def add(self, jobs: Sequence[NewJob], now: float, cursor: tuple[str, str] | None = None) -> list[Job]:
        """Make jobs, and know from then on how far a source was followed (its name and position): both or neither.

        Returns those that are new: of a rule, item and occasion there is one job, for as long as it is remembered.
        """
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
        """Those are no more: what comes under such a path later is another file."""
        ...

    def set_target(self, number: int, target: str) -> None:
        """What a job's current step depends on, where that is not what its rule said when it was made."""
        ...

    def write_memo(self, number: int, memo: str) -> None:
        """What the job's current step has to remember between attempts."""
        ...

    def count_instances(self, number: int, stored: int, refused: int) -> None:
        """How many of a file's instances were stored, or were there, and how many were refused."""
        ...

    def get(self, name: str) -> Job:
        """Raises JOB_NOT_FOUND."""
        ...

    def page(self, before: int | None, size: int, state: State | None, rule: str) -> list[Job]:
        """Jobs with numbers below `before`, newest first; of a state and a rule unless None or empty."""
        ...

    def of_item(self, key: str, size: int) -> list[Job]:
        """The jobs of an item (`Item.key`), newest first."""
        ...

    def retry(self, name: str, digests: Mapping[str, str], now: float) -> Job:
        """Have a dead or cancelled job go on at once; `digests` are those of the rules in force.

        Raises JOB_NOT_FOUND, JOB_ENDED, RULE_CHANGED.
        """
        ...

    def cancel(self, name: str, now: float) -> Job:
        """End a job that waits. Raises JOB_NOT_FOUND, JOB_ENDED."""
        ...

    def counts(self) -> Mapping[tuple[str, State], int]:
        """How many jobs there are of each rule and state."""
        ...
