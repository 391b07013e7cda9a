"""The state folder: what survives a crash, what is thrown away, what is refused."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.state_files import FolderLock
from diana_index.core.attributes import Level
from diana_index.core.store import Mark
from diana_index.stores import generations as generations_module
from diana_index.stores import sqlite
from diana_index.stores.generations import SqliteGenerations, page_token_key
from tests.unit.index.fake_archive import FakeArchive
from tests.unit.index.index_bench import IndexBench


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("records-*.sqlite"))


def filled(folder: Path) -> None:
    archive = FakeArchive()
    archive.store("1.1.1", PatientID="P1")
    with closing(SqliteGenerations(folder)) as generations:
        IndexBench(generations, archive).catch_up()


def position(generations: SqliteGenerations) -> str:
    with generations.active() as generation:
        return generation.mark().position


def test_records_and_position_are_there_after_a_restart(tmp_path: Path) -> None:
    filled(tmp_path)
    with closing(SqliteGenerations(tmp_path)) as generations:
        assert position(generations) == "0000000a-1"
        assert IndexBench(generations).uids(Level.PATIENT) == ["P1"]


def test_what_a_crash_left_of_a_rebuild_is_cleared_away(tmp_path: Path) -> None:
    filled(tmp_path)
    (active,) = names(tmp_path)
    with closing(SqliteGenerations(tmp_path)) as generations:
        generations.create().apply([], Mark("0000000a-1", 1.0))
        assert len(names(tmp_path)) == 2
    with closing(SqliteGenerations(tmp_path)) as generations:
        assert names(tmp_path) == [active]
        assert position(generations) == "0000000a-1"


def test_an_adopted_generation_answers_after_a_restart(tmp_path: Path) -> None:
    filled(tmp_path)
    with closing(SqliteGenerations(tmp_path)) as generations:
        new = generations.create()
        new.apply([], Mark("0000000b-5", 1.0))
        generations.adopt(new)
    with closing(SqliteGenerations(tmp_path)) as generations:
        assert position(generations) == "0000000b-5"
    assert len(names(tmp_path)) == 1


def test_a_generation_that_the_disk_does_not_take_leaves_the_old_one_answering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    before = names(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with closing(SqliteGenerations(tmp_path)) as generations:
        new = generations.create()
        with monkeypatch.context() as patch:
            patch.setattr(generations_module, "replace_file", full)
            with pytest.raises(OSError, match="space"):
                generations.adopt(new)
        generations.discard(new)
        assert IndexBench(generations).uids(Level.PATIENT) == ["P1"]
        assert names(tmp_path) == before
        generations.adopt(generations.create())
        assert position(generations) == ""


def test_a_generation_that_cannot_be_removed_goes_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)

    def refused(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with closing(SqliteGenerations(tmp_path)) as generations:
        with monkeypatch.context() as patch:
            patch.setattr(generations_module, "_remove_database", refused)
            generations.adopt(generations.create())
        assert position(generations) == ""
        assert len(names(tmp_path)) == 2
    with closing(SqliteGenerations(tmp_path)):
        assert len(names(tmp_path)) == 1


def test_a_question_under_way_is_answered_though_another_generation_takes_over(tmp_path: Path) -> None:
    filled(tmp_path)
    with closing(SqliteGenerations(tmp_path)) as generations:
        with generations.active() as old:
            generations.adopt(generations.create())
            with old.reading(lambda: True) as reader:
                assert reader.totals().instances == 1
            assert len(names(tmp_path)) == 2
        assert len(names(tmp_path)) == 1


def test_a_reader_sees_one_moment_and_does_not_wait_for_the_writer(tmp_path: Path) -> None:
    filled(tmp_path)
    with closing(SqliteGenerations(tmp_path)) as generations, generations.active() as generation:
        with generation.reading(lambda: True) as reader:
            assert reader.mark().position == "0000000a-1"
            generation.apply([], Mark("0000000a-2", 1.0))
            assert reader.mark().position == "0000000a-1"
        with generation.reading(lambda: True) as reader:
            assert reader.mark().position == "0000000a-2"


def test_a_question_that_nobody_waits_for_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_STEPS_BETWEEN_LOOKS", 1)
    filled(tmp_path)
    with closing(SqliteGenerations(tmp_path)) as generations, generations.active() as generation:
        with pytest.raises(DianaError) as refused, generation.reading(lambda: False) as reader:
            reader.totals()
        assert refused.value.reason is Reason.OVERLOADED
        with generation.reading(lambda: True) as reader:
            assert reader.totals().instances == 1


def test_questions_beyond_the_most_at_a_time_wait_for_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_READERS", 2)
    filled(tmp_path)
    counted: list[int] = []

    def ask() -> None:
        with generation.reading(lambda: True) as reader:
            counted.append(reader.totals().instances)

    with closing(SqliteGenerations(tmp_path)) as generations, generations.active() as generation:
        with ExitStack() as others:
            for _ in range(2):
                others.enter_context(generation.reading(lambda: True))
            with pytest.raises(DianaError) as refused, generation.reading(lambda: False):
                pass
            assert refused.value.reason is Reason.OVERLOADED
            waiting = threading.Thread(target=ask)
            waiting.start()
            assert not counted
        waiting.join()
        assert counted == [1]


@pytest.mark.parametrize("damage", ["UPDATE made SET fingerprint = 'older'", "garbage", "missing", "pointer"])
def test_records_that_are_no_use_are_derived_anew(tmp_path: Path, damage: str) -> None:
    filled(tmp_path)
    path = tmp_path / names(tmp_path)[0]
    if damage == "garbage":
        path.write_bytes(b"x" * 8192)
    elif damage == "missing":
        path.unlink()
    elif damage == "pointer":
        (tmp_path / "active").write_text("../elsewhere")
    else:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(damage)
    with closing(SqliteGenerations(tmp_path)) as generations:
        assert position(generations) == ""
        assert len(names(tmp_path)) == 1


def test_records_of_a_newer_version_are_refused_untouched(tmp_path: Path) -> None:
    filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / names(tmp_path)[0])) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(DianaError) as refused:
        SqliteGenerations(tmp_path)
    assert refused.value.reason is Reason.STORE_SCHEMA_NEWER
    assert len(names(tmp_path)) == 1


def test_the_page_token_key_is_made_once_for_its_owner(tmp_path: Path) -> None:
    key = page_token_key(tmp_path)
    assert len(key) == 32
    assert page_token_key(tmp_path) == key
    assert (tmp_path / "page-token.key").stat().st_mode & 0o077 == 0


def test_a_page_token_key_that_is_cut_short_is_made_anew(tmp_path: Path) -> None:
    key = page_token_key(tmp_path)
    (tmp_path / "page-token.key").write_bytes(key[:16])
    anew = page_token_key(tmp_path)
    assert len(anew) == 32
    assert page_token_key(tmp_path) == anew


def test_files_with_patient_values_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "records"
    archive = FakeArchive()
    archive.store("1.1.1", PatientID="P1")
    with closing(SqliteGenerations(folder)) as generations:
        IndexBench(generations, archive).catch_up()
        files = sorted(folder.iterdir())
        assert {path.suffix for path in files} == {"", ".sqlite", ".sqlite-shm", ".sqlite-wal"}
        for path in (folder.parent, folder, *files):
            assert path.stat().st_mode & 0o077 == 0, path.name


def test_a_folder_is_used_by_one_process_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    first = FolderLock(folder)
    with pytest.raises(DianaError) as refused:
        FolderLock(folder)
    assert refused.value.reason is Reason.CONFIG_INVALID
    assert refused.value.fields[0].field == "state_dir"
    first.close()
    FolderLock(folder).close()


def test_a_folder_that_cannot_be_made_is_a_bad_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DianaError) as refused:
        FolderLock(tmp_path / "file" / "state")
    assert refused.value.reason is Reason.CONFIG_INVALID
