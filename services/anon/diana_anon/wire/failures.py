"""Why an item of an operation failed, as its record has it."""

from __future__ import annotations

from google.rpc import error_details_pb2, status_pb2

from diana_anon.core.reports.model import Refused


def refused_from_status(item: str, serialised: bytes) -> Refused:
    """An instance, or a study, that was refused, by its UID; from a serialised google.rpc.Status."""
    status = status_pb2.Status.FromString(serialised)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
    return Refused(item, "", info.reason, status.message, "")
