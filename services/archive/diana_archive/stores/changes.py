"""One transaction on the catalogue."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from diana_archive.core.model import CompletionReason, Evidence, Instance, Newcomer, Origin, State
from diana_archive.stores.entries import Kind, encode_origin
from diana_archive.stores.evidence import EvidenceChanges, encode_evidence
from diana_archive.stores.snapshot import SqlSnapshot
from diana_archive.stores.sql import IDS, Connection, listed

_NAMES_AN_ENTRY = 1000


class SqlChanges(SqlSnapshot, EvidenceChanges):
    """core.ports.Changes over the writing connection."""

    def __init__(self, connection: Connection, stores: Mapping[str, int], now_us: int) -> None:
        super().__init__(connection, stores)
        # A clock that is set back must not make an entry older than the one before it.
        last = self._db.execute("SELECT commit_us, sequence FROM feed ORDER BY sequence DESC LIMIT 1").fetchone()
        self.now_us = max(now_us, last[0]) if last else now_us
        self._head: int = last[1] if last else 0
        self._series: dict[tuple[str, str, str], int] = {}

    def head(self) -> int:
        return self._head

    @contextmanager
    def part(self) -> Iterator[None]:
        head = self._head
        self._db.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._head = head
            self._series.clear()
            # A full disk makes SQLite end the whole transaction by itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK TO part")
            raise
        finally:
            if self._db.in_transaction:
                self._db.execute("RELEASE part")

    def add(self, newcomer: Newcomer, object_id: int, replaced_version: str) -> Instance:
        one = newcomer
        series_id = self._place(one.store, one.study_uid, one.series_uid)
        version = os.urandom(8).hex()
        self._db.execute(
            """INSERT INTO instance(id, store_id, series_id, sop_uid, sop_class_uid, transfer_syntax_uid, size_bytes,
                 data_set_offset, data_set_sha256, prefix_sha256, version, store_us, sequence, header_bytes)
               VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (object_id, self._stores[one.store], series_id, one.sop_instance_uid, one.sop_class_uid,
             one.transfer_syntax_uid, one.size_bytes, one.data_set_offset, one.data_set_sha256, one.prefix_sha256,
             version, self.now_us, self._head + 1, one.header_bytes),
        )  # fmt: skip
        self._db.execute("INSERT INTO header VALUES(?, ?)", (object_id, one.header))
        self._append(one.store, Kind.STORED, one.origin, replaced_version or None, object_id)
        return Instance(
            object_id, one.store, one.study_uid, one.series_uid, one.sop_instance_uid, one.sop_class_uid,
            one.transfer_syntax_uid, one.size_bytes, one.data_set_offset, one.data_set_sha256, one.prefix_sha256,
            version, State.CURRENT, self.now_us, None, self._head,
        )  # fmt: skip

    def set_state(self, object_ids: Sequence[int], state: State) -> None:
        when = self.now_us if state == State.DELETED else None
        self._db.execute(
            f"UPDATE instance SET state = ?, delete_us = ? WHERE id IN {IDS}", (int(state), when, listed(object_ids))
        )

    def settle(self, object_ids: Sequence[int]) -> None:
        self._db.execute(
            f"""UPDATE instance AS i SET state = CASE WHEN i.sequence = (
                  SELECT max(v.sequence) FROM instance v
                  WHERE v.store_id = i.store_id AND v.sop_uid = i.sop_uid AND v.state IN (0, 1)) THEN 0 ELSE 1 END
                WHERE i.id IN {IDS}""",
            (listed(self.versions(object_ids, (State.CURRENT, State.OLDER))),),
        )

    def refresh_studies(self, object_ids: Sequence[int]) -> None:
        self._db.execute(
            f"""UPDATE study SET (first_us, last_us) = (
                 SELECT coalesce(min(i.store_us), study.first_us), coalesce(max(i.store_us), study.last_us)
                 FROM series s JOIN instance i ON i.series_id = s.id WHERE s.study_id = study.id AND i.state = 0)
               WHERE id IN (SELECT s.study_id FROM instance i JOIN series s ON s.id = i.series_id
                            WHERE i.id IN {IDS})""",
            (listed(object_ids),),
        )

    def tell_moved(self, store: str, object_ids: Sequence[int], deleted: bool, origin: Origin) -> None:
        rows = self._db.execute(
            f"""SELECT t.study_uid, i.id FROM instance i JOIN series s ON s.id = i.series_id
               JOIN study t ON t.id = s.study_id WHERE i.id IN {IDS}
               ORDER BY t.study_uid, s.series_uid, i.sop_uid, i.sequence""",
            (listed(object_ids),),
        ).fetchall()
        for study_uid, group in itertools.groupby(rows, key=lambda row: row[0]):
            ids = [row[1] for row in group]
            for start in range(0, len(ids), _NAMES_AN_ENTRY):
                detail = json.dumps([study_uid, ids[start : start + _NAMES_AN_ENTRY]])
                self._append(store, Kind.DELETED if deleted else Kind.RESTORED, origin, detail)

    def set_attributes(self, store: str, study_uid: str, plain: dict[str, str], sealed_keys: Sequence[str]) -> None:
        self._db.execute(
            "UPDATE study SET attributes = ?, sealed_keys = ? WHERE store_id = ? AND study_uid = ?",
            (json.dumps(plain), json.dumps(list(sealed_keys)), self._stores[store], study_uid),
        )

    def tell_attributes(self, store: str, study_uid: str, origin: Origin) -> None:
        row = self._one(
            "SELECT attributes, sealed_keys FROM study WHERE store_id = ? AND study_uid = ?",
            (self._stores[store], study_uid),
        )
        detail = json.dumps([study_uid, json.loads(row[0]), json.loads(row[1])])
        self._append(store, Kind.ATTRIBUTES, origin, detail)

    def complete(
        self, store: str, study_uid: str, reason: CompletionReason, origin: Origin, evidence: Sequence[Evidence]
    ) -> None:
        study_id, count, attributes = self._one(
            "SELECT id, instance_count, attributes FROM study WHERE store_id = ? AND study_uid = ?",
            (self._stores[store], study_uid),
        )
        self._db.execute("UPDATE study SET complete = 1 WHERE id = ?", (study_id,))
        detail = json.dumps([study_uid, int(reason), count, json.loads(attributes), encode_evidence(evidence)])
        self._append(store, Kind.COMPLETED, origin, detail)

    def assume_complete(self) -> None:
        self._db.execute("UPDATE study SET complete = 1")

    def mark_damaged(self, object_ids: Sequence[int]) -> None:
        self._db.execute(f"UPDATE instance SET damaged = 1 WHERE id IN {IDS}", (listed(object_ids),))

    def purge(self, object_ids: Sequence[int]) -> None:
        chosen = listed(object_ids)
        self._db.execute(f"UPDATE instance SET state = 3 WHERE id IN {IDS}", (chosen,))
        self._db.execute(f"DELETE FROM header WHERE instance_id IN {IDS}", (chosen,))
        self._db.execute(f"INSERT INTO unlinkable {IDS[1:-1]}", (chosen,))

    def unlinked(self, object_ids: Sequence[int]) -> None:
        self._db.execute(f"DELETE FROM unlinkable WHERE instance_id IN {IDS}", (listed(object_ids),))

    def _place(self, store: str, study_uid: str, series_uid: str) -> int:
        """The row id of a series, made with its study if need be."""
        key = (store, study_uid, series_uid)
        if key not in self._series:
            self._series[key] = self._find_series(*key) or self._make_series(*key)
        return self._series[key]

    def _find_series(self, store: str, study_uid: str, series_uid: str) -> int | None:
        row = self._db.execute(
            """SELECT s.id FROM study t JOIN series s ON s.study_id = t.id
               WHERE t.store_id = ? AND t.study_uid = ? AND s.series_uid = ?""",
            (self._stores[store], study_uid, series_uid),
        ).fetchone()
        return row[0] if row else None

    def _make_series(self, store: str, study_uid: str, series_uid: str) -> int:
        self._db.execute(
            """INSERT INTO study(store_id, study_uid, first_us, last_us, arrival_us)
               VALUES(?1, ?2, ?3, ?3, ?3) ON CONFLICT DO NOTHING""",
            (self._stores[store], study_uid, self.now_us),
        )
        made = self._one(
            """INSERT INTO series(study_id, series_uid)
               VALUES((SELECT id FROM study WHERE store_id = ? AND study_uid = ?), ?) RETURNING id""",
            (self._stores[store], study_uid, series_uid),
        )
        return int(made[0])

    def _append(
        self, store: str, kind: Kind, origin: Origin, detail: str | None, instance_id: int | None = None
    ) -> None:
        self._head += 1
        values: tuple[Any, ...] = (
            self._head, self._stores[store], self.now_us, int(kind), instance_id, detail, encode_origin(origin),
        )  # fmt: skip
        self._db.execute("INSERT INTO feed VALUES(?, ?, ?, ?, ?, ?, ?)", values)
