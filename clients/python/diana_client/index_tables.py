"""What both of the index' clients build alike to count in groups and to export tables."""

from __future__ import annotations

import re
import secrets
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import grpc

from diana.index.v1 import index_service_pb2 as pb
from diana_client.errors import InvalidRequest
from diana_client.index_requests import Level, Matches, attribute_matches, orders, query_level

_PARTS = {
    "year": pb.DATE_PART_YEAR,
    "month": pb.DATE_PART_MONTH,
    "day": pb.DATE_PART_DAY,
    "hour": pb.DATE_PART_HOUR,
}
_KINDS = {
    "count": pb.MEASURE_KIND_COUNT,
    "sum": pb.MEASURE_KIND_SUM,
    "min": pb.MEASURE_KIND_MINIMUM,
    "max": pb.MEASURE_KIND_MAXIMUM,
    "mean": pb.MEASURE_KIND_MEAN,
}
_PERCENTILE = re.compile(r"p(\d{1,2}(\.\d+)?|100)")
_FORMATS = {
    "csv": pb.EXPORT_FORMAT_CSV,
    "jsonl": pb.EXPORT_FORMAT_JSON_LINES,
    "parquet": pb.EXPORT_FORMAT_PARQUET,
}


def question(
    level: Level, matches: Matches | None, where: str, fuzzy_names: bool, combined_date_times: bool, store: str
) -> pb.Question:
    """Which records are meant."""
    return pb.Question(
        store=store,
        level=query_level(level),
        matches=attribute_matches(matches),
        filter=where,
        fuzzy_names=fuzzy_names,
        combined_date_times=combined_date_times,
    )


def aggregate_request(
    asked: pb.Question,
    group_by: Iterable[str | pb.Grouping],
    measures: Iterable[str | pb.Measure],
    by_count: bool,
    limit: int,
    at_least_position: str,
) -> pb.AggregateRequest:
    """The request for groups. Raises InvalidRequest for a word that is none."""
    return pb.AggregateRequest(
        question=asked,
        group_by=[grouping(one) if isinstance(one, str) else one for one in group_by],
        measures=[measure(one) if isinstance(one, str) else one for one in measures],
        by_count=by_count,
        limit=limit,
        at_least_position=at_least_position,
    )


def export_request(
    asked: pb.Question, file_format: str, columns: Iterable[str], order_by: Iterable[str], at_least_position: str
) -> pb.ExportRecordsRequest:
    """The request for a table. Raises InvalidRequest for another format than csv, jsonl or parquet."""
    if file_format not in _FORMATS:
        raise _invalid("format", f"must be one of {', '.join(_FORMATS)}")
    return pb.ExportRecordsRequest(
        question=asked,
        columns=columns,
        order_by=orders(order_by),
        format=_FORMATS[file_format],
        at_least_position=at_least_position,
    )


def grouping(text: str) -> pb.Grouping:
    """ATTRIBUTE, ATTRIBUTE:year (month, day, hour), or ATTRIBUTE:WIDTH for bins. Raises InvalidRequest."""
    attribute, colon, how = ("", "", "") if text.endswith(")") else text.rpartition(":")
    if not colon:
        return pb.Grouping(attribute=text)
    if how in _PARTS:
        return pb.Grouping(attribute=attribute, date_part=_PARTS[how])
    try:
        return pb.Grouping(attribute=attribute, bins=pb.Bins(width=float(how)))
    except ValueError:
        description = "after its colon must have year, month, day, hour, or the width of bins"
        raise _invalid("group_by", description) from None


def measure(text: str) -> pb.Measure:
    """KIND:ATTRIBUTE; kinds are count, sum, min, max, mean, median, and p0 to p100. Raises InvalidRequest."""
    kind, _, attribute = text.partition(":")
    if kind in _KINDS:
        return pb.Measure(attribute=attribute, kind=_KINDS[kind])
    percentile = _PERCENTILE.fullmatch("p50" if kind == "median" else kind)
    if not percentile:
        raise _invalid("measures", "must be KIND:ATTRIBUTE; kinds are count, sum, min, max, mean, median, p0 to p100")
    return pb.Measure(attribute=attribute, kind=pb.MEASURE_KIND_QUANTILE, quantile=float(percentile[1]) / 100)


@contextmanager
def target(to: BinaryIO | Path | str) -> Generator[BinaryIO, None, None]:
    """What a table is written to; a file of a name has that name only once it is whole."""
    if not isinstance(to, Path | str):
        yield to
        return
    path = Path(to)
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _invalid(field: str, description: str) -> InvalidRequest:
    return InvalidRequest(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"{field}: {description}",
        reason="INVALID_FIELD",
        fields=[(field, description)],
    )
