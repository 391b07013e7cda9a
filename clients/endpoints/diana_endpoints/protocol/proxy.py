"""What stands between us and the DICOM peers that it knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.protocol.query import Query


@runtime_checkable
class Proxy(Endpoint, Protocol):
    """Its peers can be queried through it, and it retrieves from them into itself.

    A `peer` is named as the endpoint names it: a modality of Orthanc's configuration.
    """

    def find_through(self, peer: str, query: Query) -> Iterator[Item]:
        """The peer's answers to a C-FIND, each with its header, its UIDs and `meta["peer"]`."""

    def retrieve_through(self, peer: str, wanted: Item) -> Item:
        """Have the endpoint retrieve the study, series or instance whose UIDs are in `wanted.meta`.

        The item comes back once the peer has sent it all: with `meta["id"]`, the endpoint's own name of it, for
        `Getter.get`, and `meta["outcome"]` "retrieved"; or with its failure.
        """
