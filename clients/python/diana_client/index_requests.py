"""What both of the index' clients build alike, and how a record is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import grpc

from diana.index.v1 import index_service_pb2 as pb
from diana.type.v1.query_level_pb2 import QueryLevel
from diana_client.calls import LARGEST_PAGE
from diana_client.errors import BadAnswer, InvalidRequest

Level = str | int
"""A query level: "patient", "study", "series", "instance", or a value of `diana.type.v1.QueryLevel`."""

Matches = Mapping[str, "str | Sequence[str] | Matches"]
"""Matching keys: keyword or tag to a value, or to several of which any may match; of a sequence to the keys that
one of its items must meet: `{"RequestAttributesSequence": {"ScheduledProcedureStepID": "X"}}`."""


def find_request(
    level: Level,
    matches: Matches | None,
    return_keys: Iterable[str],
    order_by: Iterable[str],
    store: str,
    at_least_position: str,
    limit: int | None,
    where: str = "",
    fuzzy_names: bool = False,
    combined_date_times: bool = False,
) -> pb.FindRequest:
    """The request for the first page."""
    return pb.FindRequest(
        store=store,
        level=query_level(level),
        matches=attribute_matches(matches),
        return_keys=return_keys,
        order_by=orders(order_by),
        page_size=LARGEST_PAGE if limit is None else max(1, min(limit, LARGEST_PAGE)),
        at_least_position=at_least_position,
        filter=where,
        fuzzy_names=fuzzy_names,
        combined_date_times=combined_date_times,
    )


def orders(order_by: Iterable[str]) -> list[pb.Order]:
    """Attributes to sort by, "-" before one for descending, as messages."""
    return [pb.Order(attribute=key.removeprefix("-"), descending=key.startswith("-")) for key in order_by]


def attribute_matches(matches: Matches | None) -> list[pb.AttributeMatch]:
    """The matching keys as messages."""
    return [_attribute_match(attribute, wanted) for attribute, wanted in (matches or {}).items()]


def query_level(level: Level) -> QueryLevel.ValueType:
    """The level that a word means. Raises InvalidRequest for any other word."""
    if isinstance(level, int):
        return cast("QueryLevel.ValueType", level)
    try:
        return QueryLevel.Value(f"QUERY_LEVEL_{level.upper()}")
    except ValueError:
        description = "must be patient, study, series or instance"
        raise InvalidRequest(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"level: {description}",
            reason="INVALID_FIELD",
            fields=[("level", description)],
        ) from None


def _attribute_match(attribute: str, wanted: str | Sequence[str] | Matches) -> pb.AttributeMatch:
    if isinstance(wanted, Mapping):
        return pb.AttributeMatch(attribute=attribute, item=attribute_matches(wanted))
    return pb.AttributeMatch(attribute=attribute, values=[wanted] if isinstance(wanted, str) else wanted)


def search_key_request(search_key_id: str, path: str, level: Level, vr: str) -> pb.CreateSearchKeyRequest:
    """The request for a search key."""
    key = pb.SearchKey(search_key_id=search_key_id, path=path, level=query_level(level), vr=vr)
    return pb.CreateSearchKeyRequest(search_key=key)


def record_attributes(record: pb.Record) -> dict[str, str]:
    """A record's attributes as text, by tag ("00100020"): several values joined by a backslash.

    Person names give their alphabetic form. Sequences and binary values are left out: read those from
    `record.dicom_json`. Raises BadAnswer when that is no DICOM JSON object (PS3.18 Annex F).
    """
    try:
        elements = json.loads(record.dicom_json or b"{}")
        return {tag: text for tag, element in elements.items() if (text := _text(element)) is not None}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadAnswer("The index sent a record that is no DICOM JSON object.") from error


def _text(element: dict[str, Any]) -> str | None:
    if element.get("vr") == "SQ" or "InlineBinary" in element or "BulkDataURI" in element:
        return None
    return "\\".join(_value_text(value) for value in element.get("Value", []))


def _value_text(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("Alphabetic", ""))
    return "" if value is None else str(value)
