"""The search keys of a generation, and filling them from the headers that are there already."""

from __future__ import annotations

from collections.abc import Sequence

from diana_index.core.attributes import Attribute, Level
from diana_index.core.records import SOUNDS, keyed_rows, parse_header
from diana_index.core.store import Filled
from diana_index.core.vocabulary import SearchKey, Vocabulary
from diana_index.stores.connection import Connection
from diana_index.stores.packing import unpack
from diana_index.stores.record_writer import form_values
from diana_index.stores.schema import TABLES


def read_vocabulary(connection: Connection) -> Vocabulary:
    """What questions may speak of."""
    rows = connection.execute("SELECT id, path, level, vr, filled FROM search_key ORDER BY id").fetchall()
    keys = [SearchKey(key_id, path, Level(level), vr) for key_id, path, level, vr, _ in rows]
    return Vocabulary(keys, ready=[row[0] for row in rows if row[4] is None])


def set_search_keys(connection: Connection, keys: Sequence[SearchKey]) -> None:
    """Have just these keys, within a transaction; new ones are to be filled, unless there is nothing to fill."""
    held = {key.key_id: key for key in read_vocabulary(connection).search_keys}
    wanted = {key.key_id: key for key in keys}
    for key_id, key in held.items():
        if wanted.get(key_id) != key:
            _forget(connection, key.attribute)
            connection.execute("DELETE FROM search_key WHERE id = ?", (key_id,))
    is_empty = connection.execute("SELECT max(id) FROM instance").fetchone()[0] is None
    for key_id, key in wanted.items():
        if held.get(key_id) != key:
            connection.execute(
                "INSERT INTO search_key VALUES (?, ?, ?, ?, ?, 0, 0)",
                (key_id, key.path, int(key.level), key.vr, None if is_empty else 0),
            )


def fill(connection: Connection, key_id: str, limit: int) -> Filled | None:
    """Fill a key for the next `limit` records, within a transaction; None if there is none of this id."""
    row = connection.execute(
        "SELECT path, level, vr, filled, looked_at, valued FROM search_key WHERE id = ?", (key_id,)
    ).fetchone()
    if row is None:
        return None
    path, level, vr, filled, looked_at, valued = row
    if filled is None:
        return Filled(looked_at, valued, ready=True)
    attribute = SearchKey(key_id, path, Level(level), vr).attribute
    records = _records(connection, attribute.level, filled, limit)
    for record_id, instance in records:
        valued += _fill_record(connection, attribute, record_id, instance)
        filled = record_id
    ready = len(records) < limit
    made = Filled(looked_at + len(records), valued, ready)
    connection.execute(
        "UPDATE search_key SET filled = ?, looked_at = ?, valued = ? WHERE id = ?",
        (None if ready else filled, made.records, made.values, key_id),
    )
    return made


def _records(connection: Connection, level: Level, after: int, limit: int) -> list[tuple[int, int]]:
    """Ids of records behind one, each with that of the instance that it reflects."""
    table = TABLES[level]
    newest = "id" if level is Level.INSTANCE else "newest"
    words = f"SELECT id, {newest} FROM {table} WHERE id > ? AND {newest} IS NOT NULL ORDER BY id LIMIT ?"
    return [(int(one), int(reflected)) for one, reflected in connection.execute(words, (after, limit)).fetchall()]


def _fill_record(connection: Connection, attribute: Attribute, record_id: int, instance: int) -> bool:
    """Put a record's forms, in place of those that an arrival has put meanwhile; whether it has any."""
    body = connection.execute("SELECT header FROM instance_answer WHERE record = ?", (instance,)).fetchone()[0]
    rows = keyed_rows(parse_header(unpack(body)), attribute)
    table = TABLES[attribute.level]
    if attribute.level is Level.INSTANCE and not rows:
        # Arrivals put the same forms: without any there is nothing to replace.
        return False
    connection.execute(
        f"DELETE FROM {table}_form WHERE record = ? AND tag IN (?, ?)",
        (record_id, attribute.tag, attribute.tag + SOUNDS),
    )
    connection.executemany(
        f"INSERT INTO {table}_form VALUES (?, ?, ?, ?, ?, ?)", [(record_id, *form_values(row)) for row in rows]
    )
    return bool(rows)


def _forget(connection: Connection, attribute: Attribute) -> None:
    for tag in (attribute.tag, attribute.tag + SOUNDS):
        connection.execute(f"DELETE FROM {TABLES[attribute.level]}_form WHERE tag = ?", (tag,))
