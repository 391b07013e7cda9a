"""What the client raises: one exception tree, made from gRPC errors and from `google.rpc.Status` alike.

Every method of this package raises `MeshError` or a subclass of it, never a bare `grpc.RpcError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status


class MeshError(Exception):
    """A refusal or a failure. Programs branch on the class, `code` or `reason`, never on the message.

    `code` is the canonical status code; `reason` the name of a `diana.type.v1.ErrorReason` without its
    prefix (empty when the peer gave none); `remedy` says what the caller can do; `fields` are the bad
    fields of the request as (path, description); `error_id` names an entry of the server's log.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        fields: Sequence[tuple[str, str]] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.fields = tuple(fields)
        self.metadata = dict(metadata or {})

    @property
    def remedy(self) -> str:
        """What the caller can do about it, in a sentence. Empty when the peer gave none."""
        return self.metadata.get("remedy", "")

    @property
    def error_id(self) -> str:
        """The id under which the server logged an internal error. Empty for all others."""
        return self.metadata.get("error_id", "")

    def __str__(self) -> str:
        label = self.reason or self.code.name
        return f"{label}: {self.message}" + (f" {self.remedy}" if self.remedy else "")


class InvalidRequest(MeshError):
    """INVALID_ARGUMENT: correct the request; `fields` says where."""


class OutOfRange(InvalidRequest):
    """OUT_OF_RANGE: a byte range begins past the end."""


class NotFound(MeshError):
    """NOT_FOUND: what the request names is not there."""


class Conflict(MeshError):
    """ALREADY_EXISTS or ABORTED: it clashes with what is there."""


class PermissionDenied(MeshError):
    """PERMISSION_DENIED or UNAUTHENTICATED: this caller may not."""


class FailedPrecondition(MeshError):
    """FAILED_PRECONDITION: not in the state the service is in; retrying alone does not help."""


class ResourceExhausted(MeshError):
    """RESOURCE_EXHAUSTED: too much at once, too large a message, or a full disk."""


class Unavailable(MeshError):
    """UNAVAILABLE: the service could not be reached, or is stopping; retry later."""


class DeadlineExceeded(MeshError):
    """DEADLINE_EXCEEDED: the answer did not come in time."""


class Cancelled(MeshError):
    """CANCELLED: the call was given up, by this side as a rule."""


class DataLoss(MeshError):
    """DATA_LOSS: stored bytes are damaged or gone."""


class InternalError(MeshError):
    """INTERNAL or UNKNOWN: the service failed; `error_id` leads to its log."""


class BadAnswer(MeshError):
    """The service's answer breaks its contract, so nothing of it was trusted."""

    def __init__(self, message: str) -> None:
        super().__init__(grpc.StatusCode.INTERNAL, message, reason="ANSWER_INVALID")


class SourceUnreadable(MeshError):
    """What the caller gave to be uploaded could not be read; `__cause__` says why."""

    def __init__(self, cause: Exception) -> None:
        message = f"The source could not be read ({type(cause).__name__})."
        super().__init__(grpc.StatusCode.INVALID_ARGUMENT, message, reason="SOURCE_UNREADABLE")
        self.__cause__ = cause


_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

_CLASSES: dict[grpc.StatusCode, type[MeshError]] = {
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.UNKNOWN: InternalError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRange,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DATA_LOSS: DataLoss,
    grpc.StatusCode.UNAUTHENTICATED: PermissionDenied,
}


def from_status(status: status_pb2.Status) -> MeshError:
    """The exception for a status that came inside an answer, or was unpacked from a call."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        for message in (info, bad_request):
            if detail.Is(message.DESCRIPTOR):
                _unpack(detail.value, message)
    return _CLASSES.get(code, MeshError)(
        code,
        status.message,
        reason=info.reason,
        fields=[(violation.field, violation.description) for violation in bad_request.field_violations],
        metadata=dict(info.metadata),
    )


def _unpack(data: bytes, message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest) -> None:
    """Read a detail; one that does not parse is as good as none."""
    try:
        message.ParseFromString(data)
    except DecodeError:
        message.Clear()


def from_rpc_error(error: grpc.RpcError) -> MeshError:
    """The exception for a call's error, of the synchronous or the asynchronous API."""
    call = cast(grpc.Call, error)  # what a call raises is a call as well, in both APIs
    try:
        status = rpc_status.from_call(call)
    except (ValueError, DecodeError):
        status = None  # details that do not parse, or contradict the call's own code
    if status is None:
        status = status_pb2.Status(code=call.code().value[0], message=call.details() or "")
    return from_status(status)


@contextmanager
def translated() -> Iterator[None]:
    """Turn any gRPC error inside into a `MeshError`."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error


def is_refused(status: status_pb2.Status) -> bool:
    """Whether an item's status says that it was refused; absent and OK both mean that it was not."""
    return bool(status.code != code_pb2.OK)


def is_worth_retrying(error: MeshError) -> bool:
    """Whether the same call may succeed a little later without anyone's doing."""
    return isinstance(error, Unavailable) or error.reason == "OVERLOADED"
