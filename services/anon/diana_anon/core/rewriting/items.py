"""Content items under the Clean Structured Content Option: what PS3.15 Table E.3.4-1 says of each."""

from __future__ import annotations

from collections.abc import Sequence, Set

from diana_anon.core.planning.tables import Option
from diana_anon.core.rewriting import ages
from diana_anon.core.rewriting.content import Item, item_of
from diana_anon.core.rewriting.elements import Element, Items, Reader, find
from diana_anon.core.rewriting.structured import structured_action
from diana_common.dicom.limits import Odd

_VALUE_TYPE, _CONCEPT_NAME = 0x0040A040, 0x0040A043
_CODE_VALUE, _CODING_SCHEME = 0x00080100, 0x00080102
_MEASURED_VALUE, _NUMERIC_VALUE, _UNITS = 0x0040A300, 0x0040A30A, 0x004008EA
_SUBJECT_AGE = ("121033", "DCM")
_IN_A_YEAR = {"a": 1.0, "mo": 12.0, "wk": 52.1775, "d": 365.2425}
"""Of the units of CID 7456 (UCUM)."""


class ContentItems:
    """Reads the content items of one object."""

    def __init__(self, reader: Reader, options: Set[Option]) -> None:
        self._reader = reader
        self._options = options

    def what(self, item: Sequence[Element], depth: int) -> Item:
        """What is to be done to an item, whose elements are ascending, in a sequence at this depth.

        One that nobody can read is removed. What has no concept or no Value Type, as a code, is cleaned. An age over 89
        is not kept.
        """
        name, kind = find(item, _CONCEPT_NAME), find(item, _VALUE_TYPE)
        if name is None or kind is None:
            return Item.CLEANED
        try:
            concept = self._code(name, depth + 1)
            found = item_of(structured_action(*concept, self._text(kind), self._options))
            if found is Item.KEPT and concept == _SUBJECT_AGE and self._is_over_89(item, depth + 1):
                return Item.REPLACED
        except Odd:
            return Item.REMOVED
        return found

    def _code(self, sequence: Element, depth: int) -> tuple[str, str]:
        """Code Value and Coding Scheme Designator of the first item; empty where there is none."""
        codes = self._items(sequence, depth)[:1]
        value, scheme = (self._in(codes, tag) for tag in (_CODE_VALUE, _CODING_SCHEME))
        return value, scheme

    def _is_over_89(self, item: Sequence[Element], depth: int) -> bool:
        measured = find(item, _MEASURED_VALUE)
        if measured is None:
            return False
        values = self._items(measured, depth)[:1]
        units = find(values[0], _UNITS) if values else None
        unit = self._code(units, depth + 1)[0] if units else ""
        try:
            return float(self._in(values, _NUMERIC_VALUE)) / _IN_A_YEAR.get(unit, 1.0) >= ages.OLDEST
        except ValueError:
            return True  # no number: nobody can say

    def _items(self, sequence: Element, depth: int) -> Items:
        return self._reader.items(sequence, depth)[0]

    def _in(self, items: Items, tag: int) -> str:
        return next((self._text(element) for item in items if (element := find(item, tag))), "")

    def _text(self, element: Element) -> str:
        return self._reader.buffer[element.start : element.end].decode("latin_1").strip("\0 ")
