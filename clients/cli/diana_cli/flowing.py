"""A chain while it runs: which stage is at work, and what each has taken and not handed on yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from diana_endpoints.items import Item

_MOST = 1000
"""Items remembered of a stage that takes many before it hands on."""


class Flowing:
    """A stage at work. What it has taken and not handed on is unfinished when the chain breaks.

    A stage that makes other items of those that it takes is done with one when it takes the next.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.places: dict[str, None] = {}
        """The endpoints that it uses, as they were named, without what may hold a secret or a patient value."""
        self.broke = False
        self._taken: dict[int, Item] = {}
        self._makes = False

    @property
    def where(self) -> str:
        """Its name, and what it uses; to be followed by a colon."""
        return " ".join([self.name, *filter(None, self.places)]).removesuffix(":")

    def uses(self, endpoint: str) -> None:
        """It uses an endpoint."""
        self.places[_without_path(endpoint)] = None

    @property
    def unfinished(self) -> list[Item]:
        """What it has taken and not handed on: metadata only."""
        return list(self._taken.values())

    def taking(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items that the stage is given."""
        for item in items:
            if self._makes or len(self._taken) == _MOST:
                self._taken.clear()
                self._makes = False
            self._taken[id(item)] = Item(item.meta, number=item.number)
            yield item

    def giving(self, items: Iterable[Item], enter: Callable[[Flowing | None], Flowing | None]) -> Iterator[Item]:
        """The items that the stage hands on. `enter` says who is at work, and answers who was before."""
        left = iter(items)
        while True:
            before = enter(self)
            try:
                item = next(left, None)
            except BaseException:
                self.broke = True
                raise
            finally:
                enter(before)
            if item is None:
                self._taken.clear()
                return
            self._makes = self._taken.pop(id(item), None) is None
            yield item


def _without_path(endpoint: str) -> str:
    """A service's name, or of a URL what comes before its path."""
    prefix, colon, rest = endpoint.partition(":")
    if rest.startswith("//"):
        return f"{prefix}://{rest[2:].partition('/')[0].rpartition('@')[2].partition('?')[0]}"
    return prefix + colon if colon or not {"/", "\\"} & set(prefix) else ""
