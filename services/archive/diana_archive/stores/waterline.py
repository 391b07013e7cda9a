"""How far back the next start must look for what was never committed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

EVERY = 2000
"""How many objects are made durable before it is told anew."""


@dataclass(frozen=True)
class Line:
    """Objects below it are settled: committed, or gone."""

    first_id: int
    """Of what was not begun yet."""

    packs: Mapping[str, int] = field(default_factory=dict)
    """For packs, by store: ids in those that were begun and not finished."""

    loose: int | None = None
    """For loose files: the lowest id of those that were begun and not finished."""

    def encode(self) -> str:
        """For the catalogue."""
        return json.dumps([self.first_id, self.packs, self.loose])

    @classmethod
    def decode(cls, text: str) -> Line:
        """What was encoded."""
        return cls(*json.loads(text))


class Waterline:
    """Tells a catalogue the line now and then, so that a start is short however much is stored.

    It tells what held EVERY objects ago: what was removed a moment ago may come back after a power cut. What a removal
    or a commit that failed leaves below it is found by a verification. It never raises: a disk that is full leaves
    what was told as it is.
    """

    def __init__(self, find: Callable[[], Line]) -> None:
        self._find = find
        self._tell: Callable[[Line], None] | None = None
        self._count = 0

    def begin(self, tell: Callable[[Line], None]) -> None:
        """Tell it now, and from now on. Before the first object. Raises what `tell` raises."""
        self._tell, self._line = tell, self._find()
        tell(self._line)

    def add(self, count: int) -> None:
        """So many more objects are durable."""
        self._count += count
        if self._tell and self._count >= EVERY:
            self._count = 0
            with suppress(Exception):
                self._tell(self._line)
            self._line = self._find()

    def close(self) -> None:
        """No more objects come."""
        if self._tell:
            with suppress(Exception):
                self._tell(self._find())
