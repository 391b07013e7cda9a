"""A collection without a mesh: a clock that waiting turns, far sides that fail as told, the real store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

from diana_common.attempts import RetryPolicy
from diana_common.errors import DianaError
from diana_route.core.collecting import Before, Collected, Delivery, ItemState, Order, Place, PlaceKind, Tempo
from diana_route.core.collecting_keeping import Keeper, abandon
from diana_route.core.collecting_run import Clock, Run
from diana_route.stores.collections import SqliteCollections

ORDER = Order(Place(PlaceKind.PEER, "pacs"), Place(PlaceKind.STORE, "trial"), Tempo(), "staging", "default", "trial")
EVENING = datetime(2026, 3, 1, 18, 0, tzinfo=UTC).timestamp()
DONE = [ItemState.DELIVERED]


class Stopped(BaseException):
    """What a run is left with."""


@dataclass
class Turning:
    """A clock that waiting turns."""

    time: float = EVENING

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.time, lambda: self.time, self.sleep)


@dataclass
class FakeWork:
    """An operation."""

    failures: list[tuple[str, DianaError]] = field(default_factory=list)
    shown: list[tuple[int, int]] = field(default_factory=list)
    stop_when: Callable[[], bool] = lambda: False

    @property
    def failed_items(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.failures)

    def progress(self, done: int, total: int, unit: str) -> None:
        self.shown.append((done, total))

    def fail_item(self, item: str, error: DianaError) -> None:
        self.failures.append((item, error))

    def raise_if_cancelled(self) -> None:
        if self.stop_when():
            raise Stopped


@dataclass
class FakeSteps:
    """The far sides: what they have, and what goes wrong at which step, in order."""

    turning: Turning
    has: dict[str, Sequence[str]] = field(default_factory=dict)
    wrong: dict[str, list[BaseException]] = field(default_factory=dict)
    staged: dict[str, set[str]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    """What somebody else stored in the staging store, at any time."""
    did: list[tuple[str, str, float]] = field(default_factory=list)

    def find(self, item: Collected) -> Sequence[str]:
        self._do("find", item)
        return self.has.get(item.accession_number, [item.study_uid] if item.study_uid else [])

    def before(self, item: Collected) -> Before:
        return Before(sorted(self.staged.get(item.study_uid, ())), "position")

    def retrieve(self, item: Collected) -> int:
        self.staged.setdefault(item.study_uid, set()).update({f"{item.study_uid}.1", f"{item.study_uid}.2"})
        self._do("retrieve", item)
        return 2

    def deidentify(self, item: Collected) -> None:
        self._do("deidentify", item)

    def deliver(self, item: Collected) -> Delivery:
        self._do("deliver", item)
        return Delivery(2, True)

    def clear(self, item: Collected) -> int:
        self._do("clear", item)
        staged, before = self.staged[item.study_uid], set(item.before.instances if item.before else ())
        left = len((staged - before) & self.others)
        staged &= before | self.others
        return left

    def stop(self, item: Collected) -> None:
        self._do("stop", item)

    def names(self, of: str = "") -> list[str]:
        return [name for name, label, _ in self.did if not of or label == of]

    def times(self, name: str) -> list[float]:
        return [time - EVENING for done, _, time in self.did if done == name]

    def _do(self, name: str, item: Collected) -> None:
        self.did.append((name, item.accession_number or item.study_uid, self.turning.time))
        label = item.accession_number or item.study_uid
        if left := self.wrong.get(f"{name} {label}") or self.wrong.get(name):
            raise left.pop(0)


@dataclass
class Bench:
    """A collection, and what is around it."""

    kept: SqliteCollections
    turning: Turning
    steps: FakeSteps
    waited: list[str] = field(default_factory=list)

    def create(self, *numbers: str, uids: Sequence[str] = (), key: str = "key") -> None:
        self.steps.has |= {number: [f"1.2.{place}"] for place, number in enumerate(numbers) if number[0] != "-"}
        self.kept.create(key, b"", key.encode(), numbers, uids, self.turning.time)

    def run(self, work: FakeWork | None = None, order: Order = ORDER, attempts: int = 3, key: str = "key") -> FakeWork:
        work = work or FakeWork()
        self.made(work, order, attempts, key).to_the_end()
        return work

    def made(self, work: FakeWork, order: Order = ORDER, attempts: int = 3, key: str = "key") -> Run:
        retry = RetryPolicy(4.0, 60.0, 0.0)
        return Run(key, order, self.kept, self.steps, work, retry, attempts, self.waited.append, self.turning.clock)

    def abandon(self, key: str = "key") -> None:
        abandon(key, self.kept, self.steps, lambda: self.turning.time)

    def keeper(self, active: Sequence[str] = (), busy: Sequence[str] = (), keep_seconds: float = 100.0) -> Keeper:
        """One for which every operation has ended, long ago, but those that are active."""
        return Keeper(
            self.kept,
            lambda operation: operation in active,
            lambda operation, _: operation not in active,
            lambda key: nullcontext(key not in busy),
            lambda key: self.steps,
            lambda: self.turning.time,
            keep_seconds,
        )

    def items(self, key: str = "key") -> list[Collected]:
        return self.kept.page(key, 0, 100, None)

    def states(self, key: str = "key") -> list[ItemState]:
        return [item.state for item in self.items(key)]
