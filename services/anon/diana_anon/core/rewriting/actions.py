"""What was done to one object, element by element: for receipts, reports and dry runs. It holds no values."""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import lru_cache

from diana_common.dicom.limits import MIB, over_limit
from diana_common.tags import tag_hex

_LONGEST = 64 * MIB
"""Characters of paths: a report of 50,000 content items ten levels deep has 40 million."""

UNPLACED = "map-unplaced"
"""The action for a reference to an instance of which nobody knows where it stands, where UIDs depend on that."""


class ActionLog:
    """Collects an action for every element that was not kept as it was, in the order of the source.

    `actions` holds (path, action): the path is tags and item numbers from 0, "(0040,0275)[0].(0040,0009)"; the
    action is one of a profile's (`profile.Action`), or "identity" for what the mint gave. More than fit in 64 MiB are
    DATA_SET_LIMIT.
    """

    def __init__(self) -> None:
        self.actions: list[tuple[str, str]] = []
        self._characters = 0
        self._within = ""
        self._outer: list[str] = []

    def add(self, tag: int, action: str) -> None:
        """An element of the data set entered last."""
        self._note(self._within + shown(tag), action)

    def add_item(self, tag: int, item: int, action: str) -> None:
        """A whole item of a sequence."""
        self._note(f"{self._within}{shown(tag)}[{item}]", action)

    def _note(self, path: str, action: str) -> None:
        self._characters += len(path)
        if self._characters > _LONGEST:
            raise over_limit("actions on elements in nested sequences")
        self.actions.append((path, action))

    def again(self, actions: Sequence[tuple[str, str]]) -> None:
        """At the top, the same as was done to a like element of another object."""
        self.actions += actions

    def replaced(self, tags: Set[int]) -> None:
        """At the top, these were not removed in the end, but replaced."""
        paths = {shown(tag) for tag in tags}
        self.actions = [(path, "replace" if path in paths else action) for path, action in self.actions]

    def unplaced(self, paths: Set[str]) -> None:
        """References at these paths were mapped without knowing where the instance stands."""
        if paths:
            self.actions = [
                (path, UNPLACED if action == "map" and path in paths else action) for path, action in self.actions
            ]

    def enter(self, tag: int, item: int) -> None:
        """What follows is in an item of a sequence, until `leave`."""
        self._outer.append(self._within)
        self._within += f"{shown(tag)}[{item}]."

    def leave(self) -> None:
        """Back in the data set that holds the sequence."""
        self._within = self._outer.pop()


@lru_cache(maxsize=8192)
def shown(tag: int) -> str:
    """A tag as paths write it: "(0010,0020)"."""
    text = tag_hex(tag)
    return f"({text[:4]},{text[4:]})"
