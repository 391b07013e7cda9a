"""Where the index stands in the feed, and those who wait for it to get somewhere."""

from __future__ import annotations

import threading
import time

from diana_common.errors import DianaError, Reason
from diana_common.position import Position
from diana_index.core.store import Alive, Mark

_LOOK_SECONDS = 0.5
_DOUBT_SECONDS = 1.0
"""How long a feed may take to be found broken."""


class Progress:
    """Shared by the follower, which reports, and by questions, which wait. Safe from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._position: Position | None = None
        self._abandoned: set[str] = set()
        self._stopping = False
        self.mark = Mark()
        """How far the records that answer reach."""
        self.entries_behind = 0
        """How many entries the archive has beyond, as last heard."""
        self.following = False
        """Whether the feed is being followed at this moment."""

    def reached(self, mark: Mark, entries_behind: int | None = None) -> None:
        """The records that answer reach so far; None leaves what was last heard of the rest."""
        with self._changed:
            self.mark = mark
            self._position = Position.parse(mark.position) if mark.position else None
            if entries_behind is not None:
                self.entries_behind = entries_behind
            self._changed.notify_all()

    def set_following(self, following: bool) -> None:
        """The feed is heard, or no longer."""
        with self._changed:
            self.following = following
            self._changed.notify_all()

    def abandon_epoch(self) -> None:
        """The archive refused the position that was reached: its epoch is over."""
        with self._changed:
            if self._position:
                self._abandoned.add(self._position.epoch)
            self._changed.notify_all()

    def stop(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def wait(self, at_least: str, seconds: float, alive: Alive) -> None:
        """Return once `at_least` is applied; at once if it is empty.

        Raises DianaError: POSITION_INVALID, EPOCH_CHANGED, STOPPING; POSITION_NOT_REACHED after `seconds` or
        when nobody waits any more.
        """
        if not at_least:
            return
        target = Position.parse(at_least)
        began = time.monotonic()
        with self._changed:
            while not self._has(target, doubtful=time.monotonic() - began < min(_DOUBT_SECONDS, seconds / 2)):
                left = began + seconds - time.monotonic()
                if left <= 0 or not alive():
                    raise DianaError(Reason.POSITION_NOT_REACHED, "The index has not reached at_least_position yet.")
                self._changed.wait(min(left, _LOOK_SECONDS))

    def _has(self, target: Position, doubtful: bool) -> bool:
        if self._stopping:
            raise DianaError(Reason.STOPPING, "The index is stopping.")
        at = self._position
        if at is not None and at.epoch == target.epoch:
            return at.sequence >= target.sequence
        # The other epoch may be a new one that the index has yet to learn of, from a feed it does not hear.
        if target.epoch in self._abandoned or (at is not None and self.following and not doubtful):
            raise DianaError(Reason.EPOCH_CHANGED, "at_least_position is from another epoch of the archive.")
        return False
