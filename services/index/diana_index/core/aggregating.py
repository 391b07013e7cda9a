"""Counting and measuring in groups: what is grouped by and measured, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from diana_common.errors import DianaError, Reason, invalid_field
from diana_index.core.attributes import Attribute, Level
from diana_index.core.forms import NUMBERS, Form
from diana_index.core.question import at_or_above
from diana_index.core.vocabulary import Vocabulary

MOST_GROUPS = 100_000
"""What an answer may hold."""


class DatePart(Enum):
    """How much of a date counts."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"


@dataclass(frozen=True, slots=True)
class Bins:
    """Half-open ranges of numbers: from origin + n * width to origin + (n + 1) * width."""

    width: float
    origin: float = 0.0


class MeasureKind(Enum):
    """A way to sum up numbers."""

    COUNT = "count"
    SUM = "sum"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    MEAN = "mean"
    QUANTILE = "quantile"
    """By nearest rank."""


@dataclass(frozen=True, slots=True)
class GroupingKey:
    """What to group by, as the request has it."""

    attribute: str
    how: DatePart | Bins | None = None


@dataclass(frozen=True, slots=True)
class MeasureKey:
    """What to measure, as the request has it."""

    attribute: str
    kind: MeasureKind
    quantile: float = 0.0


@dataclass(frozen=True, slots=True)
class AggregationKeys:
    """How to sum up records, as the request has it."""

    groupings: Sequence[GroupingKey] = ()
    measures: Sequence[MeasureKey] = ()
    by_count: bool = False
    limit: int = 0
    """0 for all groups."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """What is grouped by; the attribute is of the records' level or above."""

    attribute: Attribute
    how: DatePart | Bins | None


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured; the attribute is of the records' level or above, and a number."""

    attribute: Attribute
    kind: MeasureKind
    quantile: float


@dataclass(frozen=True, slots=True)
class Aggregation:
    """How to sum up the records that a question finds."""

    groupings: tuple[Grouping, ...] = ()
    measures: tuple[Measure, ...] = ()
    by_count: bool = False
    """The greatest groups first, instead of by their keys; those without a value come first among equals."""
    limit: int = MOST_GROUPS + 1
    """How many groups to return."""


@dataclass(frozen=True, slots=True)
class Group:
    """Records that have something in common."""

    keys: tuple[Form | None, ...]
    """One for each grouping; None without a value."""
    count: int
    measurements: tuple[float | None, ...]
    """One for each measure; None where no value took part."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of the records that a question finds."""

    groups: list[Group]
    group_count: int
    """How many there are in all."""
    record_count: int
    """How many records were found; a record of several values is in several groups."""


def make_aggregation(level: Level, keys: AggregationKeys, vocabulary: Vocabulary) -> Aggregation:
    """An aggregation from a request's fields. Raises KEY_UNSUPPORTED, SEARCH_KEY_NOT_READY, INVALID_FIELD."""
    return Aggregation(
        tuple(_grouping(level, vocabulary, *one) for one in enumerate(keys.groupings)),
        tuple(_measure(level, vocabulary, *one) for one in enumerate(keys.measures)),
        keys.by_count,
        keys.limit or MOST_GROUPS + 1,
    )


def check_size(groups: Groups) -> Groups:
    """The groups, if an answer may hold them. Raises RESULT_TOO_LARGE."""
    if len(groups.groups) > MOST_GROUPS:
        raise DianaError(Reason.RESULT_TOO_LARGE, f"There are {groups.group_count} groups, more than {MOST_GROUPS}.")
    return groups


_HAVE_DAYS = frozenset({"DA", "DT"})
_HAVE_HOURS = frozenset({"TM", "DT"})


def _grouping(level: Level, vocabulary: Vocabulary, number: int, key: GroupingKey) -> Grouping:
    field = f"group_by[{number}]"
    attribute = _found(level, vocabulary, key.attribute, field)
    match key.how:
        case DatePart.HOUR if attribute.vr not in _HAVE_HOURS:
            raise invalid_field(f"{field}.date_part", "HOUR is of a time or a date and time only")
        case DatePart.YEAR | DatePart.MONTH | DatePart.DAY if attribute.vr not in _HAVE_DAYS:
            raise invalid_field(f"{field}.date_part", "is of a date or a date and time only")
        case Bins() if attribute.vr not in NUMBERS:
            raise invalid_field(f"{field}.bins", "are of numbers only")
    return Grouping(attribute, key.how)


def _measure(level: Level, vocabulary: Vocabulary, number: int, key: MeasureKey) -> Measure:
    field = f"measures[{number}]"
    attribute = _found(level, vocabulary, key.attribute, field)
    if attribute.vr not in NUMBERS:
        raise invalid_field(f"{field}.attribute", "is not a number; only numbers can be measured")
    return Measure(attribute, key.kind, key.quantile)


def _found(level: Level, vocabulary: Vocabulary, name: str, field: str) -> Attribute:
    return at_or_above(level, vocabulary.find(name, f"{field}.attribute"), f"{field}.attribute")
