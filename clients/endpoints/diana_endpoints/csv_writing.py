"""A table while it is changed: its rows by key, in memory only as far as they fit, until the file is replaced."""

from __future__ import annotations

import codecs
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.csv_rows import Dialect, Row, Rows
from diana_endpoints.whole_files import replacing


class Draft:
    """The rows of a file, old ones in their places and new ones behind them. To be closed.

    Raises DianaError INVALID_FIELD for a file that is no table, or has rows that could not be written as they are.
    """

    def __init__(self, path: Path, dialect: Dialect, key: str) -> None:
        """`key` is the column that names rows: the first when empty."""
        self._path, self._dialect = path, dialect
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._file.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, id TEXT, cells TEXT)")
        self._file.execute("CREATE INDEX ids ON rows (id)")
        self._file.execute("BEGIN")
        self._stamp = _stamp(path)
        self._changed = False
        self.columns: list[str] = []
        self.key = key
        try:
            if self._stamp:
                self._load()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Forget it."""
        self._file.close()

    def rows(self, row_id: str) -> list[Row]:
        """The rows of a key."""
        found = self._file.execute("SELECT cells FROM rows WHERE id = ? ORDER BY number", (row_id,))
        return [json.loads(cells) for (cells,) in found]

    def add(self, row_id: str, row: Row) -> None:
        """A row behind the others."""
        self._changed = True
        self._file.execute("INSERT INTO rows (id, cells) VALUES (?, ?)", (row_id, json.dumps(row)))

    def set(self, row_id: str, changes: Row) -> None:
        """Change cells of the rows of a key, where they stand."""
        self._changed = True
        for row in self.rows(row_id):
            new = json.dumps({**row, **changes})
            self._file.execute("UPDATE rows SET cells = ? WHERE id = ? AND cells = ?", (new, row_id, json.dumps(row)))

    def delete(self, row_id: str) -> int:
        """Take away the rows of a key; how many."""
        self._changed = True
        return self._file.execute("DELETE FROM rows WHERE id = ?", (row_id,)).rowcount

    def check_text(self, row: Row) -> None:
        """Raises DianaError INVALID_FIELD for text that the file's character set lacks."""
        for name, cell in row.items():
            try:
                cell.encode(self._dialect.encoding)
            except UnicodeEncodeError as error:
                raise invalid_field(name, "has characters that the table's encoding lacks") from error

    def write(self) -> None:
        """Replace the file, if there is something to change.

        Raises DianaError ENDPOINT_REFUSED if somebody else changed it meanwhile, and OSError.
        """
        if not self._changed:
            return
        encoder = codecs.getincrementalencoder(self._dialect.encoding)()
        with replacing(self._path) as stream:
            for cells in self._table():
                stream.write(encoder.encode(self._dialect.line(cells)))
            if _stamp(self._path) != self._stamp:
                raise DianaError(Reason.ENDPOINT_REFUSED, "the table was changed by somebody else meanwhile")

    def _load(self) -> None:
        with self._dialect.open(self._path) as stream:
            rows = Rows(stream, self._dialect)
            self.columns = rows.columns
            self.key = rows.key(self.key)
            for number, (row, fault) in enumerate(rows, 1):
                if fault:
                    raise invalid_field("path", f"row {number} {fault}: mend it before the table is changed")
                self.add(row[self.key], row)
        self._changed = False

    def _table(self) -> Iterator[list[str]]:
        yield self.columns
        for (cells,) in self._file.execute("SELECT cells FROM rows ORDER BY number"):
            row = json.loads(cells)
            yield [row.get(name, "") for name in self.columns]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What tells whether a file is the one that was read; None where there is none, or nothing in it."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found.st_size else None
