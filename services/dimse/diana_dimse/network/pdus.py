"""PDUs that have no content worth a parser (PS3.8 section 9.3)."""

from __future__ import annotations

import struct
from enum import IntEnum

HEADER = struct.Struct(">BxL")
"""Type and length, of every PDU."""

PDV_HEADER = struct.Struct(">LBB")
"""Item length, presentation context ID and message control header, of every Presentation Data Value."""

IS_COMMAND, IS_LAST = 0x01, 0x02


class PduType(IntEnum):
    """The first byte of a PDU."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


RELEASE_RQ = HEADER.pack(PduType.RELEASE_RQ, 4) + bytes(4)
RELEASE_RP = HEADER.pack(PduType.RELEASE_RP, 4) + bytes(4)


def p_data(size: int, context_id: int, control: int) -> bytes:
    """What stands before a P-DATA-TF's one value of that size (PS3.8 section 9.3.5)."""
    return HEADER.pack(PduType.P_DATA_TF, size + PDV_HEADER.size) + PDV_HEADER.pack(size + 2, context_id, control)


class Rejection(IntEnum):
    """Why an association is refused: result, source and reason in one number (PS3.8 Table 9-21)."""

    CALLING_AE_TITLE_NOT_RECOGNIZED = 0x010103
    CALLED_AE_TITLE_NOT_RECOGNIZED = 0x010107
    NO_REASON_GIVEN = 0x010101
    LOCAL_LIMIT_EXCEEDED = 0x020302
    TEMPORARY_CONGESTION = 0x020301


def reject(rejection: Rejection) -> bytes:
    """An A-ASSOCIATE-RJ."""
    return HEADER.pack(PduType.ASSOCIATE_RJ, 4) + b"\0" + rejection.to_bytes(3, "big")


def abort(reason: int, by_provider: bool) -> bytes:
    """An A-ABORT, of the service provider for a fault of the peer's, else of the service user (PS3.8 Table 9-26)."""
    return HEADER.pack(PduType.ABORT, 4) + bytes((0, 0, 2 if by_provider else 0, reason if by_provider else 0))
