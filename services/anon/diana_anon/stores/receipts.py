"""The receipts in SQLite."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from diana_anon.core.ports import ReceiptKey
from diana_anon.core.proof.receipts import Receipt
from diana_anon.stores.database import Database
from diana_common.errors import DianaError, Reason

_PART = 50

_INSERT = """
INSERT OR REPLACE INTO receipt
    (operation, study_uid, sop_instance_uid, result_sha256, statement, signature, key_id, actions)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_WHOLE = "statement, signature, key_id, deflated FROM receipt JOIN actions ON actions.sha256 = receipt.actions"
_BARE = "statement, signature, key_id, NULL FROM receipt"


class SqliteLedger:
    """core.ports.Ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, operation: str, receipts: Sequence[Receipt]) -> None:
        """See Ledger."""
        rows = [_row(operation, one) for one in receipts]
        with self._database.writing() as db:
            for row, one in zip(rows, receipts, strict=True):
                _keep_actions(db, row[-1], one.actions)
                db.execute(_INSERT, row)

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
            yield from (receipt for _, receipt in part)
            after = part[-1][0]

    def _one(self, where: str, value: str | bytes) -> Receipt:
        with self._database.reading() as db:
            row = db.execute(f"SELECT {_WHOLE} WHERE {where} ORDER BY number DESC LIMIT 1", (value,)).fetchone()
        if row is None:
            raise DianaError(Reason.RECEIPT_NOT_FOUND, "There is no receipt of this instance here.")
        return _receipt(row)


def _row(operation: str, receipt: Receipt) -> tuple[Any, ...]:
    said = receipt.said
    result, actions = bytes.fromhex(said["result_sha256"]), bytes.fromhex(said["actions_sha256"])
    signed = (receipt.statement, receipt.signature, receipt.key_id)
    return operation, said["study_uid"], said["sop_instance_uid"], result, *signed, actions


def _keep_actions(db: sqlite3.Connection, sha256: bytes, actions: bytes) -> None:
    """Once for all that did the same, which the instances of a series as a rule did."""
    if db.execute("SELECT 1 FROM actions WHERE sha256 = ?", (sha256,)).fetchone() is None:
        db.execute("INSERT INTO actions VALUES (?, ?)", (sha256, zlib.compress(actions)))


def _receipt(row: Sequence[Any]) -> Receipt:
    statement, signature, key_id, deflated = row
    return Receipt(statement, signature, key_id, b"" if deflated is None else zlib.decompress(deflated))
