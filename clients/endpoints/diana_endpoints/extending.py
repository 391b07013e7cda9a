"""What a package that adds a kind of endpoint needs, in one place. docs/endpoints.md shows a whole one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from diana_common.errors import DianaError, Reason
from diana_endpoints.failures import each
from diana_endpoints.headers import said_by
from diana_endpoints.items import BytesContent, Failure, FileContent, Item
from diana_endpoints.kind import Kind
from diana_endpoints.matching import answers
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.protocol.query import Query
from diana_endpoints.wanted import wanted_id

__all__ = [
    "BytesContent",
    "DianaError",
    "Failure",
    "FileContent",
    "Health",
    "Item",
    "Kind",
    "Listed",
    "Query",
    "Reason",
    "put_each",
    "said_by",
    "wanted_id",
]


class Listed:
    """An endpoint that is looked through: of its `list` it makes `get` and `find`, and it has nothing to close."""

    passed_over: Mapping[str, int] = Counter()

    def list(self) -> Iterator[Item]:
        """Every item, its id in `meta["id"]`."""
        raise NotImplementedError(f"{type(self).__name__} has no list()")

    def close(self) -> None:
        """Nothing to give back."""

    def get(self, wanted: Item) -> Iterator[Item]:
        """The items of an id. Raises DianaError ITEM_NOT_FOUND."""
        item_id, found = wanted_id(wanted), False
        for item in self.list():
            if str(item.meta.get("id")) == item_id:
                found = True
                yield item
        if not found:
            raise DianaError(Reason.ITEM_NOT_FOUND, "there is no item of this id")

    def find(self, query: Query) -> Iterator[Item]:
        """The items that match, as `diana_endpoints.matching` has it."""
        return answers(self.list(), query)


def put_each(items: Iterable[Item], put_one: Callable[[Item], object]) -> Iterator[Item]:
    """Put items one by one: each comes back as "stored", or with what `put_one` raised as its failure.

    Raises what says that the other side cannot be reached (DianaError PEER_UNAVAILABLE, for example).
    """

    def put(item: Item) -> str:
        put_one(item)
        return "stored"

    return each(items, put)
