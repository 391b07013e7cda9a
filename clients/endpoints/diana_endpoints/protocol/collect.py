"""What pulls lists of studies from a source, politely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Working

STATES = ("waiting", "found", "retrieved", "deidentified", "delivered", "failed")
"""How far an item can be, in order."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to collect: by accession number, by UID or a cohort; where from, where to, how fast and when.

    A place is written as one word: peer:NAME or NAME, a DICOM peer; endpoint:NAME, of the router's configuration;
    archive:STORE, which is for destinations.
    """

    source: str
    destination: str
    accession_numbers: Sequence[str] = ()
    study_uids: Sequence[str] = ()
    cohort: str = ""
    profile: str | None = None
    """How to de-identify; None: not at all."""
    result_store: str = ""
    studies_per_minute: float = 0.0
    instances_per_second: float = 0.0
    hours: Sequence[str] = ()
    time_zone: str = ""
    name: str = ""
    """The same name and order is the same collection; each is another one when empty."""


@runtime_checkable
class Collector(Working, Protocol):
    """It collects. A collection is named by any of its operations."""

    def start_collection(self, order: Order) -> str:
        """Start one, or find the one of that name; the name of the operation that is at it, or was last."""

    def collection(self, operation: str) -> Item:
        """How far one is: `meta` has `items`, a count for each state, `waiting_for`, `mark` and `result_store`."""

    def collected_items(self, operation: str, state: str = "") -> Iterator[Item]:
        """What became of each item: all, or those in one of STATES."""

    def source_studies(self, operation: str) -> Iterator[Item]:
        """The studies that were found, as the source describes them now: each with its header. Patient values."""

    def retry_collection(self, operation: str) -> str:
        """Have what failed tried again; the name of the operation that is at it."""

    def cancel_collection(self, operation: str) -> Item:
        """End one where it is, and wait for that; how far it is, as `collection` tells."""
