"""The ledger keeps what it took, all or none, across processes."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_notify.core.ledger import RequestMark
from diana_notify.core.model import Delivery, Message, Parcel, State
from diana_notify.stores.schema import SCHEMA_VERSION
from diana_notify.stores.sqlite import SqliteLedger
from tests.unit.notify.notify_bench import email

MARK = RequestMark("request", b"digest")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    one = SqliteLedger(path)
    yield one
    one.close()


def message(target: str = "email", channel: str = "") -> Message:
    return Message(email(), target, "subject", "ZZTEXTZZ", channel)


def parcel_of(delivery: Delivery) -> Parcel:
    return Parcel(delivery, "a", "", "")


def test_what_was_added_is_there_for_the_next_process(path: Path) -> None:
    first = SqliteLedger(path)
    added = first.add([message(), message()], 100.0, MARK)
    first.add_followed([message()], 101.0, "here")
    other = SqliteLedger(path)  # the first one was never closed, as after a kill
    assert other.requested(MARK) == added
    assert len(other.page(None, 10, None, "")) == 3
    assert other.position() == "here"
    first.close()
    other.close()


def test_only_the_owner_may_read_it(path: Path, ledger: SqliteLedger) -> None:
    ledger.add([message()], 100.0)
    assert {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()} == {0o600}


def test_a_newer_programs_file_is_refused(path: Path, ledger: SqliteLedger) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(DianaError) as caught:
        SqliteLedger(path)
    assert caught.value.reason is Reason.STORE_SCHEMA_NEWER


def test_a_damaged_file_is_told(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(DianaError) as caught:
        SqliteLedger(path)
    assert caught.value.reason is Reason.STORE_DAMAGED


def test_a_request_is_answered_once_however_many_ask_at_a_time(ledger: SqliteLedger) -> None:
    answers: list[tuple[str, ...]] = []

    def ask() -> None:
        answers.append(tuple(one.name for one in ledger.add([message(), message()], 100.0, MARK)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1
    assert len(ledger.page(None, 100, None, "")) == 2


def test_a_request_id_that_stands_for_another_request_is_refused(ledger: SqliteLedger) -> None:
    ledger.add([], 100.0, MARK)
    assert ledger.requested(MARK) == []
    for ask in (ledger.requested, lambda mark: ledger.add([message()], 1.0, mark)):
        with pytest.raises(DianaError) as caught:
            ask(RequestMark("request", b"another"))
        assert caught.value.reason is Reason.REQUEST_ID_REUSED
    assert not ledger.page(None, 10, None, "")


def test_a_failure_in_the_middle_leaves_nothing_behind(ledger: SqliteLedger) -> None:
    broken = Message(email(), "email", "subject", object())  # type: ignore[arg-type]
    for add in (
        lambda: ledger.add([message(), broken], 100.0, MARK),
        lambda: ledger.add_followed([message(), broken], 100.0, "there"),
    ):
        with pytest.raises(sqlite3.Error):
            add()
    assert not ledger.page(None, 10, None, "")
    assert ledger.requested(MARK) is None
    assert ledger.position() is None


def test_each_target_waits_by_itself_and_what_is_under_way_does_not(ledger: SqliteLedger) -> None:
    first, second = ledger.add([message("a"), message("a")], 100.0)
    ledger.add([message("b")], 105.0)
    assert ledger.waiting([]) == [("a", 100.0), ("b", 105.0)]
    ledger.failed(parcel_of(first), "refused", 200.0)
    assert ledger.waiting([second.number]) == [("a", 200.0), ("b", 105.0)]
    parcel = ledger.next_for("a", 150.0, [])
    assert parcel is not None and parcel.delivery.number == second.number
    assert ledger.next_for("a", 150.0, [second.number]) is None
    ledger.succeeded(parcel_of(second), 150.0)
    ledger.dead(parcel_of(first), "refused", 200.0)
    assert ledger.waiting([]) == [("b", 105.0)]


def test_what_ended_stays_ended_and_its_text_goes_once_it_is_sent(path: Path, ledger: SqliteLedger) -> None:
    one, other = ledger.add([message(), message()], 100.0)
    ledger.dead(parcel_of(one), "HTTP 404", 101.0)
    ledger.failed(parcel_of(one), "late", 102.0)
    ledger.succeeded(parcel_of(other), 103.0)
    found = {each.number: each for each in ledger.page(None, 10, None, "")}
    dead, sent = found[one.number], found[other.number]
    assert (dead.state, dead.last_error, dead.attempt_count, dead.next_attempt_time) == (
        State.DEAD,
        "HTTP 404",
        1,
        None,
    )
    assert (sent.state, sent.end_time, sent.attempt_count) == (State.SENT, 103.0, 1)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT state, body FROM delivery ORDER BY state").fetchall() == [(2, ""), (3, "ZZTEXTZZ")]


def test_a_page_holds_what_is_older_of_a_state_and_a_channel(ledger: SqliteLedger) -> None:
    added = ledger.add([message(channel="a"), message(channel="b"), message(channel="a")], 100.0)
    ledger.succeeded(parcel_of(added[0]), 101.0)
    assert [one.number for one in ledger.page(None, 2, None, "")] == [3, 2]
    assert [one.number for one in ledger.page(2, 2, None, "")] == [1]
    assert [one.number for one in ledger.page(None, 9, State.QUEUED, "a")] == [3]
    assert [one.number for one in ledger.page(None, 9, State.SENT, "")] == [1]


def test_what_ended_long_ago_is_forgotten_with_its_request(ledger: SqliteLedger) -> None:
    old, _ = ledger.add([message(), message()], 100.0, MARK)
    ledger.succeeded(parcel_of(old), 200.0)
    ledger.forget(300.0)
    assert [one.number for one in ledger.page(None, 9, None, "")] == [2]
    assert ledger.requested(MARK) is not None
    ledger.dead(parcel_of(ledger.page(None, 1, None, "")[0]), "x", 250.0)
    ledger.forget(300.0)
    assert ledger.requested(MARK) is None
    with pytest.raises(DianaError) as caught:
        ledger.get(old.name)
    assert caught.value.reason is Reason.DELIVERY_NOT_FOUND


def test_a_full_disk_is_told_and_nothing_is_half_there(ledger: SqliteLedger) -> None:
    ledger._db.execute("PRAGMA max_page_count = 40")
    big = Message(email(), "email", "subject", "x" * 100_000)
    with pytest.raises(DianaError) as caught:
        ledger.add([message(), big, big], 100.0, MARK)
    assert caught.value.reason is Reason.DISK_FULL
    assert ledger.requested(MARK) is None
    assert len(ledger.add([message()], 100.0, MARK)) == 1
