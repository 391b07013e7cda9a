"""Things leave when they are due in simulated time, and nothing leaves once it is enough."""

from __future__ import annotations

from datetime import timedelta

import pytest

from diana_mock.pace import Pace, Stop
from tests.unit.mock.mock_bench import START, made, site


class Clock(Stop):
    """A clock that passes when somebody waits for it; it can be stopped at a moment."""

    def __init__(self, until: float = float("inf")) -> None:
        super().__init__()
        self.seconds, self._until = 100.0, until

    def now(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> bool:
        self.seconds += seconds
        if self.seconds > self._until:
            self.set()
        return self.is_set()


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_an_hour_passes_as_fast_as_is_asked_for(speed: float) -> None:
    clock = Clock()
    for one in Pace(speed, START, clock, clock.now).hold(made(site("US"), duration=timedelta(hours=1))):
        assert clock.seconds - 100 == pytest.approx((one.time - START).total_seconds() / speed)
    assert 1800 / speed < clock.seconds - 100 < 4500 / speed


def test_nothing_waits_at_full_speed() -> None:
    clock = Clock()
    assert len(list(Pace(None, START, clock, clock.now).hold(made(site("US"), studies=10)))) == 60
    assert clock.seconds == 100.0


def test_who_has_enough_ends_it_at_once() -> None:
    clock = Clock(until=2000.0)
    held = list(Pace(1.0, START, clock, clock.now).hold(made(site("US"))))
    assert held and all(one.time <= START + timedelta(seconds=1900) for one in held)


def test_what_is_late_does_not_wait() -> None:
    clock = Clock()
    pace = Pace(1.0, START, clock, clock.now)
    clock.seconds += 1e6
    assert len(list(pace.hold(made(site("US"), studies=3)))) == 18 and clock.seconds == 1e6 + 100
