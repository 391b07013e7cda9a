"""What uses DICOM peers, a PACS for example, for its callers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Working
from diana_endpoints.protocol.query import Matches


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which studies to bring from a peer: by UID, else by accession number, else by day."""

    study_uids: Sequence[str] = ()
    accession_numbers: Sequence[str] = ()
    first_date: str = ""
    """YYYYMMDD, and the last, which is included."""
    last_date: str = ""
    days: int = 0
    """How many days each query spans; 0: one."""
    matches: Matches = field(default_factory=dict)
    """What the studies of those days must be like as well."""
    method: str = ""
    """move or get; as the service's configuration of the peer says when empty."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What to send to a peer: whole studies, or instances."""

    study_uids: Sequence[str] = ()
    sop_instance_uids: Sequence[str] = ()
    store: str = ""
    """Where they are, instead of the endpoint's own store."""
    commit: bool = False
    """Whether the peer is asked to commit itself to keep them."""


@runtime_checkable
class PeerUser(Working, Protocol):
    """It uses peers: Application Entities that its service's configuration names."""

    def peers(self) -> Iterator[Item]:
        """Those it knows."""

    def associations(self) -> Iterator[Item]:
        """The associations that peers have with it now, the oldest first."""

    def echo(self, peer: str) -> Item:
        """Whether a peer answers: the milliseconds that it took."""

    def find_at(
        self, peer: str, level: str, matches: Matches, return_keys: Sequence[str] = (), limit: int = 0
    ) -> Iterator[Item]:
        """A peer's answers to a query, each with its header, while they come; `limit` 0: the service's own."""

    def start_pull(self, peer: str, wanted: Wanted) -> str:
        """Start to bring studies from a peer into the store; the name of the operation."""

    def start_push(self, peer: str, parcel: Parcel) -> str:
        """Start to send instances to a peer; the name of the operation."""
