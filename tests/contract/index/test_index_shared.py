"""Index processes that share one PostgreSQL database: one follows, all answer, and the database may go away."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import grpc
import psycopg
import pytest

from diana.operation.v1.operation_service_pb2 import Operation
from diana_client import Channel, IndexClient, OperationClient, Unavailable, connect
from diana_index.__main__ import make_server
from diana_index.config import IndexConfig
from diana_server.config import PeerConfig, ServerConfig
from tests.contract.index.archive_server import serving
from tests.contract.index.index_processes import IndexProcess, all_answers, busy, derived_answers, lives
from tests.support.postgres import Postgres
from tests.support.shared_postgres import database
from tests.unit.index.fake_archive import FakeArchive


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.02)


@contextmanager
def index(state: Path, archive: str, url: str) -> Iterator[str]:
    """An index service in this process; yields its address."""
    server = make_server(IndexConfig(ServerConfig("127.0.0.1:0"), state, PeerConfig(archive), url))
    try:
        yield server.start()
    finally:
        server.stop(0)


def generations(url: str) -> set[str]:
    with psycopg.connect(url) as db:
        return {row[0] for row in db.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^diana_index_[0-9]'")}


def test_when_the_process_that_follows_is_killed_the_other_takes_over(tmp_path: Path) -> None:
    chance = random.Random(3)
    archive = FakeArchive(batch=5, inline=700)
    with ExitStack() as stack:
        url, address = stack.enter_context(database()), stack.enter_context(serving(archive))
        processes = [IndexProcess(tmp_path / name, address, url) for name in ("one", "two")]
        for process in processes:
            stack.callback(process.kill)
            process.start()
        position = lives(archive, chance, 60)
        for _ in range(2):
            until(lambda: any(process.follows() for process in processes))
            (first,) = [process for process in processes if process.follows()]
            (other,) = [process for process in processes if process is not first]
            with first.client() as client, other.client() as standing_by, busy(archive, chance):
                assert client.count("study", at_least_position=position) >= 1
                assert standing_by.count("study", at_least_position=position) >= 1
                first.kill()
            position = archive.head()
            with other.client() as client:
                found = all_answers(client, position)
            assert other.follows()
            first.start()
            with first.client() as client:
                assert all_answers(client, position) == found
            assert not first.follows()
        assert found == derived_answers(archive, tmp_path / "derived")


def test_a_rebuild_in_one_process_is_answered_from_in_all_at_no_time_with_less(tmp_path: Path) -> None:
    archive = FakeArchive(batch=5)
    with ExitStack() as stack:
        url, archive_address = stack.enter_context(database()), stack.enter_context(serving(archive))
        channels = [
            stack.enter_context(connect(stack.enter_context(index(tmp_path / name, archive_address, url))))
            for name in ("one", "two")
        ]
        clients = [IndexClient(channel) for channel in channels]
        for number in range(40):
            position = archive.store(f"1.1.{number}", PatientID="P1")
        assert [client.count("instance", at_least_position=position) for client in clients] == [40, 40]
        before, done = generations(url), threading.Event()

        def ask(client: IndexClient) -> set[int]:
            counts = set()
            while not done.is_set():
                counts.add(client.count("instance"))
            return counts

        with ThreadPoolExecutor() as pool:
            asking = [pool.submit(ask, client) for client in clients]
            for client, channel in zip(clients, channels, strict=True):
                ended = OperationClient(channel).wait(client.rebuild().name, timeout=60)
                assert ended.state == Operation.STATE_SUCCEEDED
            position = archive.store("1.1.40", PatientID="P1")
            assert [client.count("instance", at_least_position=position) for client in clients] == [41, 41]
            done.set()
            assert [one.result() - {41} for one in asking] == [{40}, {40}]
        until(lambda: len(generations(url)) == 1 and not generations(url) & before)


def test_a_database_that_goes_away_is_told_of_and_waited_for(tmp_path: Path) -> None:
    archive = FakeArchive(batch=5)
    with Postgres() as postgres, serving(archive) as archive_address, ExitStack() as stack:
        address = stack.enter_context(index(tmp_path / "one", archive_address, postgres.new_database()))
        client = IndexClient(stack.enter_context(connect(address, timeout=60)))
        assert client.count("instance", at_least_position=archive.store("1.1.1")) == 1
        for number in range(2):
            postgres.stop(signal.SIGQUIT)
            position = archive.store(f"1.2.{number}")
            with pytest.raises(Unavailable) as refused:
                IndexClient(stack.enter_context(impatient(address))).count("instance")
            assert refused.value.reason == "PEER_UNAVAILABLE"
            postgres.start()
            until(partial(reaches, client, position))
            assert client.count("instance") == 2 + number
        until(lambda: client.status().following)


def impatient(address: str) -> Channel:
    """One that does not ask again by itself."""
    return Channel(grpc.insecure_channel(address, options=[("grpc.enable_retries", 0)]), timeout=30)


def reaches(client: IndexClient, position: str) -> bool:
    try:
        client.count("instance", at_least_position=position)
    except Unavailable:
        return False
    return True
