"""One connection to PostgreSQL that takes statements written for SQLite too, and what its failures are to a caller.

Statements mark values as `?` or `?1` and take a list as one JSON value, through `json_each(?)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.adapt import Buffer
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumperUnknown

from diana_common.errors import DianaError, Reason
from diana_common.settings import config_invalid

# A database that is gone without a word is noticed within half a minute; one that comes to a stop with the writers'
# lock in its hands lets go of it.
_DEFAULTS = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "application_name": "diana",
}
_CANCEL_SECONDS = 5.0
_OPEN = (TransactionStatus.ACTIVE, TransactionStatus.INTRANS, TransactionStatus.INERROR)
_FORBIDDEN = ("42501",)
_MARK = re.compile(r"\?(\d*)")
_LIST = re.compile(r"json_each\((\$\d+)\)")

_FULL = ("53100",)
# Connections lost or refused, shutdowns, timeouts of sessions and locks, a standby that takes no writes, deadlocks.
_AWAY = ("08", "57P", "25P03", "25006", "53300", "55P03", "40")


class Link:
    """A connection of one thread at a time, in autocommit mode: transactions are statements."""

    def __init__(self, url: str, setting: str = "catalogue_url") -> None:
        """Connect. Raises psycopg.Error; DianaError CONFIG_INVALID for `setting` if the URL is none."""
        self._db = psycopg.connect(_conninfo(url, setting), autocommit=True, cursor_factory=psycopg.RawCursor)
        # Of one type whatever the number: or else a statement is prepared for each mix of sizes.
        self._db.adapters.register_dumper(int, Int8Dumper)
        self._db.adapters.register_dumper(str, _TextDumper)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, and the connection not lost."""
        return self._db.info.transaction_status in _OPEN

    @property
    def lost(self) -> bool:
        """Whether it is of no use any more."""
        return self._db.closed

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        """Do one statement, as sqlite3.Connection does. Raises psycopg.Error."""
        return self._db.execute(translated(sql), values, binary=True)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Do one statement for each row, without waiting for each. Raises psycopg.Error."""
        with self._db.cursor() as cursor:
            cursor.executemany(translated(sql), rows)

    def run_script(self, script: str) -> None:
        """Do statements that take no values. Raises psycopg.Error."""
        self._db.execute(script.encode())

    def value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """The first value of a statement's first row; None without one. Raises psycopg.Error."""
        row = self.execute(sql, values).fetchone()
        return row[0] if row else None

    def commit(self) -> None:
        """COMMIT. Raises psycopg.Error; the transaction was undone unless the connection is lost by that."""
        if self._db.execute(b"COMMIT").statusmessage != "COMMIT":
            # What PostgreSQL answers when a statement had failed.
            raise psycopg.InternalError("the transaction was undone")

    def rollback(self) -> None:
        """End a transaction, if one is open and the connection is not lost; never raises."""
        if self.in_transaction:
            with suppress(psycopg.Error):
                self.execute("ROLLBACK")

    def payloads(self, seconds: float) -> list[str]:
        """What the channels that were LISTENed to brought: waits for the first one. Raises psycopg.Error."""
        return [one.payload for one in self._db.notifies(timeout=seconds, stop_after=1)]

    def cancel(self) -> None:
        """Have the statement that runs fail, if one does: for another thread; never raises."""
        with suppress(psycopg.Error):
            self._db.cancel_safe(timeout=_CANCEL_SECONDS)

    def close(self) -> None:
        """Let go of it; never raises."""
        with suppress(psycopg.Error):
            self._db.close()


@lru_cache(maxsize=512)
def translated(sql: str) -> bytes:
    """A statement with PostgreSQL's marks, `$1`, and its way to take a list apart."""
    highest = 0

    def number(mark: re.Match[str]) -> str:
        nonlocal highest
        wanted = int(mark[1] or highest + 1)
        highest = max(highest, wanted)
        return f"${wanted}"

    return _LIST.sub(r"jsonb_array_elements_text(\1::jsonb)", _MARK.sub(number, sql)).encode()


@contextmanager
def typed(setting: str = "catalogue_url") -> Iterator[None]:
    """Around statements: what fails is raised as a caller may see it. Raises DianaError DISK_FULL, PEER_UNAVAILABLE,
    CONFIG_INVALID for `setting`; psycopg.Error where the fault is ours."""
    try:
        yield
    except psycopg.Error as error:
        raise _told(error, setting) from error


def _told(error: psycopg.Error, setting: str) -> Exception:
    """Its text stays out: it may name hosts and values."""
    state = error.sqlstate or ""
    if state.startswith(_FULL):
        return DianaError(Reason.DISK_FULL, "The disk of the server's database is full.")
    if state.startswith(_AWAY) or (isinstance(error, psycopg.OperationalError) and not state):
        # A connection that is refused has no code that tells why.
        return DianaError(Reason.PEER_UNAVAILABLE, "The server's database does not answer, or does not let it in.")
    if state.startswith(_FORBIDDEN):
        return config_invalid(setting, "the database does not let this user make and use its tables")
    return error


def _conninfo(url: str, setting: str) -> str:
    try:
        return make_conninfo("", **{**_DEFAULTS, **conninfo_to_dict(url)})
    except psycopg.Error:
        raise config_invalid(setting, "is no PostgreSQL URL") from None


class _TextDumper(StrDumperUnknown):
    """No text that is kept has a NUL, which PostgreSQL refuses: one that is asked for is not to be found."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\ufffd"))
