"""Which studies to retrieve, as the queries that find them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from diana_common.dicomjson import DataSetJson, first_value
from diana_common.errors import invalid_field
from diana_dimse.core.outbound.asking import Inquiry, Match, study_inquiry

_A_STEP = 100
_WILDCARDS = frozenset("*?\\")


@dataclass(frozen=True)
class Question:
    """A query for studies, and what its answers must be like."""

    item: str
    """Its name among an operation's failures."""

    inquiry: Inquiry
    tag: str
    """The attribute that is asked about."""

    first: str
    last: str
    """Its values in answers lie between these: a peer that does not know a key answers with all that it has."""

    must_find: bool = True
    """Whether it is a failure to find nothing."""

    def fits(self, answer: DataSetJson) -> bool:
        """Whether an answer is one to this question."""
        return self.first <= (first_value(answer, self.tag) or "").strip() <= self.last


@dataclass(frozen=True)
class Selection:
    """Questions, some at a time: those of a step share an association."""

    step_count: int
    step: Callable[[int], Sequence[Question]]
    study_count: int = 0
    """About how many studies it means; 0 where nobody can say."""


def by_study(study_uids: Sequence[str]) -> Selection:
    """Studies by their UIDs."""
    return _listed(study_uids, "StudyInstanceUID", "0020000D")


def by_accession(numbers: Sequence[str]) -> Selection:
    """Studies by accession number. Raises DianaError INVALID_FIELD for one that holds a wildcard."""
    if any(_WILDCARDS & set(number) or not number.strip() for number in numbers):
        raise invalid_field("accession_numbers", 'must not be empty nor hold "*", "?" or "\\"')
    return _listed([number.strip() for number in numbers], "AccessionNumber", "00080050")


def by_dates(first: str, last: str, days: int, matches: Sequence[Match]) -> Selection:
    """Studies of a span of days, so many at a time.

    `first`, `last`: YYYYMMDD. Raises DianaError INVALID_FIELD for what are no dates, or in no order, and
    KEY_UNSUPPORTED.
    """
    start, end = _date(first, "sweep.first_date"), _date(last, "sweep.last_date")
    if end < start:
        raise invalid_field("sweep.last_date", "is before first_date")
    study_inquiry(matches)

    def step(number: int) -> Sequence[Question]:
        begin = start.toordinal() + days * number
        low, high = _text(begin), _text(min(begin + days - 1, end.toordinal()))
        span = low if low == high else f"{low}-{high}"
        inquiry = study_inquiry([*matches, Match("StudyDate", (span,))])
        return [Question(span, inquiry, "00080020", low, high, must_find=False)]

    return Selection(-(-((end - start).days + 1) // days), step)


def _listed(values: Sequence[str], keyword: str, tag: str) -> Selection:
    unique = list(dict.fromkeys(values))

    def step(number: int) -> Sequence[Question]:
        some = unique[number * _A_STEP : (number + 1) * _A_STEP]
        return [Question(one, study_inquiry([Match(keyword, (one,))]), tag, one, one) for one in some]

    return Selection(-(-len(unique) // _A_STEP), step, len(unique))


def _text(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat().replace("-", "")


def _date(text: str, field: str) -> date:
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        raise invalid_field(field, "is no date") from None
