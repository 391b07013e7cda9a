"""Rows of a CSV file (RFC 4180): read one at a time within bounds, written safe for spreadsheets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from diana_common.errors import invalid_field
from diana_endpoints.headers import as_text

Row = dict[str, str]
_MOST_COLUMNS = 10_000
_MOST_LINE = 1024 * 1024
_MOST_CELL = 16 * 1024 * 1024
_FORMULA = re.compile(r"[=+\-@\t\r]")
_LED = re.compile(r"'+[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written."""

    delimiter: str
    encoding: str
    safe: bool
    """Whether what a spreadsheet would take for a formula is led by "'"."""

    def open(self, path: Path) -> TextIO:
        """A table's text, without the byte order mark that it may begin with."""
        is_utf8 = self.encoding.lower().replace("_", "-") in ("utf-8", "utf8")
        try:
            return path.open(encoding="utf-8-sig" if is_utf8 else self.encoding, newline="")
        except OSError as error:
            raise invalid_field("path", f"is not a file that can be read ({error.strerror})") from error

    def line(self, cells: Sequence[str]) -> str:
        """A line with its end."""
        written = io.StringIO()
        csv.writer(written, delimiter=self.delimiter).writerow(map(_led, cells) if self.safe else cells)
        return written.getvalue()


class Rows:
    """The rows of an open table, each with what is wrong with it, if anything is.

    Raises DianaError INVALID_FIELD for text that is no table, OSError.
    """

    def __init__(self, stream: TextIO, dialect: Dialect) -> None:
        """Reads the titles."""
        csv.field_size_limit(_MOST_CELL)
        self._reader = csv.reader(_lines(stream), delimiter=dialect.delimiter, strict=True)
        self._bare = dialect.safe
        self.columns = self._next() or []
        if len(self.columns) > _MOST_COLUMNS or len(set(self.columns)) < len(self.columns):
            raise invalid_field("path", "is no table: its columns have one name twice, or are too many")

    def key(self, named: str) -> str:
        """The column that names rows: the one that settings name, else the first."""
        if not self.columns:
            raise invalid_field("path", "is no table: it has no columns")
        if named and named not in self.columns:
            raise invalid_field("key", "is no column of the table")
        return named or self.columns[0]

    def __iter__(self) -> Iterator[tuple[Row, str]]:
        while (cells := self._next()) is not None:
            if cells:
                fault = "has more cells than there are columns" if len(cells) > len(self.columns) else ""
                yield dict.fromkeys(self.columns, "") | dict(zip(self.columns, cells)), fault

    def _next(self) -> list[str] | None:
        try:
            cells = next(self._reader, None)
        except (csv.Error, UnicodeError) as error:
            raise invalid_field("path", f"is no table: line {self._reader.line_num + 1} cannot be read") from error
        return [cell[1:] if _LED.match(cell) else cell for cell in cells] if cells and self._bare else cells


def texts_of(data: Mapping[str, Any]) -> Row:
    """Data as cells: several values with a backslash between them, as DICOM has it; what is nested as JSON."""
    return {name: as_text(value) for name, value in data.items()}


def _led(cell: str) -> str:
    """Numbers are no formulas; what is led already is led once more, so that it is read as it was."""
    is_formula = _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula or _LED.match(cell) else cell


def _lines(stream: TextIO) -> Iterator[str]:
    """Lines of bounded length, for what is no text may have none."""
    while line := stream.readline(_MOST_LINE):
        if len(line) == _MOST_LINE and not line.endswith("\n"):
            raise invalid_field("path", "is no table: it has a line of more than a mebibyte")
        yield line
