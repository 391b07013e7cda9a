"""What is particular to a place where the folder registry is kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import redis

from diana_common.errors import DianaError, Reason
from diana_index.core.folders.model import Collection, Counts, Kind
from diana_index.stores.folders import open_registry
from tests.contract.index.folder_bench import FolderBench, new_place
from tests.contract.index.test_folders_indexing import scan
from tests.support import redis_server
from tests.support.postgres import Postgres

A1 = Collection(Kind.ACCESSION_NUMBER, "A1")


def refused(url: str, path: Path) -> Reason:
    with pytest.raises(DianaError) as error:
        open_registry(url, path, "p:")
    assert url not in str(error.value) or not url
    return error.value.reason


def test_a_registry_written_by_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "folders.sqlite"
    open_registry("", path, "").close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    assert refused("", path) is Reason.STORE_SCHEMA_NEWER


def test_a_database_that_does_not_answer_is_told_and_used_again_when_it_does(tmp_path: Path) -> None:
    with Postgres() as server:
        url = server.new_database()
        registry = open_registry(url, tmp_path, "")
        server.stop()
        for attempt in range(2):
            with pytest.raises(DianaError) as error:
                registry.files(A1, None, 1)
            assert error.value.reason is Reason.PEER_UNAVAILABLE, attempt
        server.start()
        assert registry.files(A1, None, 1) == []
        registry.close()
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("UPDATE diana_folders.version SET number = 99")
        assert refused(url, tmp_path) is Reason.STORE_SCHEMA_NEWER
        server.stop()
        assert refused(url, tmp_path) is Reason.PEER_UNAVAILABLE


def test_a_redis_that_is_gone_or_full_is_told(tmp_path: Path) -> None:
    with redis_server.serving() as url:
        registry = open_registry(url, tmp_path, "p:")
        with redis.Redis.from_url(url) as client:
            client.config_set("maxmemory", 1)
            with pytest.raises(DianaError) as error:
                registry.begin(b"/scans", "one")
            assert error.value.reason is Reason.DISK_FULL
    with pytest.raises(DianaError) as error:
        registry.files(A1, None, 1)
    assert error.value.reason is Reason.PEER_UNAVAILABLE
    assert refused(url, tmp_path) is Reason.PEER_UNAVAILABLE
    assert refused("redis://127.0.0.1:none", tmp_path) is Reason.CONFIG_INVALID


def test_redis_keeps_sets_by_accession_number_under_its_prefix(tmp_path: Path) -> None:
    with redis_server.serving() as url, redis.Redis.from_url(url) as client:
        bench = FolderBench(lambda: open_registry(url, tmp_path, "findex:"), tmp_path / "room")
        bench.write("d/1.dcm", scan(1))
        bench.write("2.dcm", scan(2))
        assert bench.index() == Counts(read=2)
        members = client.smembers("findex:accession_number:A1")
        room = str(bench.room).encode()
        assert members == {room + b"\0d\x001.dcm\x0000000000", room + b"\0\x002.dcm\x0000000000"}
        bench.folders.forget(str(bench.room))
        assert client.keys("*") == []
        bench.registry.close()


def test_many_files_are_written_and_forgotten_in_pieces(tmp_path: Path) -> None:
    """In every store alike: more than one of its pages, and more than one piece of a page."""
    for kind in ("sqlite", "postgres", "redis"):
        place = tmp_path / kind
        place.mkdir()
        bench = FolderBench(new_place(kind, place), place / "room")
        for number in range(1300):
            bench.write(f"d{number % 650}/{number}.txt", b"")
        bench.write("one.dcm", scan(1))
        assert bench.index() == Counts(read=1, skipped=1300)
        for path in bench.room.rglob("*.txt"):
            path.unlink()
        for path in bench.room.glob("d*"):
            path.rmdir()
        assert bench.index() == Counts(unchanged=1)
        run = bench.registry.begin(bytes(bench.room), "look")
        assert [path for page in run.stale() for path in page] == [b""]
        bench.registry.close()
