"""Where items can be had from, and put."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint


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
        """The items that `wanted.meta` names by its deepest UID (or path), with content."""


@runtime_checkable
class Putter(Endpoint, Protocol):
    """Items can be put into it."""

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Put each, and hand it on with `meta["outcome"]` or its `failure`; the order may differ.

        No more is taken from `items` than is on its way.
        """
