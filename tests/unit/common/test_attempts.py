"""Which targets are tried, and how long they are waited for."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from diana_common.attempts import Attempting, Postponed, RetryPolicy
from diana_common.attempts.targets import WORKERS, Targets

POLICY = RetryPolicy(10.0, 10.0, 60.0)


def begun(targets: Targets, names: str) -> list[str]:
    """The targets that are tried, an attempt each, until none may be."""
    tried: list[str] = []
    while target := targets.choose([(name, 0.0) for name in names], 100.0)[0]:
        targets.begin(target, 100.0)
        tried.append(target)
    return tried


def proven(*names: str) -> Targets:
    """Some targets have answered."""
    targets = Targets(POLICY)
    for name in names:
        targets.begin(name, 0.0)
        targets.answered(name)
    return targets


def test_targets_that_never_answered_leave_half_of_the_workers_to_those_that_did() -> None:
    targets = proven("good")
    assert sorted(begun(targets, "abcdef")) == ["a", "b", "c", "d"]
    assert begun(targets, ["good"]) == ["good"] * (WORKERS // 2)  # type: ignore[arg-type]


def test_targets_that_fail_and_such_that_never_answered_do_not_take_all_workers_together() -> None:
    targets = Targets(POLICY)
    for name in "abcd":
        targets.begin(name, 0.0)
        targets.unreachable(name, 0.0)
    assert sorted(begun(targets, "abcd")) == ["a", "b", "c", "d"]
    assert len(begun(targets, "efgh")) == WORKERS - 2 - 4


def test_a_target_that_answered_is_remembered_while_nothing_is_asked_of_it_until_it_fails() -> None:
    targets = proven("a")
    assert len(begun(targets, "a")) == 4
    targets.unreachable("a", 0.0)
    for _ in range(3):
        targets.unreachable("a", 0.0)
    assert len(begun(targets, "a")) == 1


@dataclass
class Piece:
    numbers: Collection[int] = (1,)
    target: str = "a"
    attempt_count: int = 0
    create_time: float = 0.0


@dataclass
class OneEntry:
    """A queue of one entry that waits for its second attempt."""

    due: float = 0.0
    hastened: list[float] = field(default_factory=list)

    def waiting(self, but: Collection[int]) -> list[tuple[str, float]]:
        return [("a", self.due)]

    def next_for(self, target: str, now: float, but: Collection[int]) -> Piece | None:
        return Piece() if self.due <= now else None

    def failed(self, piece: Piece, why: str, due_time: float) -> None:
        self.due = due_time

    def hasten(self, latest: float) -> None:
        self.hastened.append(latest)
        self.due = min(self.due, latest)

    def forget(self, ended_before: float) -> None:
        """Nothing ended."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(name)


class Unmoved:
    def __getattr__(self, name: str) -> object:
        return lambda *args: None


def test_where_the_clock_is_put_back_nothing_waits_longer_than_it_would(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(piece: Piece) -> None:
        raise Postponed("not now")

    clock = [100_000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    queue = OneEntry()
    work: Attempting[Piece] = Attempting(queue, fails, POLICY, 60.0, Unmoved())  # type: ignore[arg-type]
    monkeypatch.setattr(work, "_wait", lambda seconds: None)
    piece = work._take()
    assert piece is not None
    work._try(piece)
    assert queue.due > 100_000.0
    clock[0] = 50_000.0
    assert work._take() is None
    assert queue.hastened == [50_010.0]
    clock[0] = 50_011.0
    assert work._take() is not None
