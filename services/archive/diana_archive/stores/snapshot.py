"""Questions to the catalogue."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from diana_archive.core.model import Instance, Known, Selector, Series, State, Statistics, Study
from diana_archive.stores.entries import FeedPages
from diana_archive.stores.evidence import EvidenceRows
from diana_archive.stores.resting import RestingRows
from diana_archive.stores.sql import IDS, WORDS, Connection, listed

_COLUMNS = """i.id, o.name, t.study_uid, s.series_uid, i.sop_uid, i.sop_class_uid, i.transfer_syntax_uid, i.size_bytes,
  i.data_set_offset, i.data_set_sha256, i.prefix_sha256, i.version, i.state, i.store_us, i.delete_us, i.sequence,
  i.damaged"""
_JOINED = """instance i JOIN series s ON s.id = i.series_id JOIN study t ON t.id = s.study_id
  JOIN store o ON o.id = i.store_id"""
# The order is forced: from a study down, never from all instances of the store up.
_FROM_STUDY = """store o CROSS JOIN study t CROSS JOIN series s CROSS JOIN instance i
  WHERE t.store_id = o.id AND s.study_id = t.id AND i.series_id = s.id"""
_STUDY = """t.study_uid, t.series_count, t.instance_count, t.size_bytes, t.first_us, t.last_us, t.complete,
  t.attributes, t.sealed_keys"""
_ATTRIBUTE_BYTES = 1024 * 1024
_UNDELETED = (State.CURRENT, State.OLDER)
_KNOWN = """SELECT id, version, transfer_syntax_uid, data_set_sha256, state = 0, damaged FROM instance
  WHERE store_id = ? AND sop_uid = ? AND state IN (0, 1)"""


class SqlSnapshot(FeedPages, EvidenceRows, RestingRows):
    """core.ports.Snapshot over one connection."""

    def __init__(self, connection: Connection, stores: Mapping[str, int]) -> None:
        super().__init__(connection)
        self._stores = stores

    def head(self) -> int:
        return int(self._one("SELECT coalesce(max(sequence), 0) FROM feed")[0])

    def known(self, store: str, sop_instance_uid: str) -> list[Known]:
        return [Known(*row) for row in self._db.execute(_KNOWN, (self._stores[store], sop_instance_uid))]

    def instance(self, store: str, sop_instance_uid: str, version: str) -> Instance | None:
        wanted = "i.version = ?" if version else "i.state = 0 AND ? = ''"
        row = self._db.execute(
            f"""SELECT {_COLUMNS} FROM {_JOINED} WHERE i.store_id = ? AND i.sop_uid = ?
                AND i.state IN {among(_UNDELETED)} AND {wanted}""",
            (self._stores[store], sop_instance_uid, version),
        ).fetchone()
        return to_instance(row) if row else None

    def by_ids(self, object_ids: Sequence[int]) -> list[Instance]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM {_JOINED} WHERE i.id IN {IDS}", (listed(object_ids),))
        return [to_instance(row) for row in rows]

    def header(self, object_id: int) -> bytes | None:
        row = self._db.execute("SELECT json FROM header WHERE instance_id = ?", (object_id,)).fetchone()
        return row[0] if row else None

    def digests(self, store: str, sop_instance_uids: Sequence[str]) -> set[tuple[str, bytes]]:
        rows = self._undeleted("sop_uid, data_set_sha256, damaged", _UNDELETED, store, sop_instance_uids)
        return {row[:2] for row in rows if not row[2]}

    def current_uids(self, store: str, sop_instance_uids: Sequence[str]) -> set[str]:
        rows = self._undeleted("sop_uid, damaged", (State.CURRENT,), store, sop_instance_uids)
        return {row[0] for row in rows if not row[1]}

    def select(self, store: str, selector: Selector, states: Sequence[State]) -> list[int]:
        where, values = self._selected(store, selector, states)
        return [
            row[0]
            for row in self._db.execute(f"SELECT i.id {where} ORDER BY s.series_uid, i.sop_uid, i.sequence", values)
        ]

    def exists(self, store: str, selector: Selector, states: Sequence[State]) -> bool:
        where, values = self._selected(store, selector, states)
        return self._db.execute(f"SELECT 1 {where} LIMIT 1", values).fetchone() is not None

    def selected_uids(self, store: str, selector: Selector, states: Sequence[State]) -> set[str]:
        where, values = self._selected(store, selector, states)
        return {row[0] for row in self._db.execute(f"SELECT DISTINCT i.sop_uid {where}", values)}

    def versions(self, object_ids: Sequence[int], states: Sequence[State]) -> list[int]:
        rows = self._db.execute(
            f"""SELECT DISTINCT v.id FROM instance i
                JOIN instance v ON v.store_id = i.store_id AND v.sop_uid = i.sop_uid
                WHERE i.id IN {IDS} AND v.state IN {among(states)}""",
            (listed(object_ids),),
        )
        return [row[0] for row in rows]

    def restorable(self, store: str, sop_instance_uids: Collection[str], deleted_after_us: int) -> list[int]:
        rows = self._db.execute(
            """SELECT i.id FROM instance i WHERE i.store_id = ?1 AND i.state = 2 AND i.delete_us > ?3
                 AND i.sop_uid IN (SELECT value FROM json_each(?2)) AND NOT EXISTS (
                   SELECT 1 FROM instance v WHERE v.store_id = i.store_id AND v.sop_uid = i.sop_uid
                   AND v.data_set_sha256 = i.data_set_sha256 AND v.transfer_syntax_uid = i.transfer_syntax_uid
                   AND (v.state IN (0, 1) OR (v.state = 2 AND v.sequence > i.sequence AND v.delete_us > ?3)))""",
            (self._stores[store], listed(sop_instance_uids), deleted_after_us),
        )
        return [row[0] for row in rows]

    def study(self, store: str, study_uid: str) -> Study | None:
        row = self._db.execute(
            f"SELECT {_STUDY} FROM study t WHERE store_id = ? AND study_uid = ? AND instance_count > 0",
            (self._stores[store], study_uid),
        ).fetchone()
        return _to_study(store, row) if row else None

    def studies(self, store: str, after_uid: str, limit: int) -> tuple[list[Study], bool]:
        # Sizes first: all the attributes of a page could be more than is wanted in memory.
        sizes = self._db.execute(
            """SELECT study_uid, length(attributes) + length(sealed_keys) FROM study
               WHERE store_id = ? AND study_uid > ? AND instance_count > 0 ORDER BY study_uid LIMIT ?""",
            (self._stores[store], after_uid, limit + 1),
        ).fetchall()
        count = _fitting([row[1] for row in sizes[:limit]])
        if not count:
            return [], False
        rows = self._db.execute(
            f"""SELECT {_STUDY} FROM study t WHERE store_id = ? AND study_uid > ? AND study_uid <= ?
                AND instance_count > 0 ORDER BY study_uid""",
            (self._stores[store], after_uid, sizes[count - 1][0]),
        )
        return [_to_study(store, row) for row in rows], count < len(sizes)

    def series(self, store: str, study_uid: str, after_uid: str, limit: int) -> list[Series]:
        rows = self._db.execute(
            """SELECT s.series_uid, s.instance_count, s.size_bytes FROM study t JOIN series s ON s.study_id = t.id
               WHERE t.store_id = ? AND t.study_uid = ? AND s.series_uid > ? AND s.instance_count > 0
               ORDER BY s.series_uid LIMIT ?""",
            (self._stores[store], study_uid, after_uid, limit),
        )
        return [Series(store, study_uid, *row) for row in rows]

    def instances(
        self,
        store: str,
        study_uid: str,
        series_uid: str,
        states: Sequence[State],
        after: tuple[str, str, str],
        limit: int,
    ) -> list[Instance]:
        where, values = self._selected(store, Selector(study_uid, series_uid), states)
        rows = self._db.execute(
            f"""SELECT {_COLUMNS} {where} AND s.series_uid >= ?
                AND (s.series_uid > ? OR (i.sop_uid, i.sequence) > (?, CAST(? AS BIGINT)))
                ORDER BY s.series_uid, i.sop_uid, i.sequence LIMIT ?""",
            (*values, after[0], *after, limit),
        )
        return [to_instance(row) for row in rows]

    def statistics(self, store: str) -> Statistics:
        return Statistics(
            *self._one(
                """SELECT study_count, series_count, instance_count, size_bytes, hidden_count, hidden_bytes
                   FROM store WHERE id = ?""",
                (self._stores[store],),
            )
        )

    def quiet(self, store: str, before_us: int, limit: int) -> list[str]:
        rows = self._db.execute(
            """SELECT study_uid FROM study WHERE complete = 0 AND instance_count > 0 AND store_id = ?
               AND arrival_us <= ? ORDER BY arrival_us LIMIT ?""",
            (self._stores[store], before_us, limit),
        )
        return [row[0] for row in rows]

    def expired(self, store: str, before_us: int, limit: int) -> list[int]:
        rows = self._db.execute(
            "SELECT id FROM instance WHERE state = 2 AND store_id = ? AND delete_us <= ? ORDER BY delete_us LIMIT ?",
            (self._stores[store], before_us, limit),
        )
        return [row[0] for row in rows]

    def unlinkable(self, after_id: int, limit: int) -> list[tuple[str, int]]:
        return self._db.execute(
            """SELECT o.name, i.id FROM unlinkable u CROSS JOIN instance i CROSS JOIN store o
               WHERE i.id = u.instance_id AND o.id = i.store_id AND u.instance_id > ?
               ORDER BY u.instance_id LIMIT ?""",
            (after_id, limit),
        ).fetchall()

    def emptied(self, object_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
        # Each study is asked about once, not each instance.
        rows = self._db.execute(
            f"""WITH chosen AS MATERIALIZED (
                 SELECT i.id, i.store_id, s.study_id FROM instance i JOIN series s ON s.id = i.series_id
                 WHERE i.id IN {IDS}),
               empty AS MATERIALIZED (
                 SELECT study_id FROM (SELECT DISTINCT study_id FROM chosen) c WHERE NOT EXISTS (
                   SELECT 1 FROM series s JOIN instance v ON v.series_id = s.id
                   WHERE s.study_id = c.study_id AND v.state < 3))
               SELECT c.id, o.name, t.study_uid FROM chosen c JOIN empty e ON e.study_id = c.study_id
               JOIN study t ON t.id = c.study_id JOIN store o ON o.id = c.store_id""",
            (listed(object_ids),),
        )
        return {object_id: (store, study_uid) for object_id, store, study_uid in rows}

    def kept(self, store: str, after_id: int, limit: int) -> list[Instance]:
        rows = self._db.execute(
            f"""SELECT {_COLUMNS} FROM {_JOINED} WHERE i.id > ? AND i.store_id = ? AND i.state < 3
                ORDER BY i.id LIMIT ?""",
            (after_id, self._stores[store], limit),
        )
        return [to_instance(row) for row in rows]

    def bearing(self, object_ids: Sequence[int]) -> set[int]:
        rows = self._db.execute(
            f"""SELECT i.id FROM instance i WHERE i.id IN {IDS} AND (i.state < 3
                OR EXISTS (SELECT 1 FROM unlinkable u WHERE u.instance_id = i.id))""",
            (listed(object_ids),),
        )
        return {row[0] for row in rows}

    def _one(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._db.execute(sql, values).fetchone()
        return row

    def _undeleted(
        self, columns: str, states: Sequence[State], store: str, sop_instance_uids: Sequence[str]
    ) -> list[tuple[Any, ...]]:
        return self._db.execute(
            f"""SELECT {columns} FROM instance WHERE store_id = ? AND state IN {among(states)}
                AND sop_uid IN {WORDS}""",
            (self._stores[store], listed(sop_instance_uids)),
        ).fetchall()

    def _selected(self, store: str, selector: Selector, states: Sequence[State]) -> tuple[str, list[Any]]:
        """FROM and WHERE of the selected instances, and their values."""
        values: list[Any] = [self._stores[store]]
        if selector.study_uid:
            where = f"FROM {_FROM_STUDY} AND i.state IN {among(states)} AND t.store_id = ? AND t.study_uid = ?"
            values.append(selector.study_uid)
        else:
            where = f"FROM {_JOINED} WHERE i.state IN {among(states)} AND i.store_id = ?"
        if selector.series_uid:
            where += " AND s.series_uid = ?"
            values.append(selector.series_uid)
        if selector.sop_instance_uids:
            where += f" AND i.sop_uid IN {WORDS}"
            values.append(listed(selector.sop_instance_uids))
        return where, values


def among(states: Sequence[State]) -> str:
    """States as SQL: "(0, 1)"."""
    return f"({', '.join(str(int(state)) for state in states)})"


def to_instance(row: Sequence[Any]) -> Instance:
    """From the columns in their order."""
    values = [*row[:12], State(row[12]), *row[13:16], bool(row[16])]
    return Instance(*values)


def _fitting(sizes: Sequence[int]) -> int:
    """How many fit a page of attributes; one does in any case."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if count and total > _ATTRIBUTE_BYTES:
            return count
    return len(sizes)


def _to_study(store: str, row: Sequence[Any]) -> Study:
    values = [*row[:6], bool(row[6]), json.loads(row[7]), tuple(json.loads(row[8]))]
    return Study(store, *values)
