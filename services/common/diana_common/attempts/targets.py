"""Which target may be tried now, so that none that is slow or dead keeps the others waiting."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from diana_common.attempts.limits import Limits, Paces
from diana_common.attempts.retrying import RetryPolicy

WORKERS = 8
"""Attempts under way at a time."""

_A_TARGET = 4
"""For one target at a time, as long as it answers; one that fails gets a single attempt at a time."""

_UNKNOWN = 2
"""For one that has not answered yet: it may turn out to hang."""

_SAME_DOUBT = WORKERS // 2
"""For all targets that fail together, and for all that have not answered yet: neither keeps the others from a try."""

_IN_DOUBT = WORKERS - 2
"""For both together: the other workers are for those that answer."""

_MOST_PROVEN = 10_000
"""So many names of targets that answered are remembered."""


@dataclass
class _Target:
    under_way: int = 0
    failures: int = 0
    failing_since: float = 0.0
    not_before: float = 0.0
    quiet_until: float = 0.0
    served: int = 0


@dataclass
class Targets:
    """What is known of targets since this process started. Not safe for threads: hold a lock."""

    policy: RetryPolicy
    paces: Paces = field(default_factory=lambda: Paces(Limits(), time.time()))
    _known: dict[str, _Target] = field(default_factory=dict)
    _proven: dict[str, None] = field(default_factory=dict)
    """Those that answered when they were last tried, the one that did so first of all first."""
    _turns: int = 0

    def choose(self, waiting: Sequence[tuple[str, float]], now: float) -> tuple[str | None, float]:
        """Of targets and when they are due, the one whose turn it is; and when to look again if it is none's.

        None's turn may come earlier when an attempt that is under way ends.
        """
        best: str | None = None
        look_again = float("inf")
        failing, unknown = self._in_doubt()
        for name, due in waiting:
            target = self._known.get(name, _Target())
            if target.under_way >= self._may_take(name, target, failing, unknown):
                continue
            turn = max(due, target.not_before, target.quiet_until, self.paces.next_turn(name, now))
            if turn > now:
                look_again = min(look_again, turn)
            elif best is None or target.served < self._known.get(best, _Target()).served:
                best = name
        return best, look_again

    def begin(self, name: str, now: float) -> None:
        """An attempt is under way."""
        self.paces.used(name, now)
        self._turns += 1
        target = self._known.setdefault(name, _Target())
        target.under_way += 1
        target.served = self._turns
        target.quiet_until = 0.0

    def answered(self, name: str) -> None:
        """An attempt ended, and the target had answered: with yes or no."""
        target = self._known[name]
        target.under_way -= 1
        target.failures = 0
        target.not_before = 0.0
        self._prove(name)
        if not target.under_way and not target.quiet_until:
            del self._known[name]

    def unreachable(self, name: str, now: float, pause: float = 0.0) -> tuple[float, float]:
        """An attempt ended without an answer: when the next one may be made, and since when there is none.

        The next one waits for `pause` seconds at least, even if another attempt that is under way succeeds.
        """
        target = self._known[name]
        target.under_way -= 1
        self._proven.pop(name, None)
        if not target.failures:
            target.failing_since = now
        if target.not_before <= now:  # one of several attempts under way together counts
            target.failures += 1
            target.not_before = now + self.policy.delay_after(target.failures)
        if pause:
            target.quiet_until = max(target.quiet_until, now + pause)
        return max(target.not_before, target.quiet_until), target.failing_since

    def hasten(self, latest: float, now: float) -> None:
        """Let none wait beyond a time: what does was put off while the clock was ahead."""
        for target in self._known.values():
            target.not_before = min(target.not_before, latest)
            target.quiet_until = min(target.quiet_until, latest)
            target.failing_since = min(target.failing_since, now)

    def _in_doubt(self) -> tuple[int, int]:
        """How many attempts are under way for targets that fail, and for those that have not answered yet."""
        failing = sum(one.under_way for one in self._known.values() if one.failures)
        doubted = sum(one.under_way for name, one in self._known.items() if name not in self._proven)
        return failing, doubted - failing

    def _may_take(self, name: str, target: _Target, failing: int, unknown: int) -> int:
        """How many attempts at a time."""
        if name in self._proven:
            return _A_TARGET
        alike, most = (failing, 1) if target.failures else (unknown, _UNKNOWN)
        return most if alike < _SAME_DOUBT and failing + unknown < _IN_DOUBT else 0

    def _prove(self, name: str) -> None:
        self._proven[name] = None
        if len(self._proven) > _MOST_PROVEN:
            del self._proven[next(iter(self._proven))]
