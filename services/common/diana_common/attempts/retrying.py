"""How long to wait before the next attempt, and when to give up."""

from __future__ import annotations

import random
from dataclasses import dataclass

_MAX_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often something is tried, until it is done or given up."""

    first_seconds: float = 5.0
    """Until the second attempt, at most; each further wait is twice as long, and up to half of it is left to chance."""

    longest_seconds: float = 900.0
    """Between two attempts, at most."""

    give_up_seconds: float = 3 * 86_400.0
    """After which what was tried in vain is given up: a message, counted from when it was queued; a job, counted from
    when the turn came of the action that fails."""

    def __post_init__(self) -> None:
        if not 0 < self.first_seconds <= self.longest_seconds or self.give_up_seconds < 0:
            raise ValueError("first_seconds must be positive, longest_seconds not less, give_up_seconds not negative")

    def delay_after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row: twice as long each time, from half of it by chance.

        The chance keeps those that failed together from coming back together.
        """
        longest = min(self.first_seconds * 2.0 ** min(failures - 1, _MAX_DOUBLINGS), self.longest_seconds)
        return longest * random.uniform(0.5, 1.0)
