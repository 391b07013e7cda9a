"""The files of the proof: keys that stay, a database that says its version, damage that is named."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from diana.anon.v1 import receipt_service_pb2 as pb
from diana_anon.core.proof.receipts import Receipt, canonical, listed
from diana_anon.servicer.receipts import ReceiptServicer
from diana_anon.stores.quarantine import SqliteQuarantine
from diana_anon.stores.receipts import SqliteLedger
from diana_anon.stores.schema import STEPS
from diana_anon.stores.signing_keys import FileSigner
from diana_common.errors import DianaError, Reason
from diana_common.sqlite_file import Database


def test_a_key_is_made_at_first_start_for_its_owner_only_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "state" / "keys.json"
    first, again = FileSigner(path), FileSigner(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first.public_keys() == again.public_keys()
    (key,) = first.public_keys()
    assert key.key_id == first.key_id == hashlib.sha256(key.public_key).hexdigest()[:16]
    public = Ed25519PublicKey.from_public_bytes(key.public_key)
    public.verify(again.sign(b"statement"), b"statement")
    with pytest.raises(InvalidSignature):
        public.verify(again.sign(b"statement"), b"statements")


def test_an_old_key_stays_listed_after_the_one_in_use(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    old = FileSigner(path).public_keys()[0]
    document = json.loads(path.read_text())
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    document["current"] = hashlib.sha256(public).hexdigest()[:16]
    document["keys"][document["current"]] = base64.b64encode(private.private_bytes_raw()).decode()
    path.write_text(json.dumps(document))
    signer = FileSigner(path)
    assert [one.public_key for one in signer.public_keys()] == [public, old.public_key]
    private.public_key().verify(signer.sign(b"x"), b"x")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"current": "a", "keys": {}}', b'{"current": "a", "keys": {"a": "AAAA"}}']
)
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    with pytest.raises(DianaError) as caught:
        FileSigner(path)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert str(tmp_path) not in caught.value.message


def test_a_key_under_an_id_that_is_not_its_own_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"current": "a", "keys": {"a": base64.b64encode(bytes(32)).decode()}}))
    with pytest.raises(DianaError, match="id that is not its own"):
        FileSigner(path)


def receipt(number: int, actions: bytes = b"[]") -> Receipt:
    said = {
        "sop_instance_uid": f"1.2.{number}",
        "study_uid": "1.2",
        "result_sha256": f"{number:064x}",
        "actions_sha256": hashlib.sha256(actions).hexdigest(),
    }
    return Receipt(canonical(said), bytes(64), "key", actions)


def record(ledger: SqliteLedger, receipts: list[Receipt]) -> None:
    """Keep receipts of what is stored."""
    ledger.send("operation", "deid", receipts)
    ledger.arrived("operation", [one.result for one in receipts])


def test_actions_that_many_share_are_kept_once_and_come_back_whole(tmp_path: Path) -> None:
    database = Database(tmp_path / "proof.sqlite", STEPS)
    ledger = SqliteLedger(database)
    actions = canonical([["(0010,0010)", "identity"]] * 100)
    kept = [receipt(number, actions) for number in range(250)]
    record(ledger, kept)
    assert sorted(ledger.instances("operation"), key=lambda one: one.statement) == sorted(
        kept, key=lambda one: one.statement
    )
    with database.reading() as db:
        assert db.execute("SELECT count(*) FROM actions").fetchone() == (1,)
    database.close()


def test_receipts_of_a_transaction_that_fails_are_not_kept(tmp_path: Path) -> None:
    database = Database(tmp_path / "proof.sqlite", STEPS)
    ledger = SqliteLedger(database)
    broken = Receipt(receipt(2).statement, None, "key", b"[]")  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        record(ledger, [receipt(1), broken])
    assert not list(ledger.instances("operation"))
    record(ledger, [receipt(1)])
    assert len(list(ledger.instances("operation"))) == 1
    database.close()


def test_a_file_of_a_newer_version_is_refused_and_one_of_none_is_brought_up(tmp_path: Path) -> None:
    path = tmp_path / "proof.sqlite"
    Database(path, STEPS).close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
    Database(path, [*STEPS, "CREATE TABLE more (one INTEGER);"]).close()
    with pytest.raises(DianaError) as caught:
        Database(path, STEPS)
    assert caught.value.reason is Reason.STORE_SCHEMA_NEWER


def test_a_damaged_file_is_named_and_a_full_disk_too(tmp_path: Path) -> None:
    path = tmp_path / "proof.sqlite"
    path.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    with pytest.raises(DianaError) as caught:
        Database(path, STEPS)
    assert caught.value.reason is Reason.STORE_DAMAGED
    path.unlink()
    database = Database(path, STEPS)
    with database.reading() as db:
        db.execute("PRAGMA max_page_count = 20")
    with pytest.raises(DianaError) as caught:
        record(SqliteLedger(database), [receipt(number) for number in range(1000)])
    assert caught.value.reason is Reason.DISK_FULL
    database.close()


def test_the_actions_of_very_many_items_are_told_together() -> None:
    few = [("(0040,0275)[0].(0040,0009)", "empty"), ("(0010,0010)", "identity")]
    assert json.loads(listed(few)) == [list(one) for one in few]
    many = [(f"(5200,9230)[{number}].(0020,9111)[0].(0018,9074)", "shift") for number in range(30_000)]
    assert json.loads(listed([*many, *few])) == [
        ["(0010,0010)", "identity"],
        ["(0040,0275)[*].(0040,0009)", "empty"],
        ["(5200,9230)[*].(0020,9111)[*].(0018,9074)", "shift"],
    ]
    different = [(f"(0009,{number:04X})" * 10, "remove") for number in range(20_000)]
    with pytest.raises(DianaError) as caught:
        listed(different)
    assert caught.value.reason is Reason.DATA_SET_LIMIT


def test_a_page_of_receipts_ends_before_two_mebibytes(tmp_path: Path) -> None:
    database = Database(tmp_path / "proof.sqlite", STEPS)
    ledger = SqliteLedger(database)
    record(ledger, [receipt(number, canonical([["(0010,0010)", "x" * 900_000]])) for number in range(5)])
    servicer = ReceiptServicer(ledger, SqliteQuarantine(database), FileSigner(tmp_path / "keys.json"), None)  # type: ignore[arg-type]
    request = pb.ListReceiptsRequest(operation="operation", page_size=200)
    pages: list[pb.ListReceiptsResponse] = []
    while not pages or pages[-1].next_page_token:
        request.page_token = pages[-1].next_page_token if pages else ""
        pages.append(servicer.ListReceipts(request, None))  # type: ignore[arg-type]
    assert [len(page.receipts) for page in pages] == [2, 2, 1]
    assert max(page.ByteSize() for page in pages) < 2 * 1024 * 1024
    database.close()
