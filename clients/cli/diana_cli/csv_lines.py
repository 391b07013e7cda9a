"""Items as CSV (RFC 4180), line by line, safe to open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from diana_cli.text import encodable, fields, value
from diana_endpoints.csv_rows import Dialect
from diana_endpoints.headers import as_text
from diana_endpoints.items import Item

_DIALECT = Dialect(",", "utf-8", safe=True)
"""As the endpoint `csv` writes its tables, so that it reads what is printed as it was."""


class CsvLines:
    """The lines of one table. Its columns are those that are named, else what the first item has.

    A cell that a spreadsheet would take for a formula is led by "'"; numbers are none.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._columns = list(names)
        self._named = bool(names)
        self._begun = False
        self.left_out: set[str] = set()
        """What later items have, and the first has not."""

    def head(self) -> Iterator[str]:
        """The line of titles, once, when the columns are known."""
        if self._columns and not self._begun:
            self._begun = True
            yield _line(self._columns)

    def of(self, item: Item) -> Iterator[str]:
        """An item's line, and before the first one that of titles."""
        if self._named:
            row = {name: value(item, name) for name in self._columns}
        else:
            row = fields(item, ())
            self._columns = self._columns or list(row)
            self.left_out |= row.keys() - self._columns
        yield from self.head()
        yield _line([as_text(row.get(name)) for name in self._columns])


def _line(cells: Sequence[str]) -> str:
    return _DIALECT.line([encodable(cell) for cell in cells]).removesuffix("\r\n")
