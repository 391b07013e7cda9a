"""How long to wait before the next attempt, and when to give up."""

from __future__ import annotations

import random
from dataclasses import dataclass

_MAX_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds until the second attempt, at most between two, and from queueing until it is given up."""

    first_seconds: float
    longest_seconds: float
    give_up_seconds: float

    def delay_after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row: twice as long each time, from half of it by chance.

        The chance keeps those that failed together from coming back together.
        """
        longest = min(self.first_seconds * 2.0 ** min(failures - 1, _MAX_DOUBLINGS), self.longest_seconds)
        return longest * random.uniform(0.5, 1.0)
