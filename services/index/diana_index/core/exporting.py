"""Tables of records: their columns, and their rows as they are read one after another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Any

from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.tags import is_private, keyword_of, vm_of, vr_of
from diana_index.core.answers import chosen_elements, wanted_of
from diana_index.core.attributes import AGE, Attribute, Level
from diana_index.core.question import Question, at_or_above, return_tag, usual_tags
from diana_index.core.store import Alive, Reader, Row
from diana_index.core.vocabulary import Vocabulary

Cell = list[Any]
"""The values of one column of a record, as DICOM JSON has them; names as text. None in it is an empty one among
others."""

_ALL = 2**62
_ROWS_BETWEEN_LOOKS = 1000
_WAIT_SECONDS = 15.0
"""How long a table waits for its turn."""
_LOOK_SECONDS = 0.25
_WHOLE = frozenset({"IS", "SL", "SS", "SV", "UL", "US"})
_REAL = frozenset({"DS", "FD", "FL", "UV"})


class Format(Enum):
    """A file format; numbered as ExportFormat."""

    CSV = 1
    JSON_LINES = 2
    PARQUET = 3


class Kind(Enum):
    """What a column's values are."""

    TEXT = "text"
    WHOLE = "whole"
    """Numbers within 64 bits."""
    REAL = "real"
    DATE = "date"
    ITEMS = "items"
    """A sequence's items, as DICOM JSON."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    kind: Kind
    """Of one that may have several values in a record: TEXT."""
    tag: str
    """Of the element that it shows; of an attribute without a column, the attribute's."""
    keyed: Attribute | None = None
    """The attribute without a column whose forms it shows."""


@dataclass(frozen=True, slots=True)
class Table:
    """What is written."""

    columns: Sequence[Column]
    rows: Iterator[Sequence[Cell]]
    """Each with a cell for each column."""


Writer = Callable[[Table], Iterator[bytes]]
"""Makes a file of a table, in pieces of some 256 KiB. May raise DISK_FULL."""


def make_columns(level: Level, names: Sequence[str], vocabulary: Vocabulary) -> list[Column]:
    """The columns that a request names, or the level's usual ones.

    Raises INVALID_FIELD, KEY_UNSUPPORTED, SEARCH_KEY_NOT_READY.
    """
    if not names:
        return [_element_column(tag) for tag in sorted(usual_tags(level))]
    columns = [_column(level, name, f"columns[{number}]", vocabulary) for number, name in enumerate(names)]
    known: set[str] = set()
    for number, column in enumerate(columns):
        if column.name.lower() in known:
            raise invalid_field(f"columns[{number}]", "is there before; case does not count in columns' names")
        known.add(column.name.lower())
    return columns


def table_rows(
    reader: Reader, question: Question, columns: Sequence[Column], alive: Alive
) -> Generator[Sequence[Cell], None, None]:
    """The rows of the records that meet a question, in its order. Raises OVERLOADED once nobody waits any more."""
    tags = frozenset(one.tag for one in columns if one.keyed is None)
    keyed = tuple(one.keyed for one in columns if one.keyed)
    wanted = wanted_of(question.level, tags, keyed)
    for number, row in zip(count(), reader.find(question, wanted, None, _ALL), strict=False):
        if number % _ROWS_BETWEEN_LOOKS == 0 and not alive():
            raise given_up()
        yield _cells(row, question.level, tags, columns)


class Turns:
    """So many at a time; one more waits a while, for callers that do not read may hold theirs for long."""

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)

    @contextmanager
    def taken(self, alive: Alive) -> Iterator[None]:
        """Hold a place. Raises OVERLOADED if none is free in time, or nobody waits any more."""
        end = time.monotonic() + _WAIT_SECONDS
        while not self._places.acquire(timeout=_LOOK_SECONDS):
            if not alive():
                raise given_up()
            if time.monotonic() > end:
                raise DianaError(Reason.OVERLOADED, "Too many tables are being written; others read theirs slowly.")
        try:
            yield
        finally:
            self._places.release()


def given_up() -> DianaError:
    """OVERLOADED, for what nobody waits for any more."""
    return DianaError(Reason.OVERLOADED, "The question was given up: nobody waited any more.")


def _column(level: Level, name: str, field: str, vocabulary: Vocabulary) -> Column:
    if name != AGE.keyword and not vocabulary.is_keyed(name):
        return _element_column(return_tag(level, name, field))
    attribute = at_or_above(level, vocabulary.find(name, field), field)
    if attribute.has_column:
        return Column(attribute.keyword, Kind.REAL, attribute.tag)
    return Column(attribute.keyword, _form_kind(attribute), attribute.tag, attribute)


def _element_column(tag: str) -> Column:
    number = int(tag, 16)
    kind = Kind.ITEMS if vr_of(number) == "SQ" else _kind(vr_of(number)) if _is_single(number) else Kind.TEXT
    return Column(keyword_of(number) or tag, kind, tag)


def _form_kind(attribute: Attribute) -> Kind:
    """Forms of numbers need not be whole; what is within a sequence may have several."""
    tag = int(attribute.steps[-1].tag, 16)
    if len(attribute.steps) > 1 or not (is_private(tag) or _is_single(tag)):
        return Kind.TEXT
    kind = _kind(attribute.vr)
    return Kind.REAL if kind is Kind.WHOLE else kind


def _kind(vr: str) -> Kind:
    if vr in _WHOLE:
        return Kind.WHOLE
    return Kind.REAL if vr in _REAL else Kind.DATE if vr == "DA" else Kind.TEXT


def _is_single(tag: int) -> bool:
    return vm_of(tag) == "1"


def _cells(row: Row, level: Level, tags: frozenset[str], columns: Sequence[Column]) -> list[Cell]:
    elements = chosen_elements(row, level, tags)
    forms = iter(row.forms)
    return [list(next(forms)) if one.keyed else _values(elements.get(one.tag)) for one in columns]


def _values(element: Any) -> Cell:
    """An element's values; nothing of what is no element, or has values elsewhere."""
    if not isinstance(element, dict):
        return []
    if isinstance(element.get("InlineBinary"), str):
        return [element["InlineBinary"]]
    values = element.get("Value")
    if not isinstance(values, list) or all(one is None for one in values):
        return []
    return [_name(one) for one in values] if element.get("vr") == "PN" else values


def _name(value: Any) -> Any:
    """A name's component groups, parted by "="."""
    if not isinstance(value, dict):
        return value
    groups = (str(value.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic"))
    return "=".join(groups).rstrip("=")
