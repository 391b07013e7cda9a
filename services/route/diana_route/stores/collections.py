"""Collections in SQLite: one file, one writer, durable at every change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_common.sqlite_file import Database
from diana_route.core.collecting import Before, Collected, Collection, ItemState, Step

# Literally, or SQLite could not use the partial index.
_LEFT = f"step < {Step.END.value}"
# Accession numbers are in here and nowhere else; the file is its owner's only.
_FIRST = f"""
CREATE TABLE collection (
    key TEXT PRIMARY KEY,
    request BLOB NOT NULL,
    digest BLOB NOT NULL,
    operation TEXT NOT NULL DEFAULT '',
    open INTEGER NOT NULL DEFAULT 1,
    create_time REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE operation (name TEXT PRIMARY KEY, collection TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE item (
    row INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    number INTEGER NOT NULL,
    accession_number TEXT NOT NULL,
    study_uid TEXT NOT NULL,
    state INTEGER NOT NULL,
    step INTEGER NOT NULL,
    due_time REAL NOT NULL,
    update_time REAL NOT NULL,
    attempt_count INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    retrieved_count INTEGER NOT NULL DEFAULT 0,
    delivered_count INTEGER NOT NULL DEFAULT 0,
    confirmed INTEGER NOT NULL DEFAULT 0,
    round INTEGER NOT NULL DEFAULT 0,
    memo TEXT NOT NULL DEFAULT '',
    before TEXT NOT NULL DEFAULT 'null'
);
CREATE UNIQUE INDEX numbered ON item (collection, number);
CREATE INDEX stated ON item (collection, state, number);
CREATE INDEX remembering ON item (collection, number) WHERE memo != '';
CREATE INDEX furthest ON item (collection, step DESC, number) WHERE {_LEFT};
CREATE TABLE claim (
    store TEXT NOT NULL, study_uid TEXT NOT NULL, item INTEGER NOT NULL, PRIMARY KEY (store, study_uid)
) WITHOUT ROWID;
CREATE INDEX claimed ON claim (item);
"""
_ITEM = (
    "row, number, accession_number, study_uid, state, step, due_time, update_time, attempt_count, reason, message,"
    " retrieved_count, delivered_count, confirmed, round, memo, before"
)
_SAVE = """
UPDATE item SET study_uid = ?, state = ?, due_time = ?, update_time = ?, attempt_count = ?, reason = ?, message = ?,
    retrieved_count = ?, delivered_count = ?, confirmed = ?, before = ?, round = ?,
    memo = CASE WHEN (step, round) = (?, ?) THEN memo ELSE '' END, step = ?
WHERE row = ?
"""
_NEW = "INSERT INTO item (collection, number, accession_number, study_uid, state, step, due_time, update_time)"
_BEGUN = "SELECT item FROM claim UNION ALL SELECT row FROM item WHERE memo != ''"
_AT_ONCE = 500
_IS_AS_ASKED = "study_uid = '' OR accession_number = ''"
_REVIVE = f"""
UPDATE item SET
    step = CASE WHEN {_IS_AS_ASKED} THEN {Step.FIND.value} ELSE {Step.RETRIEVE.value} END,
    state = CASE WHEN {_IS_AS_ASKED} THEN {ItemState.WAITING.value} ELSE {ItemState.FOUND.value} END,
    due_time = 0, attempt_count = 0, reason = '', message = '', memo = '', round = round + 1
WHERE collection = ? AND state = {ItemState.FAILED.value}
"""


class SqliteCollections:
    """core.collecting.Collections in a file, and what the servicer needs; for one process at a time."""

    def __init__(self, path: Path) -> None:
        """Made, for its owner only, if absent.

        Raises DianaError STORE_SCHEMA_NEWER, STORE_DAMAGED, CONFIG_INVALID, DISK_FULL.
        """
        self._database = Database(path, (_FIRST,))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def create(
        self,
        key: str,
        request: bytes,
        digest: bytes,
        accession_numbers: Sequence[str],
        study_uids: Sequence[str],
        now: float,
    ) -> None:
        """Make a collection, of numbers or of UIDs; one of that key and digest is left as it is.

        Raises DianaError REQUEST_ID_REUSED where it has another digest.
        """
        named = [(number, "") for number in accession_numbers] + [("", uid) for uid in study_uids]
        rows = [
            (key, number, accession, uid, ItemState.WAITING.value, Step.FIND, 0, now)
            for number, (accession, uid) in enumerate(named, 1)
        ]
        with self._database.writing() as db:
            there = db.execute("SELECT digest FROM collection WHERE key = ?", (key,)).fetchone()
            if there is None:
                columns = "INSERT INTO collection (key, request, digest, create_time)"
                db.execute(f"{columns} VALUES (?, ?, ?, ?)", (key, request, digest, now))
                db.executemany(f"{_NEW} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            elif there[0] != digest:
                raise DianaError(Reason.REQUEST_ID_REUSED, "The request_id stood for another request.")

    def bind(self, key: str, operation: str) -> None:
        """An operation is at a collection, unless it was before: then another one may be."""
        with self._database.writing() as db:
            if db.execute("INSERT OR IGNORE INTO operation VALUES (?, ?)", (operation, key)).rowcount:
                db.execute("UPDATE collection SET operation = ? WHERE key = ?", (operation, key))

    def get(self, key: str) -> Collection:
        """See Collections."""
        return self._collection("key = ?", key)

    def of_operation(self, operation: str) -> Collection:
        """The collection that an operation is or was at. Raises DianaError OPERATION_NOT_FOUND."""
        return self._collection("key = (SELECT collection FROM operation WHERE name = ?)", operation)

    def revive(self, key: str) -> bool:
        """Have what failed done again, from where it was found; whether the collection was open still."""
        with self._database.writing() as db:
            (was_open,) = db.execute("SELECT open FROM collection WHERE key = ?", (key,)).fetchone()
            db.execute(_REVIVE, (key,))
            db.execute("UPDATE collection SET open = 1 WHERE key = ?", (key,))
        return bool(was_open)

    def next(self, key: str, now: float) -> Collected | None:
        """See Collections."""
        due = f"+due_time <= ? AND collection = ? AND {_LEFT} ORDER BY step DESC, number LIMIT 1"
        later = f"collection = ? AND {_LEFT} ORDER BY due_time, number LIMIT 1"
        found = self._items(due, now, key) or self._items(later, key)
        return found[0] if found else None

    def save(self, item: Collected) -> None:
        """See Collections."""
        with self._database.writing() as db:
            db.execute(_SAVE, _saved(item))

    def found(self, key: str, item: Collected, study_uids: Sequence[str]) -> None:
        """See Collections."""
        item.study_uid, item.step, item.state = study_uids[0], Step.RETRIEVE, ItemState.FOUND
        with self._database.writing() as db:
            db.execute(_SAVE, _saved(item))
            (last,) = db.execute("SELECT max(number) FROM item WHERE collection = ?", (key,)).fetchone()
            state = (ItemState.FOUND.value, Step.RETRIEVE, item.due_time, item.update_time)
            further = enumerate(study_uids[1:], last + 1)
            rows = [(key, number, item.accession_number, uid, *state) for number, uid in further]
            db.executemany(f"{_NEW} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def claim(self, store: str, item: Collected) -> bool:
        """See Collections."""
        with self._database.writing() as db:
            db.execute("INSERT OR IGNORE INTO claim VALUES (?, ?, ?)", (store, item.study_uid, item.row))
            mine = "SELECT item = ? FROM claim WHERE store = ? AND study_uid = ?"
            return bool(db.execute(mine, (item.row, store, item.study_uid)).fetchone()[0])

    def release(self, item: Collected) -> None:
        """See Collections."""
        with self._database.writing() as db:
            db.execute("DELETE FROM claim WHERE item = ?", (item.row,))

    def begun(self, key: str) -> Sequence[Collected]:
        """See Collections."""
        return self._items(f"collection = ? AND row IN ({_BEGUN}) ORDER BY number", key)

    def failed(self, key: str) -> Iterator[Collected]:
        """See Collections."""
        after = 0
        while page := self.page(key, after, _AT_ONCE, ItemState.FAILED):
            yield from page
            after = page[-1].number

    def unfinished(self) -> Sequence[str]:
        """The keys of collections that have items as `begun` tells."""
        return self._keys(f"SELECT DISTINCT collection FROM item WHERE row IN ({_BEGUN})")

    def unbound(self) -> Sequence[str]:
        """The keys of collections that no operation was ever at."""
        return self._keys("SELECT key FROM collection WHERE operation = ''")

    def made_before(self, time: float) -> Sequence[str]:
        """The keys of those that were made before a time, and have nothing as `begun` tells."""
        begun = f"SELECT collection FROM item WHERE row IN ({_BEGUN})"
        return self._keys(f"SELECT key FROM collection WHERE create_time < ? AND key NOT IN ({begun})", time)

    def finish(self, key: str) -> bool:
        """See Collections."""
        with self._database.writing() as db:
            left = f"EXISTS (SELECT 1 FROM item WHERE collection = :key AND {_LEFT})"
            db.execute(f"UPDATE collection SET open = {left} WHERE key = :key", {"key": key})
            (is_open,) = db.execute("SELECT open FROM collection WHERE key = ?", (key,)).fetchone()
        return not is_open

    def counts(self, key: str) -> Mapping[ItemState, int]:
        """See Collections."""
        rows = self._rows("SELECT state, count(*) FROM item WHERE collection = ? GROUP BY state", key)
        return {ItemState(state): count for state, count in rows}

    def delivered_instances(self, key: str) -> int:
        """How many instances of a collection were delivered."""
        return int(self._rows("SELECT total(delivered_count) FROM item WHERE collection = ?", key)[0][0])

    def page(self, key: str, after: int, size: int, state: ItemState | None) -> list[Collected]:
        """Items numbered above `after`, in order."""
        if state is None:
            return self._items("collection = ? AND number > ? ORDER BY number LIMIT ?", key, after, size)
        where = "collection = ? AND state = ? AND number > ? ORDER BY number LIMIT ?"
        return self._items(where, key, state.value, after, size)

    def write_memo(self, number: int, memo: str) -> None:
        """What the step of the item of that row remembers (diana_route.peers.operations.Notes)."""
        with self._database.writing() as db:
            db.execute("UPDATE item SET memo = ? WHERE row = ?", (memo, number))

    def drop(self, key: str) -> None:
        """Forget one, if it is there."""
        with self._database.writing() as db:
            db.execute("DELETE FROM item WHERE collection = ?", (key,))
            db.execute("DELETE FROM operation WHERE collection = ?", (key,))
            db.execute("DELETE FROM collection WHERE key = ?", (key,))

    def _collection(self, where: str, value: str) -> Collection:
        columns = "key, operation, request, create_time, open"
        rows = self._rows(f"SELECT {columns} FROM collection WHERE {where}", value)
        if not rows:
            text = "There is no collection of that operation; those that ended are kept for a time only."
            raise DianaError(Reason.OPERATION_NOT_FOUND, text)
        found, operation, request, create_time, is_open = rows[0]
        return Collection(found, operation, request, create_time, bool(is_open))

    def _keys(self, statement: str, *values: Any) -> list[str]:
        return [key for (key,) in self._rows(statement, *values)]

    def _items(self, where: str, *values: Any) -> list[Collected]:
        return [_item(row) for row in self._rows(f"SELECT {_ITEM} FROM item WHERE {where}", *values)]

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        with self._database.reading() as db:
            return db.execute(statement, values).fetchall()


def _item(row: Sequence[Any]) -> Collected:
    number_of_row, number, accession, uid, state, step, due, updated, *rest = row
    attempts, reason, message, retrieved, delivered, confirmed, rounds, memo, before = rest
    return Collected(
        number_of_row,
        number,
        accession,
        uid,
        ItemState(state),
        Step(step),
        due,
        updated,
        attempts,
        reason,
        message,
        retrieved,
        delivered,
        bool(confirmed),
        rounds,
        memo,
        Before(**kept) if (kept := json.loads(before)) else None,
    )


def _saved(item: Collected) -> tuple[Any, ...]:
    """The values of `_SAVE`."""
    return (
        item.study_uid,
        item.state.value,
        item.due_time,
        item.update_time,
        item.attempt_count,
        item.reason,
        item.message,
        item.retrieved_count,
        item.delivered_count,
        item.confirmed,
        json.dumps(asdict(item.before) if item.before else None),
        item.round,
        item.step,
        item.round,
        item.step,
        item.row,
    )
