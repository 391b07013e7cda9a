"""A store that fails for a while costs time, not operations: the only worker outlives it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from diana_server.operations import OperationQueue, State, Work
from diana_server.operations.engines import SqliteEngine
from diana_server.operations.store import OperationStore


def full(monkeypatch: pytest.MonkeyPatch, method: str, times: int) -> None:
    """Have a method of every store fail so many times, as on a full disk."""
    works: Callable[..., Any] = getattr(OperationStore, method)
    left = iter(range(times))

    def fail(store: OperationStore, *arguments: Any, **named: Any) -> Any:
        if next(left, None) is not None:
            raise sqlite3.OperationalError("database or disk is full")
        return works(store, *arguments, **named)

    monkeypatch.setattr(OperationStore, method, fail)


@pytest.mark.parametrize("method", ["take", "save_progress", "end"])
def test_the_worker_outlives_a_store_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    full(monkeypatch, method, 2)
    queue = OperationQueue(tmp_path / "operations.sqlite", "test")
    queue.register("kind", lambda work: None)
    first, second = queue.submit("kind"), queue.submit("kind")
    queue.start()
    for operation in (first, second):
        done = queue.wait(operation.name, 60, lambda: True)
        assert (done.state, done.attempts) == (State.SUCCEEDED, 1)
    queue.stop()


def test_a_cancelled_one_ends_although_the_store_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, go = threading.Event(), threading.Event()

    def handler(work: Work) -> None:
        started.set()
        go.wait(60)
        work.raise_if_cancelled()

    full(monkeypatch, "end", 2)
    queue = OperationQueue(tmp_path / "operations.sqlite", "test")
    queue.register("kind", handler)
    queue.start()
    operation = queue.submit("kind")
    assert started.wait(30)
    queue.cancel(operation.name)
    go.set()
    assert queue.wait(operation.name, 60, lambda: True).state is State.CANCELLED
    queue.stop()


@pytest.mark.parametrize("method", ["requeue", "end", "take"])
def test_a_stop_does_not_wait_for_a_store_that_fails_and_the_next_start_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    started = threading.Event()

    def handler(work: Work) -> None:
        started.set()
        while method == "requeue":
            work.raise_if_cancelled()

    with monkeypatch.context() as patch:
        full(patch, method, 1_000_000)
        queue = OperationQueue(tmp_path / "operations.sqlite", "test")
        queue.register("kind", handler)
        queue.start()
        operation = queue.submit("kind")
        assert method == "take" or started.wait(30)
        queue.stop()
    queue = OperationQueue(tmp_path / "operations.sqlite", "test")
    queue.register("kind", lambda work: None)
    queue.start()
    assert queue.wait(operation.name, 60, lambda: True).state is State.SUCCEEDED
    queue.stop()


def test_a_commit_that_fails_leaves_no_transaction_behind(tmp_path: Path) -> None:
    store = OperationStore(tmp_path / "operations.sqlite")

    def refuse(action: int, argument: str | None, *_: str | None) -> int:
        commits = action == sqlite3.SQLITE_TRANSACTION and argument == "COMMIT"
        return sqlite3.SQLITE_DENY if commits else sqlite3.SQLITE_OK

    engine = store._engine
    assert isinstance(engine, SqliteEngine)
    engine.db.set_authorizer(refuse)
    with pytest.raises(sqlite3.DatabaseError):
        store.add("test", "kind", b"", "", "lost", 0.0)
    engine.db.set_authorizer(None)
    kept = store.add("test", "kind", b"", "", "kept", 0.0)
    assert [one.name for one in store.page(None, 9, False)] == [kept.name]
    store.close()
