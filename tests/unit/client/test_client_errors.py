"""Statuses become exceptions that say what to do."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import status_pb2

from diana_client import errors
from diana_client.errors import MeshError, from_status


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, errors.InvalidRequest),
        (grpc.StatusCode.OUT_OF_RANGE, errors.OutOfRange),
        (grpc.StatusCode.NOT_FOUND, errors.NotFound),
        (grpc.StatusCode.ALREADY_EXISTS, errors.Conflict),
        (grpc.StatusCode.ABORTED, errors.Conflict),
        (grpc.StatusCode.PERMISSION_DENIED, errors.PermissionDenied),
        (grpc.StatusCode.UNAUTHENTICATED, errors.PermissionDenied),
        (grpc.StatusCode.FAILED_PRECONDITION, errors.FailedPrecondition),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.ResourceExhausted),
        (grpc.StatusCode.UNAVAILABLE, errors.Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.DeadlineExceeded),
        (grpc.StatusCode.CANCELLED, errors.Cancelled),
        (grpc.StatusCode.DATA_LOSS, errors.DataLoss),
        (grpc.StatusCode.INTERNAL, errors.InternalError),
        (grpc.StatusCode.UNIMPLEMENTED, MeshError),
    ],
)
def test_each_code_has_its_class(code: grpc.StatusCode, expected: type[MeshError]) -> None:
    error = from_status(status_pb2.Status(code=code.value[0], message="Why."))
    assert type(error) is expected
    assert (error.code, error.message, error.reason, error.remedy, error.fields) == (code, "Why.", "", "", ())


def test_a_code_nobody_knows_is_an_internal_error() -> None:
    error = from_status(status_pb2.Status(code=4711))
    assert type(error) is errors.InternalError
    assert error.code is grpc.StatusCode.UNKNOWN


def test_details_that_do_not_parse_are_as_good_as_none() -> None:
    garbage = AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff\xff\xff")
    unknown = AnyMessage(type_url="type.googleapis.com/some.Thing", value=b"")
    error = from_status(status_pb2.Status(code=5, message="Gone.", details=[garbage, unknown]))
    assert type(error) is errors.NotFound
    assert error.reason == ""


def test_the_text_names_the_reason_and_the_remedy() -> None:
    error = MeshError(grpc.StatusCode.NOT_FOUND, "No.", reason="STUDY_NOT_FOUND", metadata={"remedy": "Look again."})
    assert str(error) == "STUDY_NOT_FOUND: No. Look again."
    assert str(MeshError(grpc.StatusCode.NOT_FOUND, "No.")) == "NOT_FOUND: No."


def test_overload_and_absence_are_worth_retrying_and_a_full_disk_is_not() -> None:
    def exhausted(reason: str) -> MeshError:
        return errors.ResourceExhausted(grpc.StatusCode.RESOURCE_EXHAUSTED, "", reason=reason)

    assert errors.is_worth_retrying(exhausted("OVERLOADED"))
    assert errors.is_worth_retrying(errors.Unavailable(grpc.StatusCode.UNAVAILABLE, ""))
    assert not errors.is_worth_retrying(exhausted("DISK_FULL"))
