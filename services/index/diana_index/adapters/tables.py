"""Files of tables: CSV (RFC 4180), JSON Lines, Apache Parquet. Bytes in pieces, however many rows there are."""

from __future__ import annotations

import csv
import errno
import io
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_common.state_files import make_directory
from diana_common.values import parse_date
from diana_index.core.exporting import Cell, Column, Format, Kind, Table, Writer
from diana_index.core.forms import number_form
from diana_index.core.records import json_bytes

_PIECE_BYTES = 256 * 1024
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.ITEMS: "VARCHAR",
    Kind.WHOLE: "BIGINT",
    Kind.REAL: "DOUBLE",
    Kind.DATE: "DATE",
}
_SETTINGS = {
    "threads": "1",
    "memory_limit": "160MB",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_LONGEST_LINE = 16 * 1024 * 1024
"""What DuckDB reads unasked."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def table_writers(folder: Path) -> Mapping[Format, Writer]:
    """What writes each format. `folder`, made if absent, is for what is in the making: all else in it goes."""
    make_directory(folder)
    for left in folder.iterdir():  # by a crash
        shutil.rmtree(left)
    return {Format.CSV: csv_pieces, Format.JSON_LINES: json_pieces, Format.PARQUET: partial(parquet_pieces, folder)}


def csv_pieces(table: Table) -> Iterator[bytes]:
    """A line of names, then one for each row."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([one.name for one in table.columns])
    for row in table.rows:
        writer.writerow([_guarded(_text(cell, one.kind)) for cell, one in zip(row, table.columns, strict=True)])
        if text.tell() >= _PIECE_BYTES:
            yield text.getvalue().encode("utf-8", "replace")
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode("utf-8", "replace")


def json_pieces(table: Table) -> Iterator[bytes]:
    """A JSON object for each row."""
    names = [one.name for one in table.columns]
    lines = (json_bytes(dict(zip(names, map(_json, row, table.columns), strict=True))) + b"\n" for row in table.rows)
    return _pieces(lines)


def parquet_pieces(folder: Path, table: Table) -> Iterator[bytes]:
    """Written whole before its first piece comes. Raises DISK_FULL."""
    with _telling_full_disk(), tempfile.TemporaryDirectory(dir=folder) as making:
        rows, made = Path(making, "rows"), Path(making, "table")
        longest = _write_rows(rows, table)
        _convert(rows, made, table.columns, longest)
        rows.unlink()
        with made.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece


def _write_rows(path: Path, table: Table) -> int:
    """The rows as DuckDB reads them: JSON arrays, a line each; how long the longest is, in bytes."""
    longest = 0
    with path.open("wb") as file:
        for row in table.rows:
            values = {
                f"c{n}": _typed(cell, one.kind) for n, (cell, one) in enumerate(zip(row, table.columns, strict=True))
            }
            line = json_bytes(values)
            longest = max(longest, len(line))
            file.write(line + b"\n")
    return longest


def _convert(rows: Path, made: Path, columns: Sequence[Column], longest: int) -> None:
    types = ", ".join(f"c{n}: '{_TYPES[one.kind]}'" for n, one in enumerate(columns))
    named = ", ".join(f"c{n} AS {_quoted(one.name, chr(34))}" for n, one in enumerate(columns))
    # Here: it takes 0.15 s to load, and most indexes never write such a file.
    import duckdb

    copy = f"""COPY (SELECT {named} FROM read_json({_quoted(str(rows), "'")}, format = 'newline_delimited',
        columns = {{{types}}}, maximum_object_size = {max(_LONGEST_LINE, longest + 1)}))
        TO {_quoted(str(made), "'")} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)"""
    try:
        with duckdb.connect(":memory:", config={**_SETTINGS, "temp_directory": str(made.parent)}) as database:
            database.execute(copy)
    except duckdb.IOException:
        raise _full() from None


def _quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark


def _pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    held, size = [], 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= _PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _text(cell: Cell, kind: Kind) -> str:
    """Several values parted by a backslash."""
    if kind is Kind.ITEMS:
        return _json_text(cell) if cell else ""
    return "\\".join(_value_text(one) for one in cell)


def _value_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else _json_text(value) if isinstance(value, dict | list) else str(value)


def _json_text(value: Any) -> str:
    return json_bytes(value).decode("utf-8")


def _guarded(text: str) -> str:
    """Led by "'" if a spreadsheet would take it for a formula; numbers are none."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _json(cell: Cell, column: Column) -> Any:
    """As DICOM JSON has it: one value as itself."""
    if column.kind is Kind.ITEMS or len(cell) > 1:
        return cell or None
    return cell[0] if cell else None


def _typed(cell: Cell, kind: Kind) -> Any:
    """What DuckDB makes a value of the column's type of; None for what is none."""
    if kind in (Kind.TEXT, Kind.ITEMS):
        return _text(cell, kind) or None
    first = cell[0] if cell else None
    if kind is Kind.DATE:
        day = parse_date(first) if isinstance(first, str) else None
        return day.isoformat() if day else None
    number = number_form(first)
    return number if kind is Kind.REAL or isinstance(number, int) else None


@contextmanager
def _telling_full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full() from None
        raise


def _full() -> DianaError:
    return DianaError(Reason.DISK_FULL, "The disk that tables are made on is full.")
