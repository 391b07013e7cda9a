"""The follower: outages, epochs, rebuilds, and those who wait for a position."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_index.core import feeding
from diana_index.core.attributes import Level
from diana_index.core.follow import Follower
from diana_index.core.vocabulary import SearchKey
from diana_index.core.written import Written
from diana_index.stores.databases import open_database
from diana_index.stores.generations import SqliteGenerations
from diana_index.stores.written import WRITTEN, SqlWritten
from tests.unit.index.fake_archive import FakeArchive
from tests.unit.index.index_bench import IndexBench


class Cancelled(BaseException):
    """What a cancelled piece of work leaves its handler with."""


class Work:
    """A rebuild's work; `on_progress` sees each step."""

    def __init__(self, on_progress: Callable[[int], None] = lambda done: None) -> None:
        self.cancelled = False
        self._on_progress = on_progress

    def progress(self, done: int, total: int, unit: str) -> None:
        assert done <= total
        self._on_progress(done)

    def raise_if_cancelled(self) -> None:
        if self.cancelled:
            raise Cancelled


class Followed(IndexBench):
    """An index whose follower runs; a rebuild that it asks for is done by a thread, one at a time."""

    def __init__(self, folder: Path, archive: FakeArchive | None = None) -> None:
        self.records = SqliteGenerations(folder)
        super().__init__(self.records, archive)
        self.database = open_database("", folder.parent / "written.sqlite", WRITTEN)
        self.fills: list[SearchKey] = []
        self.written = Written(SqlWritten(self.database), self.generations, self.listener, self.fills.append)
        self.follower = Follower(
            self.archive, self.generations, self.index.progress, self.listener, self.written, self._ask_rebuild
        )
        self._rebuilding: threading.Thread | None = None
        self.rebuilds = 0

    def wait_for(self, position: str, seconds: float = 30.0) -> None:
        self.index.progress.wait(position, seconds, lambda: True)

    def close(self) -> None:
        self.archive.set_reachable(True)
        self.follower.stop()
        if self._rebuilding:
            self._rebuilding.join()
        self.records.close()
        self.database.close()

    def _ask_rebuild(self) -> None:
        if self._rebuilding is None or not self._rebuilding.is_alive():
            self.rebuilds += 1
            self._rebuilding = threading.Thread(target=self.follower.rebuild, args=(Work(),))
            self._rebuilding.start()


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    bench = Followed(tmp_path / "records")
    yield bench
    bench.close()


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.005)


