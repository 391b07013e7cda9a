"""A table in a CSV file: a row an item, by key."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.csv_rows import Dialect, Row, Rows, texts_of
from diana_endpoints.csv_writing import Draft
from diana_endpoints.failures import each
from diana_endpoints.headers import said_by
from diana_endpoints.items import Failure, Item
from diana_endpoints.kind import Kind
from diana_endpoints.matching import answers
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.protocol.query import Query
from diana_endpoints.walking import file_health
from diana_endpoints.wanted import wanted_id

_INSTANCE = "SOPInstanceUID"
"""What comes first in the row of an instance, and so names it in a new table."""


class OnConflict(Enum):
    """What becomes of another row under a key that is there."""

    REPLACE = "replace"
    REFUSE = "refuse"


@dataclass(frozen=True)
class CsvSettings:
    """A table in a CSV file."""

    path: Path
    """The file. Its first line names the columns; it is made when the first item is put."""

    key: str = ""
    """The column whose values name the rows; the first when empty."""

    columns: tuple[str, ...] = ()
    """What is written of items: names in their data, else their metadata. Empty: all data of the first item."""

    extend: bool = False
    """Whether the table gets a new column for what a later item has; else that item fails."""

    on_conflict: OnConflict = OnConflict.REPLACE
    """Whether another row of the same key is replaced, or refused."""

    delimiter: str = ","
    """What stands between cells."""

    encoding: str = "utf-8"
    """The file's character set."""

    safe: bool = True
    """Whether cells that a spreadsheet takes for formulas are led by "'", which is taken away on reading: '=y says =y,
    and ''=y says '=y. Of a table that others wrote, and where '=y says just that, set it to false."""

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise ValueError("delimiter must be one character, and no quote or end of line")
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ValueError("encoding is not the name of a character set") from error


class CsvTable:
    """Endpoint `csv`. Rows are read one at a time; the file is replaced by a whole one when it is changed.

    Raises DianaError INVALID_FIELD for a file that is no table, ITEM_NOT_FOUND, ENDPOINT_REFUSED when somebody else
    changes it at the same time; OSError.
    """

    def __init__(self, settings: CsvSettings) -> None:
        self._settings = settings
        self._path = settings.path
        self._dialect = Dialect(settings.delimiter, settings.encoding, settings.safe)
        self.passed_over: Counter[str] = Counter()

    def close(self) -> None:
        """Nothing to give back."""

    def check(self) -> Health:
        """Whether the file can be read, and its columns; one that is not there can be made."""
        return file_health(self._path, self._columns)

    def list(self) -> Iterator[Item]:
        """Every row; one that has too many cells comes with its failure."""
        with self._dialect.open(self._path) as stream:
            rows = Rows(stream, self._dialect)
            key = rows.key(self._settings.key)
            for number, (row, fault) in enumerate(rows, 1):
                failure = Failure("INVALID_FIELD", f"row {number} {fault}", "Mend the table.") if fault else None
                yield Item({"id": row[key]}, number=number, data={**row}, failure=failure)

    def find(self, query: Query) -> Iterator[Item]:
        """The rows that match, as `diana_endpoints.matching` has it."""
        return answers(self.list(), query)

    def get(self, wanted: Item) -> Iterator[Item]:
        """The rows of a key."""
        row_id = wanted_id(wanted)
        found = None
        for item in self.list():
            if item.meta["id"] == row_id:
                found = item
                yield item
        if found is None:
            raise _absent()

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """A row of each. The file has them once the last is taken, or their taker has enough of them."""
        with closing(self._draft()) as draft:
            try:
                yield from each(items, partial(self._put, draft))
            finally:
                draft.write()

    def update(self, wanted: Item, changes: Mapping[str, Any]) -> Item:
        """Set cells of the rows of a key; the first of them as it is then."""
        row_id, cells = wanted_id(wanted), texts_of(changes)
        with closing(self._draft()) as draft:
            if not draft.rows(row_id):
                raise _absent()
            if cells.get(draft.key, row_id) != row_id:
                raise invalid_field(draft.key, "names the row, and stays")
            self._fit(draft, cells)
            draft.set(row_id, cells)
            draft.write()
            return Item({"id": row_id}, data=dict(draft.rows(row_id)[0]))

    def delete(self, wanted: Item) -> int:
        """Take away the rows of a key; how many."""
        with closing(self._draft()) as draft:
            deleted = draft.delete(wanted_id(wanted))
            if not deleted:
                raise _absent()
            draft.write()
            return deleted

    def _columns(self) -> str:
        with self._dialect.open(self._path) as stream:
            return f"{len(Rows(stream, self._dialect).columns)} columns"

    def _draft(self) -> Draft:
        return Draft(self._path, self._dialect, self._settings.key)

    def _put(self, draft: Draft, item: Item) -> str:
        row = self._row(item)
        draft.key = draft.key or next(iter(self._settings.columns or row), "")
        row_id = row.get(draft.key) or str(item.meta.get("id") or "")
        if not row_id:
            raise invalid_field(draft.key or "data", "is required: it names the row")
        row = {**row, draft.key: row_id} if draft.key in row else {draft.key: row_id, **row}
        self._fit(draft, row)
        old = draft.rows(row_id)
        if not old:
            draft.add(row_id, row)
            return "stored"
        if all(one.get(name, "") == row.get(name, "") for one in old for name in draft.columns):
            return "already_stored"
        if self._settings.on_conflict is OnConflict.REFUSE:
            raise DianaError(Reason.ITEM_EXISTS, "the table has another row of this key")
        draft.set(row_id, {name: row.get(name, "") for name in draft.columns})
        return "replaced"

    def _row(self, item: Item) -> Row:
        data = said_by(item)
        if self._settings.columns:
            data = {name: data.get(name, item.meta.get(name)) for name in self._settings.columns}
        if not data:
            raise invalid_field("data", "is required: the item says nothing that a row could hold")
        row = texts_of(data)
        return {_INSTANCE: row[_INSTANCE], **row} if _INSTANCE in row and not self._settings.columns else row

    def _fit(self, draft: Draft, row: Row) -> None:
        """Hold a row against the table's columns, which the first item of a new one names."""
        draft.check_text(row)
        new = [name for name in row if name not in draft.columns]
        if new and draft.columns and not self._settings.extend:
            raise invalid_field(new[0], "is no column of the table: set `columns`, or `extend: true`")
        draft.columns += new


def _absent() -> DianaError:
    return DianaError(Reason.ITEM_NOT_FOUND, "the table has no row of this key")


KIND = Kind(CsvSettings, CsvTable, setting="path", reads_through=True)
