"""The receipts in SQLite."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from diana_anon.core.ports import ReceiptKey
from diana_anon.core.proof.receipts import Receipt, Result, Shipment
from diana_common.errors import DianaError, Reason
from diana_common.sqlite_file import Database

_PART = 50

_INSERT = """
INSERT INTO receipt
    (operation, study_uid, sop_instance_uid, result_sha256, statement, signature, key_id, bound_for, actions)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (operation, sop_instance_uid, result_sha256) DO NOTHING
"""
_WHOLE = (
    "statement, signature, key_id, bound_for <> '', deflated"
    " FROM receipt JOIN actions ON actions.sha256 = receipt.actions"
)
_BARE = "statement, signature, key_id, bound_for <> '', NULL FROM receipt"
_OF_ONE = "operation = ? AND sop_instance_uid = ? AND result_sha256 = ? AND bound_for <> ''"


class SqliteLedger:
    """core.ports.Ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def send(self, operation: str, store: str, receipts: Sequence[Receipt]) -> None:
        """See Ledger."""
        rows = [_row(operation, store, one) for one in receipts]
        with self._database.writing() as db:
            for row, one in zip(rows, receipts, strict=True):
                _keep_actions(db, row[-1], one.actions)
                db.execute(_INSERT, row)

    def arrived(self, operation: str, results: Sequence[Result]) -> None:
        """See Ledger."""
        with self._database.writing() as db:
            db.executemany(f"UPDATE receipt SET bound_for = '' WHERE {_OF_ONE}", _keys(operation, results))

    def refused(self, operation: str, results: Sequence[Result]) -> None:
        """See Ledger."""
        with self._database.writing() as db:
            db.executemany(f"DELETE FROM receipt WHERE {_OF_ONE}", _keys(operation, results))

    def on_the_way(self) -> list[Shipment]:
        """See Ledger."""
        sql = (
            "SELECT operation, bound_for, study_uid, sop_instance_uid, result_sha256 FROM receipt"
            " WHERE bound_for <> '' ORDER BY bound_for, operation, study_uid"
        )
        with self._database.reading() as db:
            rows = db.execute(sql).fetchall()
        return [
            Shipment(operation, store, study_uid, [Result(uid, sha256.hex()) for *_, uid, sha256 in some])
            for (operation, store, study_uid), some in groupby(rows, lambda row: row[:3])
        ]

    def counts(self, operation: str) -> Mapping[str, int]:
        """See Ledger."""
        sql = "SELECT study_uid, count(*) FROM receipt WHERE operation = ? AND bound_for = '' GROUP BY study_uid"
        with self._database.reading() as db:
            return dict(db.execute(sql, (operation,)).fetchall())

    def newest(self, sop_instance_uid: str) -> Receipt:
        """See Ledger."""
        return self._one("sop_instance_uid = ?", sop_instance_uid)

    def of_result(self, result_sha256: str) -> Receipt:
        """See Ledger."""
        return self._one("result_sha256 = ?", bytes.fromhex(result_sha256))

    def receipts(
        self, study_uid: str, operation: str, after: ReceiptKey, size: int, actions: bool = True
    ) -> list[tuple[ReceiptKey, Receipt]]:
        """See Ledger."""
        column = "study_uid" if study_uid else "operation"
        sql = (
            f"SELECT sop_instance_uid, number, {_WHOLE if actions else _BARE} WHERE {column} = ?"
            " AND (sop_instance_uid, number) > (?, ?) ORDER BY sop_instance_uid, number LIMIT ?"
        )
        with self._database.reading() as db:
            rows = db.execute(sql, (study_uid or operation, after.sop_instance_uid, after.number, size)).fetchall()
        return [(ReceiptKey(uid, number), _receipt(rest)) for uid, number, *rest in rows]

    def instances(self, operation: str) -> Iterator[Receipt]:
        """See Ledger."""
        after = ReceiptKey()
        while part := self.receipts("", operation, after, _PART):
            yield from (receipt for _, receipt in part if not receipt.pending)
            after = part[-1][0]

    def _one(self, where: str, value: str | bytes) -> Receipt:
        with self._database.reading() as db:
            row = db.execute(f"SELECT {_WHOLE} WHERE {where} ORDER BY number DESC LIMIT 1", (value,)).fetchone()
        if row is None:
            raise DianaError(Reason.RECEIPT_NOT_FOUND, "There is no receipt of this instance here.")
        return _receipt(row)


def _row(operation: str, store: str, receipt: Receipt) -> tuple[Any, ...]:
    said = receipt.said
    result, actions = bytes.fromhex(said["result_sha256"]), bytes.fromhex(said["actions_sha256"])
    signed = (receipt.statement, receipt.signature, receipt.key_id)
    return operation, said["study_uid"], said["sop_instance_uid"], result, *signed, store, actions


def _keys(operation: str, results: Sequence[Result]) -> list[tuple[str, str, bytes]]:
    return [(operation, one.sop_instance_uid, bytes.fromhex(one.sha256)) for one in results]


def _keep_actions(db: sqlite3.Connection, sha256: bytes, actions: bytes) -> None:
    """Once for all that did the same, which the instances of a series as a rule did."""
    if db.execute("SELECT 1 FROM actions WHERE sha256 = ?", (sha256,)).fetchone() is None:
        db.execute("INSERT INTO actions VALUES (?, ?)", (sha256, zlib.compress(actions)))


def _receipt(row: Sequence[Any]) -> Receipt:
    statement, signature, key_id, pending, deflated = row
    actions = b"" if deflated is None else zlib.decompress(deflated)
    return Receipt(statement, signature, key_id, actions, bool(pending))
