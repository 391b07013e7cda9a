"""Spans of the day in which something may be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import Self


@dataclass(frozen=True)
class Hours:
    """A span of each day, local time; over midnight where it ends before it begins."""

    start: time
    end: time

    @classmethod
    def read(cls, text: str) -> Self:
        """What "19:00-06:30" means. Raises ValueError."""
        start, _, end = text.partition("-")
        return cls(time.fromisoformat(start), time.fromisoformat(end))

    def has(self, now: datetime) -> bool:
        """Whether a moment lies in it. A span of no length is the whole day."""
        at = now.time()
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end
