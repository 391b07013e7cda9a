"""Reads what a refusal tells its caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


@dataclass(frozen=True)
class Refusal:
    """A status taken apart; `text` is all that it says."""

    code: int
    reason: str
    fields: list[str]
    text: str


def refusal_in(status: status_pb2.Status) -> Refusal:
    """The refusal that a status carries."""
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad_request)
    fields = [violation.field for violation in bad_request.field_violations]
    return Refusal(status.code, info.reason, fields, f"{status}{info}{bad_request}")


def refused(call: Callable[[Any], Any], request: Any) -> Refusal:
    """The refusal that a call must end with."""
    with pytest.raises(grpc.RpcError) as error:
        call(request)
    assert isinstance(error.value, grpc.Call)
    status = rpc_status.from_call(error.value)
    assert status is not None
    return refusal_in(status)
