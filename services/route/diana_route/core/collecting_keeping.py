"""What is left to do for collections that no operation is at: clearing what they staged, and forgetting them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from diana_common.attempts import Failed
from diana_common.errors import DianaError
from diana_route.core.collecting import Collected, Collections, ItemState, Step, Steps
from diana_route.core.collecting_run import clear
from diana_route.core.collecting_shelf import Shelf


def abandon(key: str, items: Collections, steps: Steps, now: Callable[[], float]) -> None:
    """Stop what goes on elsewhere for a collection that nothing is at, and clear what it staged, as far as can be now.

    Its studies are to be retrieved anew when it is retried. A study stays claimed until it is cleared.
    """
    for item in items.begun(key):
        with suppress(Failed):
            _abandon(item, items, steps, now)


def _abandon(item: Collected, items: Collections, steps: Steps, now: Callable[[], float]) -> None:
    """Raises Failed."""
    steps.stop(item)
    was_ending = item.step >= Step.CLEAR
    clear(item, steps)
    item.update_time = now()
    if was_ending:
        item.step = Step.END
        item.state = ItemState.FAILED if item.reason else item.state
    else:
        item.step, item.state = Step.RETRIEVE, ItemState.FOUND
        item.round += 1
    items.save(item)
    items.release(item)


class Keeper:
    """Looks after collections that ended, were cancelled or got lost."""

    def __init__(
        self,
        collections: Shelf,
        is_active: Callable[[str], bool],
        ended_before: Callable[[str, float], bool],
        turn: Callable[[str], AbstractContextManager[bool]],
        steps: Callable[[str], Steps],
        now: Callable[[], float],
        keep_seconds: float,
    ) -> None:
        """`is_active`: whether an operation, by its name, has not ended; `ended_before`: whether it ended before a
        time, or is known no more. `turn`: the turn of a collection, by its key, unless something else has it.
        """
        self._collections, self._is_active, self._ended_before = collections, is_active, ended_before
        self._turn, self._steps, self._now, self._keep_seconds = turn, steps, now, keep_seconds

    def clear(self) -> None:
        """Clear what is left staged, as far as that can be done now. Raises DianaError where none can be read."""
        for key in self._collections.unfinished():
            with suppress(DianaError), self._turn(key) as is_ours:  # one that cannot be read keeps no other waiting
                if is_ours and not self._is_active(self._collections.get(key).operation):
                    abandon(key, self._collections, self._steps(key), self._now)

    def forget(self) -> None:
        """Drop collections that ended long ago, also badly. Raises DianaError where collections cannot be read."""
        limit = self._now() - self._keep_seconds
        for key in self._collections.made_before(limit):
            if self._ended_before(self._collections.get(key).operation, limit):
                self._collections.drop(key)

    def drop_lost(self) -> None:
        """Drop collections that no operation was ever at: their callers were told of none. Before any is made."""
        for key in self._collections.unbound():
            self._collections.drop(key)
