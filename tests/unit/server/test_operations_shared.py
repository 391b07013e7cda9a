"""Operations of several processes in one PostgreSQL database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from diana_common.errors import DianaError, Reason
from diana_server.operations import Failure, OperationQueue, State, Work
from diana_server.operations.postgres_engine import PostgresEngine
from diana_server.operations.store import OperationStore
from tests.support.postgres import Postgres

NEVER_ENDS = 60


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def url(server: Postgres) -> str:
    return server.new_database()


@pytest.fixture
def queues(url: str) -> Iterator[list[OperationQueue]]:
    queues = [OperationQueue(url, "test") for _ in range(2)]
    yield queues
    for queue in queues:
        queue.stop()


def lose_connection(queue: OperationQueue) -> None:
    """As when the process, or its network, is gone."""
    engine = queue._store._engine
    assert isinstance(engine, PostgresEngine)
    assert engine._link is not None
    engine._link.close()


def test_every_operation_runs_once_and_all_processes_answer_for_it(queues: list[OperationQueue]) -> None:
    ran: list[str] = []
    for queue in queues:
        queue.register("kind", lambda work: ran.append(work.operation))
        queue.start()
    operations = [queues[number % 2].submit("kind") for number in range(20)]
    for number, operation in enumerate(operations):
        done = queues[(number + 1) % 2].wait(operation.name, 60, lambda: True)
        assert (done.state, done.attempts) == (State.SUCCEEDED, 1)
    assert sorted(ran) == sorted(one.name for one in operations)
    assert [one.name for one in queues[0].page(None, 5, False)] == [one.name for one in reversed(operations[-5:])]


def test_one_process_cancels_what_another_runs(queues: list[OperationQueue]) -> None:
    started = threading.Event()

    def handler(work: Work) -> None:
        started.set()
        while True:
            work.raise_if_cancelled()

    queues[0].register("kind", handler)
    queues[0].start()
    operation = queues[1].submit("kind")
    assert started.wait(60)
    queues[1].cancel(operation.name)
    assert queues[1].wait(operation.name, 60, lambda: True).state is State.CANCELLED


def test_what_a_dead_process_ran_is_taken_up_where_it_was_and_the_dead_one_writes_no_more(
    queues: list[OperationQueue],
) -> None:
    first, second = queues
    begun, taken_up, left = threading.Event(), threading.Event(), threading.Event()

    def dies(work: Work) -> None:
        work.checkpoint(b"half")
        begun.set()
        taken_up.wait(NEVER_ENDS)
        try:
            work.checkpoint(b"written by the dead")
            work.raise_if_cancelled()
        except BaseException:
            left.set()
            raise

    def goes_on(work: Work) -> None:
        assert (work.attempt, work.last_checkpoint) == (2, b"half")
        taken_up.set()
        assert left.wait(NEVER_ENDS)
        assert second.get(work.operation).checkpoint == b"half"
        work.raise_if_cancelled()

    first.register("kind", dies)
    second.register("kind", goes_on)
    first.start()
    operation = first.submit("kind")
    assert begun.wait(60)
    lose_connection(first)
    second.start()
    done = second.wait(operation.name, 60, lambda: True)
    assert (done.state, done.attempts) == (State.SUCCEEDED, 2)


def test_a_connection_that_was_lost_and_found_in_time_keeps_its_operation(queues: list[OperationQueue]) -> None:
    queue = queues[0]

    def handler(work: Work) -> None:
        lose_connection(queue)
        work.checkpoint(b"after")
        assert queue.get(work.operation).checkpoint == b"after"

    queue.register("kind", handler)
    queue.start()
    done = queue.wait(queue.submit("kind").name, 60, lambda: True)
    assert (done.state, done.attempts) == (State.SUCCEEDED, 1)


def test_a_request_is_answered_with_the_same_operation_by_every_process(queues: list[OperationQueue]) -> None:
    first = queues[0].submit("kind", b"payload", request_id="r")
    assert queues[1].submit("kind", b"payload", request_id="r").name == first.name
    assert queues[1].submit_or_join("kind", b"payload").name == first.name
    with pytest.raises(DianaError) as caught:
        queues[1].submit("kind", b"other", request_id="r")
    assert caught.value.reason is Reason.REQUEST_ID_REUSED


def test_a_database_that_is_away_is_told_and_waited_for(server: Postgres, queues: list[OperationQueue]) -> None:
    queue = queues[0]
    queue.register("kind", lambda work: None)
    queue.start()
    server.stop()
    try:
        with pytest.raises(DianaError) as caught:
            queue.submit("kind")
        assert caught.value.reason is Reason.PEER_UNAVAILABLE
    finally:
        server.start()
    assert queue.wait(queue.submit("kind").name, 60, lambda: True).state is State.SUCCEEDED


def test_failed_items_and_forgetting_are_as_in_a_file(url: str) -> None:
    with closing(OperationStore(url)) as store:
        operation = store.add("test", "kind", b"", "", "r", 0.0)
        taken = store.take(["kind"], 1.0)
        assert taken is not None
        for item in ("a", "b"):
            store.add_failure(operation.number, Failure(item, b"status"))
        assert [(number, one.item) for number, one in store.failures(operation.number, 0, 9)] == [(1, "a"), (2, "b")]
        store.end(operation.number, State.SUCCEEDED, 2.0, result=b"result")
        assert store.get(operation.name).result == b"result"
        store.forget(3.0)
        with suppress(DianaError):
            store.get(operation.name)
            raise AssertionError("it is still there")
