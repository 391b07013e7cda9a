"""Procedure steps in SQLite."""

from __future__ import annotations

import json
from pathlib import Path

from diana_common.errors import DianaError, Reason
from diana_common.sqlite_file import Database
from diana_dimse.core.steps.keeping import Untold
from diana_dimse.core.steps.model import Step

_SCHEMA = """
CREATE TABLE step (
    store TEXT NOT NULL,
    uid TEXT NOT NULL,
    source TEXT NOT NULL,
    attributes TEXT NOT NULL,
    change_time REAL NOT NULL,
    revision INTEGER NOT NULL DEFAULT 1,
    untold INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (store, uid)
);
CREATE INDEX untold ON step (change_time) WHERE untold = 1;
CREATE INDEX told ON step (change_time) WHERE untold = 0;
"""
_MOST_CHARACTERS = 8 * 1024 * 1024


class SqliteSteps:
    """core.procedure_steps.StepStore in a file; for one process at a time."""

    def __init__(self, path: Path, most: int) -> None:
        """`most` steps at a time. Raises DianaError STORE_SCHEMA_NEWER, STORE_DAMAGED, CONFIG_INVALID."""
        self._database = Database(path, (_SCHEMA,))
        self._most = most

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def get(self, store: str, uid: str) -> Step | None:
        """See StepStore."""
        with self._database.reading() as db:
            found = db.execute("SELECT source, attributes FROM step WHERE store = ? AND uid = ?", (store, uid))
            row = found.fetchone()
        return Step(store, uid, row[0], json.loads(row[1])) if row else None

    def add(self, step: Step, now: float) -> bool:
        """See StepStore."""
        document = _document(step)
        with self._database.writing() as db:
            if db.execute("SELECT 1 FROM step WHERE store = ? AND uid = ?", (step.store, step.uid)).fetchone():
                return False
            if db.execute("SELECT count(*) FROM step").fetchone()[0] >= self._most:
                raise DianaError(Reason.OVERLOADED, "Too many procedure steps are kept.")
            db.execute(
                "INSERT INTO step (store, uid, source, attributes, change_time) VALUES (?, ?, ?, ?, ?)",
                (step.store, step.uid, step.source, document, now),
            )
        return True

    def replace(self, step: Step, now: float) -> None:
        """See StepStore."""
        document = _document(step)
        with self._database.writing() as db:
            db.execute(
                "UPDATE step SET source = ?, attributes = ?, change_time = ?, revision = revision + 1, untold = 1"
                " WHERE store = ? AND uid = ?",
                (step.source, document, now, step.store, step.uid),
            )

    def untold(self) -> Untold | None:
        """See StepStore."""
        with self._database.reading() as db:
            row = db.execute(
                "SELECT store, uid, source, attributes, revision FROM step WHERE untold = 1"
                " ORDER BY change_time LIMIT 1"
            ).fetchone()
        if row is None:
            return None
        store, uid, source, attributes, revision = row
        return Untold(Step(store, uid, source, json.loads(attributes)), revision)

    def told(self, untold: Untold) -> None:
        """See StepStore."""
        name = (untold.step.store, untold.step.uid, untold.revision)
        with self._database.writing() as db:
            db.execute("UPDATE step SET untold = 0 WHERE store = ? AND uid = ? AND revision = ?", name)

    def forget(self, before: float) -> None:
        """See StepStore."""
        with self._database.writing() as db:
            db.execute("DELETE FROM step WHERE untold = 0 AND change_time < ?", (before,))

    def count_untold(self) -> int:
        """How many steps the archive has not heard of."""
        with self._database.reading() as db:
            return int(db.execute("SELECT count(*) FROM step WHERE untold = 1").fetchone()[0])


def _document(step: Step) -> str:
    """Raises DianaError OVERLOADED."""
    document = json.dumps(step.attributes, ensure_ascii=False, separators=(",", ":"))
    if len(document) > _MOST_CHARACTERS:
        raise DianaError(Reason.OVERLOADED, "The procedure step has become too large.")
    return document
