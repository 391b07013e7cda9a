"""One PostgreSQL server a test process, made when needed, and databases of it that tests use one after another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import psycopg

from tests.support.postgres import Postgres

_servers = ExitStack()
_idle: list[str] = []


@cache
def server() -> Postgres:
    """The server, until `stop_server`."""
    return _servers.enter_context(Postgres())


def stop_server() -> None:
    """At the end of those who used it; it is made anew for others."""
    _servers.close()
    _idle.clear()
    server.cache_clear()


@contextmanager
def database() -> Iterator[str]:
    """The URL of a database with nothing in it; nobody else has it meanwhile."""
    url = _idle.pop() if _idle else server().new_database()
    yield url
    with psycopg.connect(url, autocommit=True) as db:
        found = db.execute("SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname ~ '^(diana|public)'").fetchall()
        for (name,) in found:
            db.execute(f"DROP SCHEMA {name} CASCADE".encode())
        db.execute("CREATE SCHEMA public")
    _idle.append(url)
