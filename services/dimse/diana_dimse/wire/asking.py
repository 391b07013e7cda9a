"""Queries, retrievals and consignments as the contract has them."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration

from diana.dimse.v1 import dimse_service_pb2 as pb
from diana.index.v1.index_service_pb2 import AttributeMatch
from diana_dimse.core.outbound.asking import Inquiry, Match, inquiry
from diana_dimse.core.outbound.collecting import Collected
from diana_dimse.core.outbound.dispatching import Dispatched
from diana_dimse.core.outbound.peering import Retrieve
from diana_dimse.core.outbound.selecting import Selection, by_accession, by_dates, by_study
from diana_dimse.core.queries.finding import Level

_LEVELS = dict(enumerate(Level, start=1))  # as diana.type.v1.QueryLevel
_METHODS = {pb.RETRIEVE_METHOD_MOVE: Retrieve.MOVE, pb.RETRIEVE_METHOD_GET: Retrieve.GET}


def inquiry_from_proto(request: pb.FindAtPeerRequest) -> Inquiry:
    """A query. Raises DianaError KEY_UNSUPPORTED."""
    return inquiry(_LEVELS[request.level], _matches(request.matches), request.return_keys)


def selection_from_proto(request: pb.RetrieveFromPeerRequest) -> Selection:
    """The studies to retrieve. Raises DianaError INVALID_FIELD, KEY_UNSUPPORTED."""
    if request.HasField("studies"):
        return by_study(request.studies.study_uids)
    if request.HasField("accession_numbers"):
        return by_accession(request.accession_numbers.accession_numbers)
    sweep = request.sweep
    return by_dates(sweep.first_date, sweep.last_date, sweep.days or 1, _matches(sweep.matches))


def method_from_proto(request: pb.RetrieveFromPeerRequest) -> Retrieve | None:
    """How instances travel; None for as the configuration says."""
    return _METHODS.get(request.method)


def collected_to_proto(collected: Collected) -> pb.RetrieveFromPeerResult:
    """What a retrieval came to."""
    return pb.RetrieveFromPeerResult(
        study_count=collected.study_count,
        complete_study_count=collected.complete_study_count,
        instance_count=collected.instance_count,
        failed_instance_count=collected.failed_instance_count,
    )


def dispatched_to_proto(dispatched: Dispatched) -> pb.SendToPeerResult:
    """What sending came to."""
    return pb.SendToPeerResult(
        instance_count=dispatched.instance_count,
        sent_count=dispatched.sent_count,
        warning_count=dispatched.warning_count,
        converted_count=dispatched.converted_count,
        committed_count=dispatched.committed_count,
    )


def duration(seconds: float) -> Duration:
    """Seconds as a Duration, with microseconds."""
    message = Duration()
    message.FromMicroseconds(round(seconds * 1e6))
    return message


def _matches(messages: Iterable[AttributeMatch]) -> list[Match]:
    return [Match(one.attribute, tuple(one.values), tuple(_matches(one.item))) for one in messages]
