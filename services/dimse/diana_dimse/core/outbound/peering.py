"""Application Entities that we ask: how they are dealt with, and what is asked of them (PS3.4 Annexes A, C)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from diana_common.dicomjson import DataSetJson
from diana_common.hours import Hours
from diana_dimse.core.entities import PeerEntity
from diana_dimse.core.outbound.asking import Found, Inquiry


class Retrieve(Enum):
    """A DIMSE service that brings instances."""

    MOVE = "move"
    GET = "get"


@dataclass(frozen=True)
class Correspondent:
    """A peer that we call, and on what terms."""

    entity: PeerEntity
    calling: str
    """The AE title of ours that we call it as."""

    is_tls: bool = False
    retrieve: Retrieve = Retrieve.MOVE
    instances_per_second: float = 0.0
    """How many at most come from it or go to it, in operations; 0: no limit."""

    hours: tuple[Hours, ...] = ()
    """When operations may use it; always when empty."""

    attempts: int = 3
    """How often what breaks is tried."""

    commitment_seconds: float = 3600.0
    """How long it may take to say what it commits itself to keep."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self.entity.name

    def is_open(self, now: datetime) -> bool:
        """Whether operations may use it at this moment, local time."""
        return not self.hours or any(one.has(now) for one in self.hours)


@dataclass(frozen=True)
class Outcome:
    """What a retrieval came to, by the peer's own counts (PS3.4 section C.4.2.1)."""

    completed: int = 0
    failed: int = 0
    warning: int = 0
    failed_uids: tuple[str, ...] = ()
    """SOP Instance UIDs of those that failed, where the peer tells."""

    is_cancelled: bool = False

    @property
    def sent(self) -> int:
        """How many instances it says it sent."""
        return self.completed + self.warning


Cancelled = Callable[[], bool]
"""Whether to give up; asked twice a second or so."""


Keep = Callable[[int, DataSetJson], Found | None]
"""What to keep of an answer to the query at a place; None for nothing."""


class Pacs(Protocol):
    """What peers do for us. Each method is one association, or several where it is tried again.

    Raises DianaError AE_UNAVAILABLE, ASSOCIATION_REJECTED, PEER_REFUSED with its status. Safe to share between threads.
    """

    def echo(self, peer: Correspondent) -> float:
        """Verify that it answers; the seconds that it took."""
        ...

    def find(self, peer: Correspondent, inquiry: Inquiry, cancelled: Cancelled) -> Generator[DataSetJson, None, None]:
        """Its answers as they come. Giving the iterator up cancels the query; so does `cancelled`, which ends it."""
        ...

    def find_each(
        self, peer: Correspondent, inquiries: Sequence[Inquiry], keep: Keep, cancelled: Cancelled
    ) -> Iterator[Sequence[Found]]:
        """What is kept of the answers to each of several queries, in their order, over one association.

        They are not tried again. Raises DianaError RESULT_TOO_LARGE for more than 20,000 answers to one.
        """
        ...

    def move(self, peer: Correspondent, study_uid: str, destination: str, cancelled: Cancelled) -> Outcome:
        """Have it send a study to an AE title."""
        ...

    def get(
        self, peer: Correspondent, study: Found, store: str, watch: Callable[[], None], cancelled: Cancelled
    ) -> Outcome:
        """Have it send a study over the same association, into a store.

        `watch` hears of each instance before it is taken, and may take its time.
        """
        ...
