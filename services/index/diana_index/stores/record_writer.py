"""Writing records of one level: their rows, their answers, their forms and their words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from diana_index.core.attributes import ATTRIBUTES, Level
from diana_index.core.records import FormRow, LevelRecord
from diana_index.stores.connection import Connection
from diana_index.stores.packing import pack_elements
from diana_index.stores.schema import TABLES, TEXTUAL, columns

_INSERT_INSTANCE = (
    f"INSERT INTO instance (id, store, series, version, {', '.join(columns(Level.INSTANCE))})"
    f" VALUES (?, ?, ?, ?{', ?' * len(columns(Level.INSTANCE))})"
)
_UPDATES = {
    level: f"UPDATE {TABLES[level]} SET {' = ?, '.join(columns(level))} = ?, newest = ? WHERE id = ?"
    for level in (Level.PATIENT, Level.STUDY, Level.SERIES)
}
_PLAIN = {level: {one.tag for one in ATTRIBUTES[level] if not one.many} for level in Level}
"""The tags whose further forms are an exception, which questions must know of."""

_FormValues = tuple[str, int, str, str | None, float | None]
"""Tag, number, item, text, number."""


class RecordWriter:
    """Writes within one transaction; instances are written together by `flush`."""

    def __init__(self, connection: Connection) -> None:
        self._do = connection.execute
        self._do_many = connection.executemany
        self._instances: list[Sequence[Any]] = []
        self._answers: list[Sequence[Any]] = []
        self._forms: list[Sequence[Any]] = []
        self._further: set[tuple[int, str]] = set()

    def add_instance(self, own: Sequence[Any], record: LevelRecord, answer: bytes, header: bytes) -> None:
        """A new instance; `own`: its id, store, series and version."""
        self._instances.append((*own, *record.forms))
        self._answers.append((own[0], answer, header))
        self._forms += [(own[0], *form_values(row)) for row in record.more]
        self._note_further(Level.INSTANCE, record.more)

    def flush(self) -> None:
        """Write what was added."""
        self._do_many(_INSERT_INSTANCE, self._instances)
        self._do_many("INSERT INTO instance_answer VALUES (?, ?, ?)", self._answers)
        self._do_many("INSERT INTO instance_form VALUES (?, ?, ?, ?, ?, ?)", self._forms)
        self._do_many("INSERT INTO further VALUES (?, ?) ON CONFLICT DO NOTHING", list(self._further))
        for written in (self._instances, self._answers, self._forms, self._further):
            written.clear()

    def update(self, level: Level, record_id: int, newest: int, record: LevelRecord) -> None:
        """Make a record above instances what it is now."""
        self._do(_UPDATES[level], (*record.forms, newest, record_id))
        self._do(
            f"""INSERT INTO {TABLES[level]}_answer VALUES (?, ?)
            ON CONFLICT (record) DO UPDATE SET elements = excluded.elements""",
            (record_id, pack_elements(record.elements)),
        )
        self._sync_forms(level, record_id, record)
        if level in TEXTUAL:
            self._sync_words(level, record_id, record.words)

    def forget(self, level: Level, record_ids: Iterable[int]) -> None:
        """Remove records with all that belongs to them."""
        rows = [(one,) for one in record_ids]
        table = TABLES[level]
        self._do_many(f"DELETE FROM {table} WHERE id = ?", rows)
        for beside in (f"{table}_answer", f"{table}_form"):
            self._do_many(f"DELETE FROM {beside} WHERE record = ?", rows)
        if level in TEXTUAL:
            self._do_many(f"DELETE FROM {table}_words WHERE rowid = ?", rows)

    def _sync_forms(self, level: Level, record_id: int, record: LevelRecord) -> None:
        table = f"{TABLES[level]}_form"
        held = {
            tuple(row)
            for row in self._do(f"SELECT tag, n, item, text, number FROM {table} WHERE record = ?", (record_id,))
        }
        needed = {form_values(row) for row in record.more}
        gone = {(record_id, tag, n) for tag, n, *_ in held - needed}
        self._do_many(f"DELETE FROM {table} WHERE record = ? AND tag = ? AND n = ?", list(gone))
        self._do_many(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?)", [(record_id, *one) for one in needed - held])
        self._note_further(level, record.more)

    def _sync_words(self, level: Level, record_id: int, words: Sequence[str]) -> None:
        table = TABLES[level]
        said = int.from_bytes(hashlib.blake2b(" ".join(words).encode(), digest_size=7).digest()) if words else None
        (held,) = self._do(f"SELECT said FROM {table} WHERE id = ?", (record_id,)).fetchone()
        if held == said:
            return
        self._do(f"DELETE FROM {table}_words WHERE rowid = ?", (record_id,))
        if words:
            self._do(f"INSERT INTO {table}_words (rowid, words) VALUES (?, ?)", (record_id, " ".join(words)))
        self._do(f"UPDATE {table} SET said = ? WHERE id = ?", (said, record_id))

    def _note_further(self, level: Level, rows: Iterable[FormRow]) -> None:
        self._further |= {(int(level), row.tag) for row in rows if row.tag in _PLAIN[level]}


def form_values(row: FormRow) -> _FormValues:
    """A form's row without its record."""
    form = row.form
    number = None if isinstance(form, str) else float(form)
    return row.tag, row.number, row.item, form if isinstance(form, str) else None, number
