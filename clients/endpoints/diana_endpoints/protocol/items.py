"""The one small protocol: what an endpoint can do with items. Each does what makes sense for it.

An item that is wanted is named by `meta["id"]`, as its endpoint names things, or by its deepest UID, as the items of
a chain carry them. Iterators are lazy: no more is taken or held than is on its way. What is wrong with one item is
that item's `failure`; what is wrong with the endpoint is raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.protocol.query import Query


@runtime_checkable
class Lister(Endpoint, Protocol):
    """All its items can be had in turn."""

    passed_over: Mapping[str, int]
    """What the last listing met and did not hand on, counted by kind ("no DICOM")."""

    def list(self) -> Iterator[Item]:
        """Every item, its content unopened."""


@runtime_checkable
class Getter(Endpoint, Protocol):
    """Items can be fetched by name."""

    def get(self, wanted: Item) -> Iterator[Item]:
        """The items that `wanted.meta` names, with data or content: a study brings its instances."""


@runtime_checkable
class Finder(Endpoint, Protocol):
    """Questions can be asked of it."""

    def find(self, query: Query) -> Iterator[Item]:
        """The items that match, each with its header or data; pages are fetched as they are needed."""


@runtime_checkable
class Putter(Endpoint, Protocol):
    """Items can be put into it."""

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Put each, and hand it on with `meta["outcome"]` or its `failure`; the order may differ.

        No more is taken from `items` than is on its way.
        """


@runtime_checkable
class Updater(Endpoint, Protocol):
    """What it keeps of an item can be changed."""

    def update(self, wanted: Item, changes: Mapping[str, Any]) -> Item:
        """Set what `changes` names, and leave the rest; the item as it is then. None takes a value away."""


@runtime_checkable
class Deleter(Endpoint, Protocol):
    """Items can be deleted."""

    def delete(self, wanted: Item) -> int:
        """Delete what `wanted.meta` names; how many that was (instances, where it keeps instances)."""


@runtime_checkable
class Handler(Endpoint, Protocol):
    """It can do what only its kind can do."""

    methods: Mapping[str, str]
    """What that is, by name, each with a sentence that says so."""

    def handle(self, method: str, arguments: Sequence[Any], options: Mapping[str, Any]) -> Iterator[Item]:
        """Do what `methods` names. Raises DianaError INVALID_FIELD for what it does not name, or does not take."""
