"""How an association can end other than by release."""

from __future__ import annotations

from enum import IntEnum


class AbortReason(IntEnum):
    """Why the service provider aborts (PS3.8 Table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class AssociationEnded(Exception):
    """Base: the association is no more. `str` says why, for logs: it holds nothing that the peer sent."""


class PeerAborted(AssociationEnded):
    """The peer sent A-ABORT."""


class ConnectionLost(AssociationEnded):
    """The connection closed or broke without a release."""


class PeerSilent(AssociationEnded):
    """The peer sent nothing, took nothing, or too little, for longer than it may."""


class ProtocolFault(AssociationEnded):
    """The peer broke PS3.7 or PS3.8; it is sent an A-ABORT with `reason`."""

    def __init__(self, message: str, reason: AbortReason = AbortReason.INVALID_PARAMETER) -> None:
        super().__init__(message)
        self.reason = reason


class TurnedAway(AssociationEnded):
    """We refused the association that the peer asked for; there was none. `str` is the reason."""


class Rejected(AssociationEnded):
    """The peer refused an association that we asked for (PS3.8 Table 9-21: result, source, reason)."""

    def __init__(self, result: int, source: int, reason: int) -> None:
        super().__init__(f"rejected: result {result}, source {source}, reason {reason}")
        self.result, self.source, self.reason = result, source, reason
