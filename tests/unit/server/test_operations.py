"""Operations are durable: recorded before they are answered, resumed after a crash, cancelled at safe points."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from google.protobuf import any_pb2
from google.rpc import status_pb2

from diana.operation.v1 import operation_service_pb2 as pb
from diana_common.errors import DianaError, Reason, invalid_field
from diana_server.operations import Handler, Operation, OperationQueue, State, Work
from diana_server.operations.store import OperationStore
from diana_server.times import timestamp


@contextmanager
def running(path: Path, **handlers: Handler) -> Iterator[OperationQueue]:
    queue = OperationQueue(path / "operations.sqlite", "test")
    for kind, handler in handlers.items():
        queue.register(kind, handler)
    queue.start()
    try:
        yield queue
    finally:
        queue.stop()


def ended(queue: OperationQueue, operation: Operation) -> Operation:
    found = queue.wait(operation.name, 30, lambda: True)
    assert found.state.ended
    return found


def test_an_operation_that_has_ended_has_forgotten_what_it_was_asked(tmp_path: Path) -> None:
    path = tmp_path / "operations.sqlite"

    def handler(work: Work) -> None:
        work.checkpoint(b"1.2.3.4711")

    with running(tmp_path, kind=handler) as queue:
        done = ended(queue, queue.submit("kind", b"1.2.3.4711", request_id="r"))
        cancelled = queue.cancel(queue.submit("no such kind", b"1.2.3.4711").name)
        assert (done.payload, done.checkpoint, cancelled.payload) == (b"", b"", b"")
        assert not [file for file in tmp_path.iterdir() if b"1.2.3.4711" in file.read_bytes()]
        assert queue.submit("kind", b"1.2.3.4711", request_id="r").name == done.name
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE operation SET payload = x'31'")  # as before
        db.execute("PRAGMA user_version = 2")
        db.commit()
    with closing(OperationStore(path)) as store:
        assert store.get(done.name).payload == b""


def test_an_operation_ends_with_its_result_and_counts(tmp_path: Path) -> None:
    def handler(work: Work) -> pb.Progress:
        work.progress(2, 3, "files")
        work.fail_item("1.2.3", invalid_field("a", "b"))
        work.progress(3, 3, "files")
        return pb.Progress(done=int(work.payload))

    with running(tmp_path, kind=handler) as queue:
        done = ended(queue, queue.submit("kind", b"41", store="trial"))
        failures = queue.failures(done.name, 0, 10)
    assert (done.state, done.store, done.attempts) == (State.SUCCEEDED, "trial", 1)
    assert (done.progress.done, done.progress.total, done.progress.failed) == (3, 3, 1)
    assert failures[0][1].item == "1.2.3"
    assert status_pb2.Status.FromString(failures[0][1].status).code == 3
    result = pb.Progress()
    assert any_pb2.Any.FromString(done.result).Unpack(result)
    assert result.done == 41


def test_a_typed_error_fails_it_with_its_reason_and_an_unknown_one_with_an_id(tmp_path: Path) -> None:
    def typed(work: Work) -> None:
        raise DianaError(Reason.PEER_UNAVAILABLE, "no archive")

    def unknown(work: Work) -> None:
        raise RuntimeError("DOE^JANE")

    with running(tmp_path, typed=typed, unknown=unknown) as queue:
        first = ended(queue, queue.submit("typed"))
        second = ended(queue, queue.submit("unknown"))
    assert first.state is State.FAILED
    assert status_pb2.Status.FromString(first.error).message == "no archive"
    assert second.state is State.FAILED
    assert b"DOE" not in second.error
    assert "error_id" in str(status_pb2.Status.FromString(second.error))


def test_a_request_id_returns_the_same_operation_and_refuses_another_request(tmp_path: Path) -> None:
    with running(tmp_path) as queue:
        first = queue.submit("kind", b"a", request_id="r")
        assert queue.submit("kind", b"a", request_id="r").name == first.name
        with pytest.raises(DianaError) as caught:
            queue.submit("kind", b"b", request_id="r")
    assert caught.value.reason is Reason.REQUEST_ID_REUSED


def test_joining_an_active_operation_binds_the_request_id_to_it(tmp_path: Path) -> None:
    go = threading.Event()

    def until_set(work: Work) -> None:
        go.wait(60)

    with running(tmp_path, kind=until_set) as queue:
        first = queue.submit_or_join("kind", request_id="a")
        assert queue.submit_or_join("kind", request_id="b").name == first.name
        assert queue.submit_or_join("kind").name == first.name
        assert queue.submit_or_join("kind", store="other").name != first.name
        assert queue.submit_or_join("another kind").name != first.name
        go.set()
        ended(queue, first)
        assert queue.submit_or_join("kind", request_id="b").name == first.name
        assert queue.submit("kind", request_id="a").name == first.name
        assert queue.submit_or_join("kind", request_id="c").name != first.name
        with pytest.raises(DianaError) as caught:
            queue.submit_or_join("another kind", request_id="b")
    assert caught.value.reason is Reason.REQUEST_ID_REUSED


def test_many_who_ask_at_once_get_one_operation(tmp_path: Path) -> None:
    with running(tmp_path) as queue, ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda number: queue.submit_or_join("kind", request_id=str(number)).name, range(64))
        assert len(set(found)) == 1


def test_cancelling_stops_a_running_one_at_its_safe_point_and_a_waiting_one_at_once(tmp_path: Path) -> None:
    started, go = threading.Event(), threading.Event()

    def handler(work: Work) -> None:
        started.set()
        go.wait(30)
        work.raise_if_cancelled()

    with running(tmp_path, kind=handler) as queue:
        first, second = queue.submit("kind"), queue.submit("kind")
        started.wait(30)
        assert queue.cancel(second.name).state is State.CANCELLED
        assert queue.cancel(first.name).state is State.RUNNING
        go.set()
        assert ended(queue, first).state is State.CANCELLED
        assert queue.cancel(first.name).state is State.CANCELLED
        third = ended(queue, queue.submit("kind"))
        assert third.state is State.SUCCEEDED
        with pytest.raises(DianaError) as caught:
            queue.cancel(third.name)
    assert caught.value.reason is Reason.OPERATION_FINISHED


def test_a_graceful_stop_puts_it_back_and_the_next_start_resumes_from_its_checkpoint(tmp_path: Path) -> None:
    started = threading.Event()
    seen: list[bytes] = []

    def first(work: Work) -> None:
        work.checkpoint(b"half")
        started.set()
        while True:
            work.raise_if_cancelled()

    def second(work: Work) -> None:
        seen.append(work.last_checkpoint)

    with running(tmp_path, kind=first) as queue:
        operation = queue.submit("kind")
        started.wait(30)
    with running(tmp_path, kind=second) as queue:
        assert ended(queue, operation).attempts == 2
    assert seen == [b"half"]


def test_what_ran_in_a_crash_is_begun_again_and_given_up_after_five_crashes(tmp_path: Path) -> None:
    def crash() -> OperationStore:
        with closing(OperationStore(tmp_path / "operations.sqlite")) as store:
            assert store.take(["kind"], 0.0) is not None
        after = OperationStore(tmp_path / "operations.sqlite")
        after.recover(5, 0.0, b"given up")
        return after

    with closing(OperationStore(tmp_path / "operations.sqlite")) as store:
        operation = store.add("test", "kind", b"", "", "", 0.0)
    for number in range(1, 5):
        with closing(crash()) as store:
            assert store.get(operation.name).state is State.QUEUED, number
    store = crash()
    assert store.get(operation.name).state is State.FAILED
    assert store.get(operation.name).error == b"given up"
    store.close()


def test_operations_are_listed_newest_first_and_old_ones_forgotten(tmp_path: Path) -> None:
    with running(tmp_path, kind=lambda work: None) as queue:
        names = [queue.submit("kind").name for _ in range(3)]
        for name in names:
            queue.wait(name, 30, lambda: True)
        waiting = queue.submit("nobody does this")
        listed = queue.page(None, 2, False)
        assert [one.name for one in listed] == [waiting.name, names[2]]
        assert [one.name for one in queue.page(listed[-1].number, 9, False)] == [names[1], names[0]]
        assert [one.name for one in queue.page(None, 9, True)] == [waiting.name]
    store = OperationStore(tmp_path / "operations.sqlite")
    store.forget(1e12)
    assert [one.name for one in store.page(None, 9, False)] == [waiting.name]
    store.close()


def test_a_request_id_is_forgotten_with_its_operation(tmp_path: Path) -> None:
    store = OperationStore(tmp_path / "operations.sqlite")
    first = store.add("test", "kind", b"", "", "r", 0.0)
    store.take(["kind"], 0.5)
    store.end(first.number, State.SUCCEEDED, 1.0)
    store.forget(2.0)
    assert store.add("test", "kind", b"other", "", "r", 3.0).name != first.name
    store.close()


def test_waits_end_when_the_server_stops(tmp_path: Path) -> None:
    with running(tmp_path) as queue, ThreadPoolExecutor(1) as pool:
        asked = threading.Event()
        operation = queue.submit("nobody does this")

        def alive() -> bool:
            asked.set()
            return True

        waiting = pool.submit(queue.wait, operation.name, 600, alive)
        asked.wait(30)
        queue.interrupt()
        with pytest.raises(DianaError) as caught:
            waiting.result(30)
        assert queue.wait(operation.name, 0, lambda: True).state is State.QUEUED
    assert caught.value.reason is Reason.STOPPING


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "operations.sqlite"
    mask = os.umask(0)
    try:
        store = OperationStore(path)
    finally:
        os.umask(mask)
    store.add("test", "kind", b"", "", "", 0.0)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "a").rglob("*")}
    assert modes["b"] == stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert {mode for name, mode in modes.items() if name != "b"} == {0o600}
    store.close()


@pytest.mark.parametrize("seconds", [0.0, 1.9999999, 1_700_000_000.9999999, 1_700_000_000.123456])
def test_times_are_whole_microseconds(seconds: float) -> None:
    sent = timestamp(seconds)
    assert 0 <= sent.nanos < 1_000_000_000
    assert sent.ToMicroseconds() == round(seconds * 1e6)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "operations.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(DianaError) as caught:
        OperationStore(path)
    assert caught.value.reason is Reason.STORE_SCHEMA_NEWER
