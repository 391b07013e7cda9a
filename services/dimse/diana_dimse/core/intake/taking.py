"""One instance as a C-STORE brings it, taken in: by whoever sends to us, or over an association of ours (C-GET)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from diana_dimse.core.intake.identity import Identity
from diana_dimse.core.intake.part10 import file_head
from diana_dimse.core.intake.receiving import Kept, Origin, Receiving


@dataclass(frozen=True, slots=True)
class Named:
    """What a C-STORE-RQ and its presentation context say of an instance."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str


def take_in(way: Receiving, origin: Origin, named: Named, pieces: Iterable[memoryview]) -> Kept:
    """Take its data set in, and wait until the archive has it for good.

    Raises DianaError UID_INVALID where it is another instance, and as `Incoming` and the archive refuse it.
    """
    uids = named.sop_class_uid, named.sop_instance_uid, named.transfer_syntax
    incoming = way.begin(origin, file_head(*uids, origin.calling))
    check = Identity(*uids)
    try:
        for piece in pieces:
            check.look(piece)
            incoming.write(piece)
        check.close()
        return incoming.finish()
    finally:
        incoming.close()
