"""C-STORE requests that a C-MOVE of ours brings wait for their turn; others do not."""

from __future__ import annotations

from typing import Any, cast

import pytest

from diana_dimse.core.entities import Admission, LocalEntity, PeerEntity
from diana_dimse.core.outbound.arrivals import Arrivals
from diana_dimse.core.outbound.pacing import Pace
from diana_dimse.handlers.pacing import PacedHandler
from diana_dimse.handlers.session import Session
from diana_dimse.network.association import Message
from diana_dimse.network.commands import Operation, request
from diana_dimse.network.listener import Caller
from diana_dimse.network.negotiation import Context
from tests.unit.dimse.fake_work import FakeClock


class Served:
    def __init__(self) -> None:
        self.count = 0

    def serve(self, session: Session, message: Message) -> None:
        self.count += 1


@pytest.mark.parametrize(
    ("peer", "origin", "slept"), [("pacs", "DIANA", 5.0), ("pacs", None, 0.0), ("ct", "DIANA", 0.0), ("", "DIANA", 0.0)]
)
def test_only_what_we_asked_a_peer_of_a_rate_for_waits(peer: str, origin: str | None, slept: float) -> None:
    clock, served, arrivals = FakeClock(), Served(), Arrivals()
    pace = Pace(2, clock)
    pace.count(10)
    named = PeerEntity(peer, "PACS") if peer else None
    session = Session(cast(Any, None), Admission(LocalEntity("DIANA"), named, frozenset()), Caller("127.0.0.1"))
    command = request(Operation.C_STORE, 1, move_originator_title=origin)
    message = Message(Context(1, "1.2", "1.2"), command, iter(()))
    PacedHandler(served, {"pacs": pace}, arrivals, clock.sleep).serve(session, message)
    assert (served.count, clock.slept) == (1, slept)
    assert bool(arrivals.last(peer)) is bool(peer)
