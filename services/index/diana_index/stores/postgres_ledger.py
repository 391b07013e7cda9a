"""Which generations a PostgreSQL database has, in a schema of its own, and who uses them.

A process holds a shared lock by the number of each generation that it uses, on the session of this ledger: what
nobody holds, and does not answer, may go.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from diana_common.errors import DianaError, Reason
from diana_common.postgres import Link
from diana_common.settings import config_invalid
from diana_index.core.paging import KEY_BYTES
from diana_index.stores.dialect import POSTGRES
from diana_index.stores.schema import VERSION, fingerprint, statements

_SCHEMA = "diana_index"
_USING = 0x4449475800000000
_LEDGER, FOLLOWING, STILL = 0x4449475900000000, 0x4449475900000001, 0x4449475900000002
"""Advisory locks: of whoever changes the ledger; of the process that follows; against changes of what answers."""
ACTIVE = f"SELECT active FROM {_SCHEMA}.generation WHERE number = ?"

_TABLES = (
    f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}",
    f"""CREATE TABLE IF NOT EXISTS {_SCHEMA}.generation (number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        version INTEGER NOT NULL, fingerprint TEXT NOT NULL, active BOOLEAN NOT NULL)""",
    f"CREATE UNIQUE INDEX IF NOT EXISTS generation_active ON {_SCHEMA}.generation (active) WHERE active",
    f"""CREATE TABLE IF NOT EXISTS {_SCHEMA}.secret (one INTEGER PRIMARY KEY CHECK (one = 1),
        page_token_key BYTEA NOT NULL)""",
)


@dataclass(frozen=True, slots=True)
class Active:
    """The generation that answers."""

    number: int
    usable: bool
    """Whether it was made with this program's table of attributes."""


def schema_name(number: int) -> str:
    """The schema of a generation."""
    return f"{_SCHEMA}_{int(number)}"


def prepare(link: Link) -> int:
    """Make what is missing; returns the generation that answers: a new one if there is none of this program's make.

    Raises DianaError CONFIG_INVALID, STORE_SCHEMA_NEWER.
    """
    if link.value("SHOW server_encoding") != "UTF8":
        raise config_invalid("database_url", "the database must have the encoding UTF8")
    with _changing(link):
        for statement in _TABLES:
            link.execute(statement)
        link.execute(
            f"INSERT INTO {_SCHEMA}.secret VALUES (1, ?) ON CONFLICT DO NOTHING", (secrets.token_bytes(KEY_BYTES),)
        )
        if (link.value(f"SELECT version FROM {_SCHEMA}.generation WHERE active") or 0) > VERSION:
            raise DianaError(Reason.STORE_SCHEMA_NEWER, "The index's records were written by a newer version.")
        active = read_active(link)
        if active and active.usable:
            return active.number
        made = _make(link)
        _point(link, made)
        return made


def read_active(link: Link) -> Active | None:
    """The generation that answers."""
    row = link.execute(
        f"SELECT number, version = ? AND fingerprint = ? FROM {_SCHEMA}.generation WHERE active",
        (VERSION, fingerprint(POSTGRES)),
    ).fetchone()
    return Active(*row) if row else None


def create(link: Link) -> int:
    """A new generation, used by this session from the first."""
    with _changing(link):
        number = _make(link)
        link.execute("SELECT pg_advisory_lock_shared(?)", (_USING + number,))
        return number


def point(link: Link, number: int) -> None:
    """Have a generation answer, in all processes, and survive a power cut. Raises DianaError if it is gone."""
    with _changing(link):
        link.execute("SET LOCAL synchronous_commit = on")
        _point(link, number)


def use(link: Link, number: int) -> bool:
    """Keep a generation from going, until `leave` or the session's end; whether it was still there."""
    link.execute("SELECT pg_advisory_lock_shared(?)", (_USING + number,))
    if link.value(f"SELECT count(*) FROM {_SCHEMA}.generation WHERE number = ?", (number,)):
        return True
    leave(link, number)
    return False


def leave(link: Link, number: int) -> None:
    """Let a generation go."""
    link.execute("SELECT pg_advisory_unlock_shared(?)", (_USING + number,))


def clear(link: Link, used: Collection[int]) -> None:
    """Drop what does not answer and nobody uses; `used`: by this session, whose own locks do not keep it out."""
    rows = link.execute(f"SELECT number FROM {_SCHEMA}.generation WHERE NOT active").fetchall()
    for number in [row[0] for row in rows if row[0] not in used]:
        with _changing(link):
            free = link.value("SELECT pg_try_advisory_xact_lock(?)", (_USING + number,))
            if free and link.value(ACTIVE, (number,)) is False:
                link.execute(f"DROP SCHEMA {schema_name(number)} CASCADE")
                link.execute(f"DELETE FROM {_SCHEMA}.generation WHERE number = ?", (number,))


def read_page_token_key(link: Link) -> bytes:
    """The key that seals page tokens, the same in all processes."""
    return bytes(link.value(f"SELECT page_token_key FROM {_SCHEMA}.secret"))


@contextmanager
def _changing(link: Link) -> Iterator[None]:
    link.execute("BEGIN")
    try:
        link.execute("SELECT pg_advisory_xact_lock(?)", (_LEDGER,))
        yield
        link.commit()
    except BaseException:
        link.rollback()
        raise


def _make(link: Link) -> int:
    number = int(
        link.value(
            f"INSERT INTO {_SCHEMA}.generation (version, fingerprint, active) VALUES (?, ?, false) RETURNING number",
            (VERSION, fingerprint(POSTGRES)),
        )
    )
    link.execute(f"CREATE SCHEMA {schema_name(number)}")
    link.execute(f"SET LOCAL search_path = {schema_name(number)}")
    for statement in statements(POSTGRES):
        link.execute(statement)
    return number


def _point(link: Link, number: int) -> None:
    link.execute(f"UPDATE {_SCHEMA}.generation SET active = false WHERE active AND number <> ?", (number,))
    if (
        link.value(f"UPDATE {_SCHEMA}.generation SET active = true WHERE number = ? RETURNING number", (number,))
        is None
    ):
        raise DianaError(Reason.PEER_UNAVAILABLE, "The index's new records are gone.")
