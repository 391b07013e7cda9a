"""Hours, rates and patience, by a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.hours import Hours
from diana_dimse.core.outbound.pacing import Pace, Turn
from tests.unit.dimse.fake_work import FakeClock, FakeWaiting, FakeWork, Stopped, correspondent

NIGHT = (Hours(time(19), time(6, 30)),)


def failing(*reasons: Reason) -> Callable[[], str]:
    left = list(reasons)

    def ask() -> str:
        if left:
            raise DianaError(left.pop(0), "no")
        return "answer"

    return ask


@pytest.mark.parametrize(
    ("at", "is_open"),
    [("18:59", False), ("19:00", True), ("23:59", True), ("00:00", True), ("06:29", True), ("06:30", False)],
)
def test_hours_go_over_midnight(at: str, is_open: bool) -> None:
    now = datetime.combine(datetime(2026, 1, 1), time.fromisoformat(at))
    assert correspondent(hours=NIGHT).is_open(now) is is_open
    assert correspondent().is_open(now)


def test_an_operation_waits_for_the_hours_of_its_peer() -> None:
    clock = FakeClock(datetime(2026, 1, 1, 18, 0))
    waiting = FakeWaiting()
    Turn(correspondent(hours=NIGHT), Pace(0, clock), FakeWork(), clock, waiting).wait()
    assert [why for _, why, _ in waiting.told] == ["HOURS"]
    assert datetime(2026, 1, 1, 19, 0) <= clock.local() < datetime(2026, 1, 1, 19, 1)


def test_an_operation_that_waits_can_be_stopped() -> None:
    clock = FakeClock(datetime(2026, 1, 1, 18, 0))
    work = FakeWork(stop_when=lambda: clock.slept > 100)
    with pytest.raises(Stopped):
        Turn(correspondent(hours=NIGHT), Pace(0, clock), work, clock, FakeWaiting()).wait()
    assert clock.slept < 110


def test_so_many_instances_go_a_second_and_no_more() -> None:
    clock = FakeClock()
    turn = Turn(correspondent(), Pace(5, clock), FakeWork(), clock, FakeWaiting())
    for _ in range(51):
        turn.hold()
        turn.sent(1)
    assert clock.slept == pytest.approx(10)


def test_what_came_at_once_is_waited_for_afterwards() -> None:
    clock = FakeClock()
    turn = Turn(correspondent(), Pace(10, clock), FakeWork(), clock, FakeWaiting())
    turn.wait()
    turn.sent(200)
    assert not clock.slept
    turn.wait()
    assert clock.slept == pytest.approx(20)


def test_operations_share_the_pace_of_a_peer() -> None:
    clock = FakeClock()
    pace = Pace(10, clock)
    Turn(correspondent(), pace, FakeWork(), clock, FakeWaiting()).sent(100)
    Turn(correspondent(), pace, FakeWork(), clock, FakeWaiting()).wait()
    assert clock.slept == pytest.approx(10)


def test_a_peer_that_is_away_is_waited_for_each_time_longer() -> None:
    clock, waiting = FakeClock(), FakeWaiting()
    turn = Turn(correspondent(attempts=2), Pace(0, clock), FakeWork(), clock, waiting)
    assert turn.patiently(failing(*[Reason.AE_UNAVAILABLE] * 12), lambda: False) == "answer"
    assert waiting.told[:2] == [("pacs", "AE_UNAVAILABLE", 2.0), ("pacs", "AE_UNAVAILABLE", 4.0)]
    assert clock.slept == pytest.approx(2 + 4 + 8 + 16 + 32 + 64 + 128 + 256 + 4 * 300)


def test_what_breaks_at_a_peer_that_is_there_is_let_out_after_the_attempts() -> None:
    clock = FakeClock()
    turn = Turn(correspondent(attempts=3), Pace(0, clock), FakeWork(), clock, FakeWaiting())
    with pytest.raises(DianaError):
        turn.patiently(failing(*[Reason.AE_UNAVAILABLE] * 3), lambda: True)
    assert turn.patiently(failing(*[Reason.AE_UNAVAILABLE] * 2), lambda: True) == "answer"


def test_a_refusal_is_let_out_at_once() -> None:
    clock = FakeClock()
    turn = Turn(correspondent(), Pace(0, clock), FakeWork(), clock, FakeWaiting())
    with pytest.raises(DianaError):
        turn.patiently(failing(Reason.PEER_REFUSED), lambda: True)
    assert not clock.slept


def test_patience_ends_when_the_operation_is_stopped() -> None:
    clock = FakeClock()
    work = FakeWork(stop_when=lambda: clock.slept > 1000)
    turn = Turn(correspondent(), Pace(0, clock), work, clock, FakeWaiting())
    with pytest.raises(Stopped):
        turn.patiently(failing(*[Reason.AE_UNAVAILABLE] * 1000), lambda: False)


def test_what_was_counted_while_it_came_is_not_counted_again() -> None:
    clock = FakeClock()
    pace = Pace(10, clock)
    turn = Turn(correspondent(), pace, FakeWork(), clock, FakeWaiting())
    with turn.counting() as count:
        pace.count(30)
        count(100)
    assert pace.wait_seconds() == pytest.approx(10)
    with turn.counting() as count:
        pace.count(30)
        count(20)
    assert pace.wait_seconds() == pytest.approx(13)
