"""What statements run on: a connection to SQLite, or one to PostgreSQL that takes the same statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol


class Rows(Protocol):
    """What a statement answers."""

    def fetchone(self) -> Any:
        """The next row; None when there is no more."""

    def fetchall(self) -> list[Any]:
        """The rest."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """As much of a sqlite3.Connection as statements need."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Rows:
        """Do one statement."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Do one statement for each row of values."""
