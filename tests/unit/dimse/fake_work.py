"""An operation and a clock for the rules that need them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from diana_common.errors import DianaError
from diana_common.hours import Hours
from diana_dimse.core.entities import PeerEntity
from diana_dimse.core.outbound.pacing import Clock
from diana_dimse.core.outbound.peering import Correspondent


class Stopped(BaseException):
    """What an operation is left with."""


class FakeWork:
    """An operation; a later attempt is made of an earlier one by `again`."""

    def __init__(self, stop_when: Callable[[], bool] = lambda: False) -> None:
        self.last_checkpoint = b""
        self.failures: list[tuple[str, DianaError]] = []
        self.shown: list[tuple[int, int]] = []
        self._stop_when = stop_when

    @property
    def failed_items(self) -> frozenset[str]:
        return frozenset(item for item, _ in self.failures)

    def progress(self, done: int, total: int, unit: str) -> None:
        self.shown.append((done, total))

    def checkpoint(self, state: bytes) -> None:
        self.last_checkpoint = state

    def fail_item(self, item: str, error: DianaError) -> None:
        self.failures.append((item, error))

    def cancelled(self) -> bool:
        return self._stop_when()

    def raise_if_cancelled(self) -> None:
        if self._stop_when():
            raise Stopped

    def again(self) -> FakeWork:
        """The next attempt, which nobody stops."""
        other = FakeWork()
        other.last_checkpoint, other.failures = self.last_checkpoint, list(self.failures)
        return other


class FakeWaiting:
    """Hears what is waited for."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, float]] = []

    def waits(self, peer: str, why: str, seconds: float) -> None:
        self.told.append((peer, why, seconds))


class FakeClock(Clock):
    """Passes only when somebody sleeps."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, 12, 0)) -> None:
        self._start = start
        self.slept = 0.0
        super().__init__(
            local=lambda: self._start + timedelta(seconds=self.slept), monotonic=lambda: self.slept, sleep=self._sleep
        )

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds


def correspondent(*, hours: tuple[Hours, ...] = (), attempts: int = 3, name: str = "pacs") -> Correspondent:
    return Correspondent(PeerEntity(name, "PACS", "127.0.0.1"), "DIANA", hours=hours, attempts=attempts)
