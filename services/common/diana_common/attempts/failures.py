"""The ways in which an attempt can fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Failed(Exception):
    """An attempt failed. `why` is kept and shown: the other side's words, without addresses, text or patient values.

    `retry_after` is for how many seconds the other side wants to be left alone; the next attempt comes no earlier.
    """

    def __init__(self, why: str, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.retry_after = retry_after


class Refused(Failed):
    """The other side will never do this: no further attempt is made."""


class Postponed(Failed):
    """The other side does not do this now; it may do others."""


class Unreachable(Failed):
    """The target does nothing at all now: everything for it waits."""


class Parted(Exception):
    """Of a piece of several entries some fared otherwise than others: its parts, and how each failed, if it did.

    Together the parts are the whole piece.
    """

    def __init__(self, parts: Sequence[tuple[Any, Failed | None]]) -> None:
        super().__init__("parts fared differently")
        self.parts = parts
