"""A peer on a real socket that does what a test tells it to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from diana_dimse.core.entities import PeerEntity
from diana_dimse.core.outbound.peering import Correspondent
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import Operation
from diana_dimse.network.listener import Caller, Limits, Listener
from diana_dimse.network.negotiation import Proposal, Roles
from diana_dimse.network.opening import Remote
from diana_dimse.network.pdus import Rejection

Script = Callable[[Association, Message], None]


class ScriptedPeer:
    """Takes every association in unless told otherwise, and gives each message to the script of its operation."""

    def __init__(self, **scripts: Script) -> None:
        """Scripts by operation, as `c_find=...`."""
        self.scripts = {Operation[name.upper()]: script for name, script in scripts.items()}
        self.rejection: Rejection | None = None
        self.refused: frozenset[str] = frozenset()
        self.takes_relational = True
        self.proposals: list[Proposal] = []
        self.received: list[int] = []
        self.released = 0
        self.ended = threading.Semaphore(0)
        limits = Limits(associations=20, negotiation_seconds=5, network_seconds=10, idle_seconds=10)
        self._listener = Listener(("127.0.0.1", 0), self, limits)
        self.remote = Remote("127.0.0.1", self._listener.address[1], connect_seconds=5, network_seconds=10)

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.stop(0)

    def correspondent(self, attempts: int = 3) -> Correspondent:
        """How we know it."""
        return Correspondent(PeerEntity("pacs", "PACS", "127.0.0.1"), "DIANA", attempts=attempts)

    def admit(self, proposal: Proposal, caller: Caller) -> ScriptedPeer | Rejection:
        self.proposals.append(proposal)
        return self.rejection or self

    def serve(self, association: Association, caller: Caller) -> None:
        try:
            while (message := association.receive()) is not None:
                self.received.append(message.command.operation)
                if script := self.scripts.get(Operation(message.command.operation)):
                    script(association, message)
            self.released += 1
        finally:
            self.ended.release()

    def transfer_syntax(self, abstract_syntax: str, proposed: Sequence[str]) -> str | None:
        return None if abstract_syntax in self.refused else proposed[-1]

    def roles(self, abstract_syntax: str, proposed: Roles) -> Roles:
        return proposed

    def extended(self, abstract_syntax: str, proposed: bytes) -> bytes | None:
        return proposed if self.takes_relational else None
