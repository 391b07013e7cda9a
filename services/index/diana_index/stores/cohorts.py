"""Cohorts in SQL that SQLite and PostgreSQL both understand."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_index.core.attributes import Level
from diana_index.core.cohort_store import Cohort, Frozen
from diana_index.core.question import Asked, Key
from diana_index.stores.connection import Connection
from diana_index.stores.databases import Database
from diana_index.stores.dialect import Dialect

_COLUMNS = "cohort_id, body, create_time, operation, record_count, digest, position"
_UNOWNED = "NOT EXISTS (SELECT 1 FROM cohort WHERE cohort.operation = cohort_names.operation)"


def tables(dialect: Dialect) -> list[str]:
    """What makes the tables. `body` is a JSON object; pieces of names are lines, compressed."""
    text, blob = dialect.text, dialect.blob
    return [
        f"""CREATE TABLE cohort (cohort_id {text} PRIMARY KEY, body {text} NOT NULL,
            create_time DOUBLE PRECISION NOT NULL, operation {text} UNIQUE, record_count BIGINT, digest {blob},
            position {text})""",
        f"""CREATE TABLE cohort_names (operation {text} NOT NULL, number BIGINT NOT NULL, names {blob} NOT NULL,
            PRIMARY KEY (operation, number))""",
    ]


class SqlCohorts:
    """See core.cohort_store.CohortStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, cohort: Cohort) -> Cohort:
        """See CohortStore."""
        with self._database.writing() as db:
            kept = _select(db, "WHERE cohort_id = ?", (cohort.cohort_id,))
            if kept:
                return kept[0]
            _insert(db, cohort)
        return cohort

    def get(self, cohort_id: str) -> Cohort | None:
        """See CohortStore."""
        with self._database.reading() as db:
            found = _select(db, "WHERE cohort_id = ?", (cohort_id,))
        return found[0] if found else None

    def page(self, after: str, limit: int) -> list[Cohort]:
        """See CohortStore."""
        with self._database.reading() as db:
            return _select(db, "WHERE cohort_id > ? ORDER BY cohort_id LIMIT ?", (after, limit))

    def delete(self, cohort_id: str) -> bool:
        """See CohortStore."""
        with self._database.writing() as db:
            kept = _select(db, "WHERE cohort_id = ?", (cohort_id,))
            db.execute("DELETE FROM cohort WHERE cohort_id = ?", (cohort_id,))
            if kept and kept[0].frozen:
                _discard(db, kept[0].frozen.operation)
        return bool(kept)

    def begin(self, operation: str) -> SqlFreezing:
        """See CohortStore."""
        self.discard(operation)
        return SqlFreezing(self._database, operation)

    def unfinished(self) -> list[str]:
        """See CohortStore."""
        with self._database.reading() as db:
            rows = db.execute(f"SELECT DISTINCT operation FROM cohort_names WHERE {_UNOWNED}").fetchall()
        return [row[0] for row in rows]

    def discard(self, operation: str) -> None:
        """See CohortStore."""
        with self._database.writing() as db:
            _discard(db, operation)

    def piece(self, operation: str, number: int) -> list[bytes] | None:
        """See CohortStore."""
        with self._database.reading() as db:
            row = db.execute(
                "SELECT names FROM cohort_names WHERE operation = ? AND number = ?", (operation, number)
            ).fetchone()
        return zlib.decompress(row[0]).split(b"\n") if row else None


class SqlFreezing:
    """See core.cohort_store.Freezing."""

    def __init__(self, database: Database, operation: str) -> None:
        self._database = database
        self._operation = operation

    def add(self, number: int, names: Sequence[bytes]) -> None:
        """See Freezing."""
        packed = zlib.compress(b"\n".join(names), 1)
        with self._database.writing() as db:
            db.execute("INSERT INTO cohort_names VALUES (?, ?, ?)", (self._operation, number, packed))

    def finish(self, cohort: Cohort) -> None:
        """See Freezing."""
        with self._database.writing() as db:
            if _select(db, "WHERE cohort_id = ?", (cohort.cohort_id,)):
                raise DianaError(Reason.COHORT_EXISTS, "The name stands for another cohort.")
            _insert(db, cohort)


def _select(db: Connection, where: str, values: Sequence[Any]) -> list[Cohort]:
    return [_cohort(*row) for row in db.execute(f"SELECT {_COLUMNS} FROM cohort {where}", values).fetchall()]


def _insert(db: Connection, cohort: Cohort) -> None:
    body = json.dumps({"description": cohort.description, "question": _question(cohort.asked)})
    one = cohort.frozen
    frozen = (one.operation, one.record_count, one.digest, one.position) if one else (None,) * 4
    values = (cohort.cohort_id, body, cohort.create_time, *frozen)
    db.execute(f"INSERT INTO cohort ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def _discard(db: Connection, operation: str) -> None:
    db.execute(f"DELETE FROM cohort_names WHERE operation = ? AND {_UNOWNED}", (operation,))


def _cohort(
    cohort_id: str,
    body: str,
    create_time: float,
    operation: str | None,
    record_count: int | None,
    digest: bytes | None,
    position: str | None,
) -> Cohort:
    said = json.loads(body)
    frozen = Frozen(operation, record_count or 0, digest or b"", position or "") if operation else None
    return Cohort(cohort_id, said["description"], _asked(**said["question"]), create_time, frozen)


def _question(asked: Asked) -> dict[str, Any]:
    """A question as a JSON object; what a later version adds to it has a default, so that it reads this one's."""
    return {
        "store": asked.store,
        "level": asked.level.name,
        "keys": [_key_object(key) for key in asked.keys],
        "filter": asked.filter,
        "fuzzy_names": asked.fuzzy_names,
        "combined_date_times": asked.combined_date_times,
    }


def _asked(level: str, keys: Sequence[dict[str, Any]], **rest: Any) -> Asked:
    return Asked(level=Level[level], keys=tuple(_key(key) for key in keys), **rest)


def _key_object(key: Key) -> dict[str, Any]:
    return {"attribute": key.attribute, "values": key.values, "item": [_key_object(one) for one in key.item]}


def _key(said: dict[str, Any]) -> Key:
    return Key(said["attribute"], tuple(said["values"]), tuple(_key(one) for one in said["item"]))
