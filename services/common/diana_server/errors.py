"""The one translator from our typed errors to gRPC statuses (google.aip.dev/193)."""

from __future__ import annotations

import uuid

from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from diana_common.errors import DianaError, Reason

DOMAIN = "diana"


def to_status(error: DianaError) -> status_pb2.Status:
    """The status of an error, with ErrorInfo and, for bad fields, BadRequest in its details."""
    info = error_details_pb2.ErrorInfo(
        reason=error.reason.name,
        domain=DOMAIN,
        metadata={**error.metadata, "remedy": error.remedy},
    )
    details = [_any(info)]
    if error.fields:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=one.field, description=one.description)
            for one in error.fields
        ]
        details.append(_any(error_details_pb2.BadRequest(field_violations=violations)))
    return status_pb2.Status(code=error.code.value, message=error.message, details=details)


def unknown_error() -> DianaError:
    """What the caller learns of an error nobody foresaw: an id to report, and nothing else."""
    error_id = uuid.uuid4().hex[:12]
    return DianaError(
        Reason.INTERNAL, f"The server failed; the error's id is {error_id}.", metadata={"error_id": error_id}
    )


def _any(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
