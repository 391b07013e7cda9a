"""What peers send by our own C-MOVE: noted as a sign of life, and held up where it comes faster than it shall."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from diana_dimse.core.outbound.arrivals import Arrivals
from diana_dimse.core.outbound.pacing import Pace
from diana_dimse.handlers.session import Handler, Session
from diana_dimse.network.association import Message

_LONGEST_SECONDS = 10.0


class PacedHandler:
    """A handler of C-STORE requests, each of which waits for its turn where a C-MOVE is named as its origin.

    What the peer sends of its own accord does not wait. Peers that name no origin are paced between studies only.
    """

    def __init__(
        self,
        handler: Handler,
        paces: Mapping[str, Pace],
        arrivals: Arrivals,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`paces` by the names of peers."""
        self._handler, self._paces, self._arrivals, self._sleep = handler, paces, arrivals, sleep

    def serve(self, session: Session, message: Message) -> None:
        """Wait, though not for so long that the peer gives up, and then serve the request."""
        peer = session.admission.peer
        pace = self._paces.get(peer.name) if peer and message.command.move_originator_title else None
        if pace is not None:
            self._sleep(min(pace.wait_seconds(), _LONGEST_SECONDS))
            pace.count(1)
        if peer:
            self._arrivals.note(peer.name)
        self._handler.serve(session, message)
