"""What nobody plans for, in every store: folders forgotten while they are indexed, odd disks, readers that die."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_index.adapters import header_pool
from diana_index.adapters.header_pool import HeaderPool
from diana_index.core.folders.folders import Failed
from diana_index.core.folders.model import Collection, Counts, Kind, Shared
from diana_index.core.folders.ports import Wanted
from diana_index.core.folders.registry import Changes, Row, Run
from diana_index.stores import folders_sql
from diana_index.stores.folders_sql import SqlRegistry
from tests.contract.index.folder_bench import FolderBench, Interrupted
from tests.contract.index.test_folders_indexing import _have_readers, fill, scan
from tests.support.hostile_zips import zipped

A1 = Collection(Kind.ACCESSION_NUMBER, "A1")
BEYOND_64_BITS = 10**19
"""Nanoseconds: the year 2286."""


def some(name: bytes = b"1.dcm") -> Changes:
    """A file of A1 in a directory that is not done."""
    shared = Shared("P", "A1", "1.1", "1.2", "", "", "", "", "")
    return Changes(rows=[(b"d", Row(name, 0, "", 1, 1, 1, "1.3", shared, 1, 0))])


def told(run: Run) -> bool:
    """Whether it is told that its folder was forgotten, when it writes."""
    try:
        run.write(some(b"late.dcm"))
    except DianaError as error:
        return error.reason is Reason.SOURCE_NOT_FOUND
    return False


def test_a_directory_that_was_not_done_is_forgotten_with_its_folder(folders: FolderBench) -> None:
    folders.registry.begin(b"/a", "one").write(some())
    folders.registry.forget_folder(b"/a")
    assert folders.find("A1") == []


def test_what_indexes_a_forgotten_folder_cannot_write_into_the_next_one(folders: FolderBench) -> None:
    """A database may give the next folder the number of the one that is gone."""
    forgotten = folders.registry.begin(b"/a", "one")
    folders.registry.forget_folder(b"/a")
    for number, path in enumerate((b"/b", b"/a")):
        folders.registry.begin(path, f"next {number}")
        assert told(forgotten)
    assert folders.find("A1") == []


def test_an_indexing_that_begins_while_the_folder_is_forgotten_leaves_nothing(
    folders: FolderBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes between the pieces in which a large folder is forgotten."""
    if not isinstance(folders.registry, SqlRegistry):
        pytest.skip("Redis forgets by names, and has no numbers that could be left")
    fill(folders, 8, directories=8)
    folders.index()
    database = folders.registry._database
    writing = database.writing
    path = os.fsencode(folders.room)
    runs: list[Run] = []

    @contextmanager
    def meanwhile() -> Iterator[Any]:
        with writing() as db:
            yield db
        with monkeypatch.context() as undisturbed:
            undisturbed.setattr(database, "writing", writing)
            if not runs:
                runs.append(folders.registry.begin(path, "new"))
                runs[0].write(some())
            else:
                with suppress(DianaError):
                    runs[0].write(some(b"late.dcm"))

    with monkeypatch.context() as disturbed:
        disturbed.setattr(folders_sql, "_PIECE", 1)
        disturbed.setattr(database, "writing", meanwhile)
        folders.registry.forget_folder(path)
    assert told(runs[0])
    assert folders.registry.collections(Kind.ACCESSION_NUMBER, "", "", 10) == []


def test_files_dated_beyond_what_databases_hold_are_known_and_read(folders: FolderBench) -> None:
    for name, content in (("1.dcm", scan(1)), ("z.zip", zipped({"a": scan(2)}))):
        path = folders.write(name, content)
        os.utime(path, ns=(0, BEYOND_64_BITS))
        if path.stat().st_mtime_ns != BEYOND_64_BITS:
            pytest.skip("this file system has no such dates")
    assert folders.index() == Counts(read=2)
    assert folders.index() == Counts(unchanged=2)
    events = list(folders.folders.read(A1))
    assert not any(isinstance(event, Failed) for event in events)


def test_a_file_that_grows_while_it_is_read_is_read_no_further_than_it_was(folders: FolderBench) -> None:
    path = folders.write("1.dcm", scan(1))
    size = path.stat().st_size
    folders.index()
    taken = 0
    failed: list[Reason] = []
    for event in folders.folders.read(A1):
        if isinstance(event, bytes):
            taken += len(event)
            with path.open("ab") as file:
                file.write(b"more")
        elif isinstance(event, Failed):
            failed.append(event.error.reason)
    assert (taken, failed) == (size, [Reason.CHECKSUM_MISMATCH])


def test_members_of_a_zip_file_count_once_though_a_reader_died_behind_them(
    folders: FolderBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.write("z.zip", zipped({str(number): scan(number) for number in range(5)}))
    folders.write("1.dcm", scan(9))
    deadly = f"worker._ROWS = 2; name == b'1.dcm' and os.kill(os.getpid(), {int(signal.SIGKILL)})"
    _have_readers(monkeypatch, deadly)
    pool = HeaderPool(1)
    tree = folders.folders.trees.tree(str(folders.room))
    total = Counts()
    for part in pool.read(tree, [Wanted(b"", [b"z.zip", b"1.dcm"])]):
        for counts in part.counts.values():
            total = total.plus(counts)
    pool.close()
    assert total == Counts(read=5, failed=1)


def test_an_indexing_can_be_ended_though_its_reader_cannot_be_killed(
    folders: FolderBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that waits for a share that does not answer."""
    folders.write("1.dcm", scan(1))
    processes = subprocess.Popen
    _have_readers(monkeypatch, "time.sleep(3600)")
    monkeypatch.setattr(header_pool, "_END_SECONDS", 0.05)
    survivors: list[subprocess.Popen[bytes]] = []
    with monkeypatch.context() as unkillable:
        unkillable.setattr(processes, "kill", lambda process: survivors.append(process))
        with pytest.raises(Interrupted):
            folders.index(end_after=0)
    for process in set(survivors):
        process.kill()
        process.wait()
