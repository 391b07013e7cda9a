"""How many attempts a minute a target takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_CATCH_UP_SECONDS = 1.0
"""So much of what a target did not use it may use at once: a wait is never exact."""

_FEW = 1_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Attempts a minute at most, above zero: by a target's name, or by its first word for each target of that kind."""

    per_minute: Mapping[str, float] = field(default_factory=dict)

    def seconds_between(self, target: str) -> float:
        """Seconds from one attempt to the next; zero without a limit."""
        rate = self.per_minute.get(target) or self.per_minute.get(target.partition(" ")[0])
        return 60.0 / rate if rate else 0.0


class Paces:
    """When each limited target's next turn is. What was used before a start is not known: all of it, then."""

    def __init__(self, limits: Limits, start: float) -> None:
        self._limits = limits
        self._start = start
        self._turns: dict[str, float] = {}
        self._most = _FEW

    def next_turn(self, target: str, now: float) -> float:
        """The time from which on a target may be tried; never further away than one turn, whatever the clock does."""
        seconds = self._limits.seconds_between(target)
        return min(self._turns.get(target, self._start + seconds), now + seconds) if seconds else 0.0

    def used(self, target: str, now: float) -> None:
        """A target is tried now."""
        seconds = self._limits.seconds_between(target)
        if seconds:
            unused = now - max(_CATCH_UP_SECONDS - seconds, 0.0)
            self._turns[target] = max(self.next_turn(target, now), unused) + seconds
            self._forget(now)

    def _forget(self, now: float) -> None:
        """Drop targets that have not been tried for long, so that what is kept stays small."""
        if len(self._turns) > self._most:
            self._turns = {name: turn for name, turn in self._turns.items() if turn > now - _CATCH_UP_SECONDS}
            self._most = max(_FEW, 2 * len(self._turns))
