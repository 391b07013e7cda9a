"""Parts of the route service without a server: jobs, and an archive and an index in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

from diana_common.conditions import Header
from diana_common.errors import DianaError, Reason
from diana_route.core.archive import StudySummary
from diana_route.core.feed import Batch, Told
from diana_route.core.following import Follower
from diana_route.core.intake import Intake
from diana_route.core.matching import Seen
from diana_route.core.model import FileItem, InstanceItem, Item, NewJob, StudyItem
from diana_route.core.querying import Querying, QueryRule
from diana_route.core.rules import Event, QuerySource
from diana_route.stores.sqlite import SqliteJournal

DIGEST = "digest"


def study(number: int = 1, store: str = "inbox", **attributes: str) -> StudyItem:
    return StudyItem(store, f"1.2.{number}", attributes)


def file(path: str = "a.dcm", stamp: str = "s1", rule: str = "rule") -> FileItem:
    return FileItem(rule, path, stamp, {"site": "hospital_a"})


def new_job(
    item: Item | None = None, rule: str = "rule", occasion: str = "p1", trail: Sequence[str] = (), steps: str = "abc"
) -> NewJob:
    """A job with a step for each letter, each with a target of its own."""
    actions, targets = [f"do {one}" for one in steps], [f"target {one}" for one in steps]
    return NewJob(rule, DIGEST, item or study(), actions, targets, occasion, trail)


def completed(number: int = 1, store: str = "inbox", rule: str = "", operation: str = "") -> Told:
    return Told(Event.STUDY_COMPLETED, study(number, store, trial="mammo"), "", 0.0, rule, operation)


def stored(number: int = 1, store: str = "inbox", rule: str = "", operation: str = "") -> Told:
    item = InstanceItem(store, f"1.2.{number}", f"1.2.{number}.9")
    return Told(Event.INSTANCE_STORED, item, "", 0.0, rule, operation, {})


class FakeWatch:
    """A watch that yields what is put into `told`; None ends it."""

    def __init__(self) -> None:
        self.told: SimpleQueue[Batch | DianaError | None] = SimpleQueue()

    def __iter__(self) -> Iterator[Batch]:
        while (one := self.told.get()) is not None:
            if isinstance(one, DianaError):
                raise one
            yield one

    def cancel(self) -> None:
        self.told.put(None)


class FakeArchive:
    """core.feed.Feed and core.archive.Holdings in memory. A position is an epoch and a number of entries."""

    def __init__(self) -> None:
        self.entries: list[Told] = []
        self.epoch = "a"
        self.down = False
        self.stores_there = ["inbox", "trial"]
        self.headers: dict[str, Header | DianaError] = {}
        """By Study Instance UID."""
        self.attributes: Mapping[str, str] = {"trial": "mammo"}
        self._watches: list[FakeWatch] = []
        self._lock = threading.Lock()

    def head(self) -> str:
        if self.down:
            raise DianaError(Reason.PEER_UNAVAILABLE, "The archive does not answer.")
        return self._position(len(self.entries))

    def stores(self) -> list[str]:
        return self.stores_there

    def watch(
        self, after: str, stores: Sequence[str], headers: bool, to_head: bool = False, since: float | None = None
    ) -> FakeWatch:
        epoch, _, number = after.partition(":")
        watch = FakeWatch()
        with self._lock:
            if self.down:
                watch.told.put(DianaError(Reason.PEER_UNAVAILABLE, "The archive does not answer."))
            elif epoch != self.epoch:
                watch.told.put(DianaError(Reason.EPOCH_CHANGED, "The archive was restored."))
            else:
                entries = [one for one in self.entries[int(number) :] if one.item.store in stores]
                watch.told.put(Batch(entries, self._position(len(self.entries))))
                self._watches.append(watch)
        if to_head:
            watch.told.put(None)
        return watch

    def tell(self, *entries: Told) -> None:
        """Append to the feed."""
        with self._lock:
            placed = []
            for one in entries:
                position = self._position(len(self.entries) + 1)
                placed.append(Told(one.event, one.item, position, 0.0, one.rule, one.operation, one.header, one.way))
                self.entries.append(placed[-1])
            self._put(Batch(placed, self._position(len(self.entries))))

    def break_off(self) -> None:
        """End all watches with an error."""
        self._put(DianaError(Reason.PEER_UNAVAILABLE, "The archive does not answer."))

    def study(self, store: str, study_uid: str) -> StudySummary:
        if isinstance(self.headers.get(study_uid), DianaError):
            raise DianaError(Reason.STUDY_NOT_FOUND, "There is no such study.")
        return StudySummary(True, self.attributes)

    def first_headers(self, store: str, study_uid: str) -> Iterator[Header]:
        header = self.headers.get(study_uid, {})
        if isinstance(header, DianaError):
            raise header
        yield header

    def instance(self, store: str, sop_instance_uid: str) -> tuple[str, Header]:
        raise DianaError(Reason.INSTANCE_NOT_FOUND, "There is no such instance.")

    def stored(self, store: str, sop_instance_uid: str) -> Told | None:
        return None

    def _position(self, count: int) -> str:
        return f"{self.epoch}:{count}"

    def _put(self, one: Batch | DianaError) -> None:
        for watch in self._watches:
            watch.told.put(one)


class FakeIndex:
    """core.querying.Index: finds what it is told to, a page of three at a time."""

    def __init__(self) -> None:
        self.studies_found: list[int] = []
        self.error: DianaError | None = None
        self.asked: list[tuple[str, str, str]] = []

    def studies(self, store: str, query: str, at_least_position: str) -> Iterator[Sequence[str]]:
        self.asked.append((store, query, at_least_position))
        uids = sorted(f"1.2.{number}" for number in self.studies_found)
        for start in range(0, len(uids), 3):
            yield uids[start : start + 3]
        if self.error:
            raise self.error


class FakeDeciding:
    """core.intake.Deciding: one job of each of some rules for every item; `asks` for headers first if told to."""

    def __init__(self, *rules: str, asks: bool = False) -> None:
        self.rules = rules
        self.asks = asks
        self.headers: list[Header] = []

    def jobs(self, seen: Seen, occasion: str, rule: str = "") -> list[NewJob]:
        if self.asks:
            self.headers += seen.headers()
        names = [rule] if rule else self.rules
        return [new_job(seen.item, name, occasion, seen.trail) for name in names]

    def jobs_unread(self, seen: Seen, occasion: str, why: str) -> list[NewJob]:
        return [replace(new_job(seen.item, name, occasion, seen.trail), digest="", dead=why) for name in self.rules]


class FakeObserver:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.losses: list[Reason] = []
        self.gaps = 0
        self.items: list[Item] = []
        self.stops: list[tuple[str, str]] = []
        self.failures: list[tuple[str, Reason]] = []

    def lost(self, error: DianaError) -> None:
        self.losses.append(error.reason)

    def began_anew(self) -> None:
        self.gaps += 1

    def unjudged(self, item: Item, error: DianaError) -> None:
        self.items.append(item)

    def stopped(self, rule: str, why: str) -> None:
        self.stops.append((rule, why))

    def query_failed(self, rule: str, error: DianaError) -> None:
        self.failures.append((rule, error.reason))


class RouteBench:
    """All of it together, in a folder; `restart` begins anew on what is there."""

    def __init__(self, folder: Path, *rules: str) -> None:
        self._path = folder / "journal.sqlite"
        self.archive = FakeArchive()
        self.index = FakeIndex()
        self.deciding = FakeDeciding(*rules)
        self.query = QueryRule("nightly", QuerySource("inbox", "Modality = CT", 3600.0))
        self.configuration = "rules"
        self._begin()

    def _begin(self) -> None:
        self.observer = FakeObserver()
        self.wakes = threading.Semaphore(0)
        self.journal = SqliteJournal(self._path)
        self.undone: list[str] = []
        told = (self.wakes.release, self.observer.stopped, lambda job, why: self.undone.append(why))
        self.intake = Intake(self.journal, self.configuration, *told)
        parts = (self.archive, self.archive, self.deciding, self.intake, self.journal, self.observer)
        self.follower = Follower(*parts, stores=["inbox", "trial"], headers=True)
        self.querying = Querying([self.query], self.index, *parts)

    def restart(self) -> None:
        self.close()
        self._begin()

    def close(self) -> None:
        self.querying.stop()
        self.follower.stop()
        self.journal.close()

    def made(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """The rule, study and trail of each job, the oldest first."""
        jobs = self.journal.page(None, 1000, None, "")[::-1]
        return [(job.rule, job.item.key.split()[-1], tuple(job.trail)) for job in jobs]
