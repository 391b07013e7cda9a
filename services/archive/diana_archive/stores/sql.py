"""SQL that SQLite and PostgreSQL both understand: what statements are written with, and what they run on.

Statements take `?` (or `?1`, to use a value twice), lists as one JSON value (IDS, WORDS, `listed`), booleans as
0 and 1. They say `ON CONFLICT DO NOTHING`, `CASE` and `CROSS JOIN` with `WHERE`; never `OR IGNORE`, `iif`, or
arithmetic with comparisons. SQLite keeps the order of a CROSS JOIN; PostgreSQL finds its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

IDS = "(SELECT CAST(value AS BIGINT) FROM json_each(?))"
"""After IN: numbers, `listed`."""

WORDS = "(SELECT value FROM json_each(?))"
"""After IN: texts, `listed`."""


class Rows(Protocol):
    """What a statement answers."""

    def fetchone(self) -> Any:
        """The next row; None when there is no more."""

    def fetchall(self) -> list[Any]:
        """The rest."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """As much of a sqlite3.Connection as statements need."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Rows:
        """Do one statement."""


def listed(values: Iterable[int | str]) -> str:
    """Values as one. A text with a NUL, which PostgreSQL takes for an error, is nowhere to be found: left out."""
    return json.dumps([one for one in values if isinstance(one, int) or "\0" not in one])
