"""Positions in the archive's change feed: opaque to callers, ordered for those who own them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from diana_common.errors import DianaError, Reason

_FORM = re.compile(r"([0-9a-f]{8})-(0|[1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the feed of one epoch. Sequence 0 is before the first entry."""

    epoch: str
    sequence: int

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read a position as an answer gave it. Raises DianaError POSITION_INVALID."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise DianaError(Reason.POSITION_INVALID, "This is not a position that an archive gave.")
        return cls(match[1], int(match[2]))

    def __str__(self) -> str:
        return f"{self.epoch}-{self.sequence}"