def files(bench: Followed, folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.sqlite")}


def test_what_was_just_stored_is_found_by_who_waits_for_its_position(followed: Followed) -> None:
    followed.follower.start()
    for number in range(20):
        position = followed.archive.store(f"1.1.{number}", PatientID="P1")
        followed.wait_for(position)
        assert followed.count(Level.INSTANCE) == number + 1


def test_status_tells_of_following_and_lag(followed: Followed) -> None:
    progress = followed.index.progress
    assert (progress.following, progress.mark.position) == (False, "")
    followed.archive.store("1.1.1")
    followed.follower.start()
    followed.wait_for(followed.archive.head())
    until(lambda: progress.following and progress.entries_behind == 0)
    assert progress.mark.commit_time == 1_700_000_000.0
    followed.archive.set_reachable(False)
    until(lambda: not progress.following)
    assert followed.count(Level.INSTANCE) == 1


def test_following_goes_on_after_an_outage(followed: Followed) -> None:
    followed.follower.start()
    followed.wait_for(followed.archive.store("1.1.1"))
    followed.archive.set_reachable(False)
    position = followed.archive.store("1.1.2")
    until(lambda: "PEER_UNAVAILABLE" in followed.listener.losses)
    followed.archive.set_reachable(True)
    followed.wait_for(position)
    assert followed.count(Level.INSTANCE) == 2


def test_an_outage_while_a_header_is_asked_for_loses_nothing(followed: Followed) -> None:
    followed.archive.inline = 1
    asked = followed.archive.header
    outages = iter([True, True])

    def header(*name: str) -> object:
        if next(outages, False):
            raise DianaError(Reason.PEER_UNAVAILABLE, "outage")
        return asked(*name)

    followed.archive.header = header  # type: ignore[method-assign,assignment]
    position = followed.archive.store("1.1.1", PatientID="P1")
    followed.follower.start()
    followed.wait_for(position)
    assert followed.uids(Level.PATIENT) == ["P1"]


def test_a_header_that_the_archive_cannot_read_stops_nothing(followed: Followed) -> None:
    followed.archive.inline = 500

    def header(*_: str) -> object:
        raise DianaError(Reason.STORE_DAMAGED, "damaged")

    followed.archive.header = header  # type: ignore[method-assign,assignment]
    followed.archive.store("1.1.1", TextComments="x" * 1000)
    followed.follower.start()
    followed.wait_for(followed.archive.store("1.1.2"))
    assert followed.uids(Level.INSTANCE) == ["1.1.2"]
    assert followed.listener.skips == ["1.1.1"]


@pytest.mark.parametrize(("failures", "found"), [(2, ["1.1.1", "1.1.2"]), (3, ["1.1.2"])])
def test_a_header_that_the_archive_fails_to_give_is_asked_for_again_a_few_times(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, failures: int, found: list[str]
) -> None:
    monkeypatch.setattr(feeding, "_RETRY_SECONDS", (0.0, 0.0))
    followed.archive.inline = 500
    asked = followed.archive.header
    failing = iter(range(failures))

    def header(*name: str) -> object:
        if next(failing, None) is not None:
            raise DianaError(Reason.INTERNAL, "failed")
        return asked(*name)

    followed.archive.header = header  # type: ignore[method-assign,assignment]
    followed.archive.store("1.1.1", TextComments="x" * 1000)
    followed.follower.start()
    followed.wait_for(followed.archive.store("1.1.2"))
    assert followed.uids(Level.INSTANCE) == found
    assert followed.listener.skips == ["1.1.1"][: 2 - len(found)]


def damage(path: Path) -> None:
    """Overwrite the pages where tables and indexes begin; the file still opens."""
    with closing(sqlite3.connect(path)) as connection:
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        pages = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE tbl_name IN ('instance', 'series', 'study', 'patient')"
        ).fetchall()
    with path.open("r+b") as file:
        for (number,) in pages:
            file.seek((number - 1) * page_bytes)
            file.write(b"\xff" * page_bytes)


