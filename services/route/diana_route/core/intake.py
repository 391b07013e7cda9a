"""From what sources tell to jobs in the journal: rules are asked, and loops of rules stopped."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from diana_route.core.journal import Journal, Learnt
from diana_route.core.matching import Seen
from diana_route.core.model import FileItem, Job, NewJob

LOOP_COUNT = 100
LOOP_SECONDS = 3600.0
"""A rule that makes more jobs of one item in that time feeds itself on ways that no trail shows. A study whose instances
trickle in, and which completes time and again, makes fewer."""


class Deciding(Protocol):
    """The rules in force."""

    def jobs(self, seen: Seen, occasion: str, rule: str = "") -> list[NewJob]:
        """The jobs that rules make of an item; of the named rule only, or of every one that looks at it.

        Rules in the item's trail make theirs as others do, with that trail in it: it is `Intake` that leaves those
        out, and so notices loops. Raises what `seen.headers` raises.
        """
        ...


class Stopped(Protocol):
    """Is told of a rule that was stopped, and why."""

    def __call__(self, rule: str, why: str) -> None: ...


class Intake:
    """The way of all jobs into the journal. Safe to share between threads.

    What a rule's own work led to makes no job of it. Where that came about by way of another rule, the two feed one
    another: the rule is stopped, and makes no jobs until the configuration changes. What rules do outside of the mesh
    leaves no trail; there a rule is stopped that makes one job after another of the same study or instance.
    """

    def __init__(self, journal: Journal, configuration: str, added: Callable[[], None], stopped: Stopped) -> None:
        """`configuration` is a digest of all rules. `added` is called when there is something new to do."""
        self._journal = journal
        self._configuration = configuration
        self._added = added
        self._tell = stopped
        self._stopped = dict(journal.stopped_rules(configuration))

    @property
    def stopped(self) -> Mapping[str, str]:
        """The rules that were stopped, and why."""
        return dict(self._stopped)

    def add(self, jobs: Sequence[NewJob], learnt: Learnt | None = None) -> list[Job]:
        """Make those jobs that may be made; see Journal.add. Raises DianaError DISK_FULL."""
        admitted = self._admitted(jobs)
        if not admitted and learnt is None:
            return []
        added = self._journal.add(admitted, time.time(), learnt)
        if added:
            self._added()
        return added

    def _admitted(self, jobs: Iterable[NewJob]) -> list[NewJob]:
        made: Counter[tuple[str, str]] = Counter()
        admitted = []
        for job in jobs:
            if job.rule not in self._stopped and self._is_new_work(job) and self._is_seldom(job, made):
                made[job.rule, job.item.key] += 1
                admitted.append(job)
        return admitted

    def _is_new_work(self, job: NewJob) -> bool:
        if job.rule not in job.trail:
            return True
        if job.trail[-1] != job.rule:
            way = " > ".join([*job.trail, job.rule])
            self._stop(job.rule, f"its own work came back to it, by way of other rules: {way}")
        return False

    def _is_seldom(self, job: NewJob, made: Mapping[tuple[str, str], int]) -> bool:
        if isinstance(job.item, FileItem):  # a name that a sender uses all day long, for one file after another
            return True
        key = job.item.key
        count = made.get((job.rule, key), 0) + self._journal.recent_count(job.rule, key, time.time() - LOOP_SECONDS)
        if count < LOOP_COUNT:
            return True
        self._stop(job.rule, f"it made {count} jobs of one item within an hour, as if its own work came back to it")
        return False

    def _stop(self, rule: str, why: str) -> None:
        self._journal.stop_rule(rule, why, self._configuration)
        self._stopped[rule] = why
        self._tell(rule, why)
