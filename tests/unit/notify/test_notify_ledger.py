"""The ledger keeps what it took, all or none, across processes."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_notify.core.ledger import RequestMark
from diana_notify.core.model import Delivery, Message, Parcel, State
from diana_notify.core.watching import Changes
from diana_notify.stores.schema import STEPS
from diana_notify.stores.sqlite import SqliteLedger
from tests.support.awaiting import awaited
from tests.unit.notify.notify_bench import email

MARK = RequestMark("request", b"digest")
FIRST_VERSION = """
CREATE TABLE delivery (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, state INTEGER NOT NULL DEFAULT 1,
    transport INTEGER NOT NULL, address TEXT NOT NULL, channel TEXT NOT NULL, rule TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, last_error TEXT NOT NULL DEFAULT '', create_time REAL NOT NULL,
    due_time REAL, end_time REAL, target TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, request_id TEXT
);
CREATE INDEX waiting ON delivery (target, due_time, number) WHERE state = 1;
CREATE INDEX ended ON delivery (end_time) WHERE state > 1;
CREATE INDEX by_state ON delivery (state, number);
CREATE INDEX by_channel ON delivery (channel, number);
CREATE INDEX by_request ON delivery (request_id) WHERE request_id IS NOT NULL;
CREATE TABLE request (request_id TEXT PRIMARY KEY, digest BLOB NOT NULL, create_time REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE feed (one INTEGER PRIMARY KEY CHECK (one = 1), position TEXT NOT NULL);
INSERT INTO feed VALUES (1, 'here');
INSERT INTO delivery VALUES (1, 'deliveries/old', 1, 1, 'ada@hospital.example', '', '', 2, 'x', 5.0, 7.0, NULL, 'email',
    's', 'ZZTEXTZZ', NULL);
PRAGMA user_version = 1;
"""


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
        db.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    with pytest.raises(DianaError) as caught:
        SqliteLedger(path)
    assert caught.value.reason is Reason.STORE_SCHEMA_NEWER


def test_a_file_of_the_first_version_is_taken_over_with_all_that_waits(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.executescript(FIRST_VERSION)
    ledger = SqliteLedger(path)
    old = ledger.get("deliveries/old")
    assert (old.state, old.digest, old.attempt_count) == (State.QUEUED, "", 2)
    assert ledger.waiting([]) == [("email", 7.0)]
    parcel = ledger.next_for("email", 100.0, [])
    assert parcel is not None and (parcel.subject, parcel.body) == ("s", "ZZTEXTZZ")
    ledger.succeeded(parcel, 101.0)
    assert [number for number, _ in ledger.changed_after((0, 0), "", 9)] == [1]
    ledger.close()
    again = SqliteLedger(path)
    assert again.get("deliveries/old").state is State.SENT
    assert again.position() == "here"
    again.close()


class CountedChanges(Changes):
    """Counts commits."""

    commits = 0

    def publish(self, newest: int) -> None:
        self.commits += 1
        super().publish(newest)


def together(ledger: SqliteLedger, calls: list[Callable[[], object]]) -> None:
    """Have threads ask for changes that all wait for the same turn."""
    threads = [threading.Thread(target=call) for call in calls]
    with ledger._db._writing:
        for thread in threads:
            thread.start()
        assert awaited(lambda: len(ledger._db._jobs) == len(calls))
    for thread in threads:
        thread.join()


def test_what_is_written_at_a_time_is_one_commit(path: Path) -> None:
    changes = CountedChanges()
    ledger = SqliteLedger(path, changes)
    before = changes.commits
    together(ledger, [lambda: ledger.add([message()], 100.0)] * 8)
    assert changes.commits == before + 1
    assert len(ledger.page(None, 100, None, "")) == 8
    ledger.close()


def test_what_fails_among_others_fails_alone(ledger: SqliteLedger) -> None:
    answers: list[str] = []

    def ask(mark: RequestMark | None) -> None:
        try:
            answers.append(str(len(ledger.add([message()], 100.0, mark))))
        except DianaError as error:
            answers.append(error.reason.name)

    together(
        ledger, [partial(ask, RequestMark("shared", bytes([number])) if number < 4 else None) for number in range(8)]
    )
    assert sorted(answers) == ["1"] * 5 + ["REQUEST_ID_REUSED"] * 3
    assert len(ledger.page(None, 100, None, "")) == 5


def test_replayed_is_what_ended_in_vain_and_cancelled_what_has_not_ended(ledger: SqliteLedger) -> None:
    one, other = ledger.add([message(), message()], 100.0)
    assert ledger.replay(one.name, 101.0) == one
    assert ledger.cancel(one.name, 102.0).end_time == 102.0
    assert ledger.cancel(one.name, 103.0).end_time == 102.0
    ledger.dead(parcel_of(other), "HTTP 404", 104.0)
    for name in (one.name, other.name):
        again = ledger.replay(name, 200.0)
        assert (again.state, again.attempt_count, again.last_error, again.create_time) == (State.QUEUED, 0, "", 200.0)
    parcel = ledger.next_for("email", 200.0, [])
    assert parcel is not None and parcel.body == "ZZTEXTZZ"
    ledger.succeeded(parcel, 201.0)
    for call in (ledger.replay, ledger.cancel):
        with pytest.raises(DianaError) as caught:
            call(parcel.delivery.name, 202.0)
        assert caught.value.reason is Reason.DELIVERY_ENDED
        with pytest.raises(DianaError) as caught:
            call("deliveries/none", 202.0)
        assert caught.value.reason is Reason.DELIVERY_NOT_FOUND


def test_an_attempt_under_way_when_it_is_cancelled_may_still_succeed(ledger: SqliteLedger) -> None:
    one, other = ledger.add([message(), message()], 100.0)
    for each in (one, other):
        ledger.cancel(each.name, 101.0)
    ledger.succeeded(parcel_of(one), 102.0)
    ledger.failed(parcel_of(other), "refused", 300.0)
    assert [one.state for one in ledger.page(None, 9, None, "")] == [State.CANCELLED, State.SENT]


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
    with ledger._db.writer.reading() as db:
        db.execute("PRAGMA max_page_count = 40")
    big = Message(email(), "email", "subject", "x" * 100_000)
    with pytest.raises(DianaError) as caught:
        ledger.add([message(), big, big], 100.0, MARK)
    assert caught.value.reason is Reason.DISK_FULL
    assert ledger.requested(MARK) is None
    assert len(ledger.add([message()], 100.0, MARK)) == 1


def test_nothing_waits_for_a_time_that_a_clock_which_was_ahead_has_set(ledger: SqliteLedger) -> None:
    digest = Message(email(), "digests", "subject", "text", digest_seconds=600.0)
    ledger.add([message(), digest], 1_000_000.0)
    ledger.hasten(500.0)
    assert sorted(ledger.waiting([])) == [("digests", 1100.0), ("email", 500.0)]
    ledger.hasten(700.0)
    assert sorted(ledger.waiting([])) == [("digests", 1100.0), ("email", 500.0)]
