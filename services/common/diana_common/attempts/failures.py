"""The ways in which an attempt can fail."""

from __future__ import annotations


class Failed(Exception):
    """An attempt failed. `why` is kept and shown: the other side's words, without addresses, text or patient values."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Refused(Failed):
    """The other side will never do this: no further attempt is made."""


class Postponed(Failed):
    """The other side does not do this now; it may do others."""


class Unreachable(Failed):
    """The target does nothing at all now: everything for it waits."""
