"""From what sources tell to jobs in the journal: rules are asked, and loops of rules stopped."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from diana_route.core.journal import Journal, Learnt
from diana_route.core.matching import Seen
from diana_route.core.model import FileItem, Job, NewJob, State

LOOP_COUNT = 100
LOOP_SECONDS = 3600.0
"""A rule that makes more jobs of one item in that time may feed itself on ways that no trail shows. A study whose
instances trickle in, and which completes time and again, makes fewer."""

MOST_DEAD = 10_000
"""A rule that has so many dead jobs gets no more of those that are dead from the start: what comes then is told as the
rule's trouble, and found in the feed by whoever backfills the rule."""

_DEAD = ""
"""Stands for the key of an item where dead jobs are counted: no item has it."""


class Deciding(Protocol):
    """The rules in force."""

    def jobs(self, seen: Seen, occasion: str, rule: str = "") -> list[NewJob]:
        """The jobs that rules make of an item; of the named rule only, or of every one that looks at it.

        Rules in the item's trail make theirs as others do, with that trail in it: it is `Intake` that leaves those
        out, and so notices loops. Raises what `seen.headers` raises.
        """
        ...

    def jobs_unread(self, seen: Seen, occasion: str, why: str) -> list[NewJob]:
        """The same of an item whose headers cannot be had: rules with a condition make a job that is dead, and says
        why; retried, it has the rule asked anew."""
        ...


class Stopped(Protocol):
    """Is told of a rule that was stopped, and why."""

    def __call__(self, rule: str, why: str) -> None: ...


class Undone(Protocol):
    """Is told of jobs that are dead from the start, and why. It is quick and never raises."""

    def __call__(self, job: Job, why: str) -> None: ...


class Intake:
    """The way of all jobs into the journal. Safe to share between threads.

    What a rule's own work led to makes no job of it. Where that came about by way of another rule, the two feed one
    another: the rule is stopped until the configuration changes. What rules do outside of the mesh leaves no trail;
    there further jobs of the same study or instance are left undone when one has followed another.

    What is not done for such reasons is not lost: those jobs are dead from the start, say why, and can be retried.
    """

    def __init__(
        self,
        journal: Journal,
        configuration: str,
        added: Callable[[], None],
        stopped: Stopped,
        undone: Undone = lambda job, why: None,
    ) -> None:
        """`configuration` is a digest of all rules. `added` is called when there is something new to do."""
        self._journal = journal
        self.configuration = configuration
        self._added = added
        self._tell = stopped
        self._undone = undone
        self._stopped = dict(journal.stopped_rules(configuration))
        self._overflowed: set[str] = set()

    @property
    def stopped(self) -> Mapping[str, str]:
        """The rules that were stopped, and why."""
        return dict(self._stopped)

    @property
    def troubles(self) -> Mapping[str, str]:
        """The rules of which items were left out since this process began, and why."""
        return dict.fromkeys(list(self._overflowed), f"it has {MOST_DEAD:,} dead jobs: further items make none")

    def add(self, jobs: Sequence[NewJob], learnt: Learnt | None = None) -> list[Job]:
        """Make those jobs that may be made; see Journal.add. Raises DianaError DISK_FULL."""
        admitted = self._admitted(jobs)
        if not admitted and learnt is None:
            return []
        added = self._journal.add(admitted, time.time(), learnt)
        for job in added:
            if job.state is State.DEAD:
                self._undone(job, job.steps[0].last_error)
        if added:
            self._added()
        return added

    def _admitted(self, jobs: Iterable[NewJob]) -> list[NewJob]:
        made: Counter[tuple[str, str]] = Counter()
        admitted = []
        for job in jobs:
            if not self._is_new_work(job):
                continue
            if why := job.dead or self._why_not(job, made):
                made[job.rule, _DEAD] += 1
                job = replace(job, dead=why)
            made[job.rule, job.item.key] += 1
            if not job.dead or self._dead_count(job.rule) + made[job.rule, _DEAD] <= MOST_DEAD:
                admitted.append(job)
            else:
                self._overflowed.add(job.rule)
        return admitted

    def _why_not(self, job: NewJob, made: Mapping[tuple[str, str], int]) -> str:
        """Why a job is not to be done; empty if it is."""
        if job.rule in self._stopped:
            return f"its rule was stopped: {self._stopped[job.rule]}"
        if isinstance(job.item, FileItem):  # a name that a sender uses all day long, for one file after another
            return ""
        key = job.item.key
        count = made.get((job.rule, key), 0) + self._journal.recent_count(job.rule, key, time.time() - LOOP_SECONDS)
        if count < LOOP_COUNT:
            return ""
        return f"its rule made {count} jobs of this item within an hour, as if its own work came back to it"

    def _dead_count(self, rule: str) -> int:
        return self._journal.counts().get((rule, State.DEAD), 0)

    def _is_new_work(self, job: NewJob) -> bool:
        if job.rule not in job.trail:
            return True
        if job.trail[-1] != job.rule:
            way = " > ".join([*job.trail, job.rule])
            if job.rule not in self._stopped:
                self._stop(job.rule, f"its own work came back to it, by way of other rules: {way}")
        return False

    def _stop(self, rule: str, why: str) -> None:
        self._journal.stop_rule(rule, why, self.configuration)
        self._stopped[rule] = why
        self._tell(rule, why)