def test_damaged_records_are_derived_anew_while_the_service_runs(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    archive = FakeArchive()
    archive.store("1.1.1")
    with closing(Followed(folder, archive)) as bench:
        bench.catch_up()
    (path,) = folder.glob("*.sqlite")
    damage(path)
    with closing(Followed(folder, archive)) as bench:
        assert list(folder.glob("*.sqlite")) == [path]
        position = archive.store("1.1.2")
        bench.follower.start()
        bench.wait_for(position)
        assert bench.uids(Level.INSTANCE) == ["1.1.1", "1.1.2"]
        assert bench.rebuilds == 1
        assert "STORE_DAMAGED" in bench.listener.losses
        assert not bench.listener.skips


def test_a_position_that_does_not_come_is_not_waited_for_beyond_the_deadline(followed: Followed) -> None:
    followed.follower.start()
    followed.wait_for(followed.archive.store("1.1.1"))
    with pytest.raises(DianaError) as refused:
        followed.wait_for("0000000a-99", 0.05)
    assert refused.value.reason is Reason.POSITION_NOT_REACHED
    with pytest.raises(DianaError) as refused:
        followed.index.progress.wait("0000000a-99", 30.0, lambda: False)
    assert refused.value.reason is Reason.POSITION_NOT_REACHED
    with pytest.raises(DianaError) as refused:
        followed.wait_for("nonsense")
    assert refused.value.reason is Reason.POSITION_INVALID


def test_a_position_of_another_epoch_is_refused_once_the_feed_is_heard(followed: Followed) -> None:
    followed.follower.start()
    followed.wait_for(followed.archive.store("1.1.1"))
    with pytest.raises(DianaError) as refused:
        followed.wait_for("00000001-1")
    assert refused.value.reason is Reason.EPOCH_CHANGED


def test_waiting_ends_when_the_service_stops(followed: Followed) -> None:
    followed.follower.start()
    followed.wait_for(followed.archive.store("1.1.1"))
    stopping = threading.Timer(0.05, followed.follower.stop)
    stopping.start()
    with pytest.raises(DianaError) as refused:
        followed.wait_for("0000000a-99")
    assert refused.value.reason is Reason.STOPPING
    stopping.join()


def test_a_new_epoch_makes_the_index_rebuild_itself(followed: Followed) -> None:
    followed.follower.start()
    followed.archive.store("1.1.1", PatientID="P1")
    followed.archive.store("1.1.2", PatientID="P1")
    old = followed.archive.delete("1.1.1")
    followed.wait_for(old)
    followed.archive.new_epoch()
    new = followed.archive.store("1.1.3", PatientID="P3")
    followed.wait_for(new)
    assert followed.uids(Level.INSTANCE) == ["1.1.2", "1.1.3"]
    assert followed.rebuilds >= 1
    with pytest.raises(DianaError) as refused:
        followed.wait_for(old)
    assert refused.value.reason is Reason.EPOCH_CHANGED
    followed.wait_for(followed.archive.store("1.1.4"))


def test_questions_are_answered_from_the_old_records_until_the_new_ones_are_complete(
    followed: Followed, tmp_path: Path
) -> None:
    followed.archive.batch = 1
    followed.follower.start()
    for number in range(10):
        position = followed.archive.store(f"1.1.{number}")
    followed.wait_for(position)
    seen: list[int] = []
    before = files(followed, tmp_path / "records")
    work = Work(lambda done: seen.append(followed.count(Level.INSTANCE)))
    followed.follower.rebuild(work)
    assert set(seen) == {10}
    assert len(seen) >= 10
    until(lambda: not before & files(followed, tmp_path / "records"))
    followed.wait_for(followed.archive.store("1.1.11"))
    assert followed.count(Level.INSTANCE) == 11


def test_answers_do_not_go_back_while_a_busy_archive_is_rebuilt_from(followed: Followed) -> None:
    followed.archive.batch = 1
    followed.follower.start()

    def store_some() -> None:
        for number in range(30):
            followed.wait_for(followed.archive.store(f"1.1.{number}"))

    worker = threading.Thread(target=store_some)
    worker.start()
    counts = []
    while worker.is_alive():
        followed.follower.rebuild(Work())
        counts.append(followed.count(Level.INSTANCE))
    worker.join()
    assert counts == sorted(counts)
    assert followed.count(Level.INSTANCE) == 30


def test_a_cancelled_rebuild_leaves_nothing_behind(followed: Followed, tmp_path: Path) -> None:
    followed.follower.start()
    for number in range(10):
        position = followed.archive.store(f"1.1.{number}")
    followed.wait_for(position)
    before = files(followed, tmp_path / "records")
    work = Work()
    work._on_progress = lambda done: setattr(work, "cancelled", True)
    with pytest.raises(Cancelled):
        followed.follower.rebuild(work)
    assert files(followed, tmp_path / "records") == before
    followed.wait_for(followed.archive.store("1.1.11"))


def test_a_rebuild_waits_for_an_archive_that_went_away(followed: Followed) -> None:
    followed.archive.batch = 1
    for number in range(10):
        followed.archive.store(f"1.1.{number}")

    def outage(done: int) -> None:
        if done == 4 and followed.archive.watches == 1:
            followed.archive.set_reachable(False)
            threading.Timer(0.05, followed.archive.set_reachable, (True,)).start()

    followed.follower.rebuild(Work(outage))
    assert followed.count(Level.INSTANCE) == 10


def test_a_rebuild_begins_anew_when_the_epoch_changes_under_it(followed: Followed) -> None:
    followed.archive.batch = 1
    for number in range(6):
        followed.archive.store(f"1.1.{number}")

    def change(done: int) -> None:
        if done == 3 and followed.archive.epoch == "0000000a":
            followed.archive.new_epoch()

    followed.follower.rebuild(Work(change))
    assert followed.index.progress.mark.position == "0000000b-6"
    assert followed.count(Level.INSTANCE) == 6
