"""Results on their way to a store: their receipts are kept before them, and pending until the store has them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diana_anon.core.ports import Ledger, Source
from diana_anon.core.proof.receipts import Receipt, Result, Shipment
from diana_common.errors import DianaError, Reason

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What one operation sends to one store."""

    ledger: Ledger
    operation: str
    store: str

    def send(self, receipts: Sequence[Receipt]) -> None:
        """Durably, before any of their results is sent: what a crash leaves stored has a receipt."""
        self.ledger.send(self.operation, self.store, receipts)

    def arrived(self, results: Sequence[Result]) -> None:
        """See core.studies.tally.Answers."""
        self.ledger.arrived(self.operation, results)

    def refused(self, results: Sequence[Result]) -> None:
        """See core.studies.tally.Answers."""
        self.ledger.refused(self.operation, results)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Finds out what has arrived of that which nobody heard of, by asking `target` for it.

    What it lacks stays pending: a store that took it in as the connection broke may have it a moment later.
    """

    ledger: Ledger
    target: Source

    def settle(self) -> None:
        """Ask for all that is pending, while no operation runs. Raises PEER_UNAVAILABLE, INTERNAL, DISK_FULL."""
        for shipment in self.ledger.on_the_way():
            self.ledger.arrived(shipment.operation, list(self._there(shipment)))

    def _there(self, shipment: Shipment) -> Iterator[Result]:
        """Those that the target has, byte for byte."""
        wanted = {one.sop_instance_uid: one for one in shipment.results}
        try:
            listed = self.target.instances(shipment.store, shipment.study_uid)
            there = [key.sop_uid for key in listed if key.sop_uid in wanted]
            for start in range(0, len(there), _BATCH):
                batch = there[start : start + _BATCH]
                for sop_uid, data in self.target.download(shipment.store, shipment.study_uid, batch):
                    digest = hashlib.sha256()
                    for piece in data:
                        digest.update(piece)
                    if digest.hexdigest() == wanted[sop_uid].sha256:
                        yield wanted[sop_uid]
        except DianaError as error:
            if error.reason not in _NOT_THERE:
                raise


_NOT_THERE = frozenset({Reason.STORE_UNKNOWN, Reason.STUDY_NOT_FOUND, Reason.INSTANCE_NOT_FOUND, Reason.STORE_DAMAGED})
"""What the target says of a study that it does not have, or not whole; the rest of it is left pending."""
