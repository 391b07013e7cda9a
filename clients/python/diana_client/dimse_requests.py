"""What the clients of the DICOM network door ask, and what its operations end with."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import grpc

from diana.dimse.v1 import dimse_service_pb2 as pb
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client.errors import BadAnswer, InvalidRequest
from diana_client.index_requests import Level, Matches, attribute_matches, query_level

Date = datetime.date | str
"""A day: a date, or YYYYMMDD as DICOM writes it."""


def find_request(
    peer: str, level: Level, matches: Matches | None, return_keys: Iterable[str], limit: int
) -> pb.FindAtPeerRequest:
    """A query."""
    return pb.FindAtPeerRequest(
        peer=peer,
        level=query_level(level),
        matches=attribute_matches(matches),
        return_keys=return_keys,
        limit=limit,
    )


def answers(message: pb.FindAtPeerResponse) -> Iterator[dict[str, Any]]:
    """The DICOM JSON objects in a message. Raises BadAnswer for what is none."""
    for one in message.dicom_json:
        try:
            found = json.loads(one)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise BadAnswer("The service answered a query with something else than DICOM JSON objects.")
        yield found


def retrieve_request(
    peer: str, selection: pb.StudyList | pb.AccessionList | pb.Sweep, store: str, method: str, request_id: str
) -> pb.RetrieveFromPeerRequest:
    """Studies to bring; without a `request_id` it gets one of its own. Raises InvalidRequest for another method."""
    request = pb.RetrieveFromPeerRequest(
        request_id=request_id or str(uuid.uuid4()), peer=peer, store=store, method=_method(method)
    )
    if isinstance(selection, pb.StudyList):
        request.studies.CopyFrom(selection)
    elif isinstance(selection, pb.AccessionList):
        request.accession_numbers.CopyFrom(selection)
    else:
        request.sweep.CopyFrom(selection)
    return request


def sweep(first: Date, last: Date, days: int, matches: Matches | None) -> pb.Sweep:
    """The studies of a span of days."""
    return pb.Sweep(first_date=_day(first), last_date=_day(last), days=days, matches=attribute_matches(matches))


def send_request(
    peer: str, study_uids: Iterable[str], sop_instance_uids: Iterable[str], store: str, commit: bool, request_id: str
) -> pb.SendToPeerRequest:
    """Instances to send; without a `request_id` it gets one of its own."""
    return pb.SendToPeerRequest(
        request_id=request_id or str(uuid.uuid4()),
        peer=peer,
        store=store,
        study_uids=study_uids,
        sop_instance_uids=sop_instance_uids,
        commit=commit,
    )


def retrieve_result(operation: Operation) -> pb.RetrieveFromPeerResult:
    """What a retrieval ended with. Raises BadAnswer for an operation that has no such result."""
    result = pb.RetrieveFromPeerResult()
    if not operation.result.Unpack(result):
        raise BadAnswer("The operation has no result of a retrieval.")
    return result


def send_result(operation: Operation) -> pb.SendToPeerResult:
    """What sending ended with. Raises BadAnswer for an operation that has no such result."""
    result = pb.SendToPeerResult()
    if not operation.result.Unpack(result):
        raise BadAnswer("The operation has no result of sending.")
    return result


def _day(day: Date) -> str:
    return day.strftime("%Y%m%d") if isinstance(day, datetime.date) else day


def _method(word: str) -> pb.RetrieveMethod.ValueType:
    if not word:
        return pb.RETRIEVE_METHOD_UNSPECIFIED
    try:
        return pb.RetrieveMethod.Value(f"RETRIEVE_METHOD_{word.upper()}")
    except ValueError:
        description = "must be move or get"
        raise InvalidRequest(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"method: {description}",
            reason="INVALID_FIELD",
            fields=[("method", description)],
        ) from None
