"""The state directory over restarts, mistakes and disks that fail."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from diana_archive.core.model import Newcomer, Origin, Selector, State
from diana_archive.stores import schema_sqlite
from diana_archive.stores.loose import FileDraft
from diana_archive.stores.reserve import Reserve
from diana_archive.stores.state import StateDirectory
from diana_common.errors import DianaError, Reason
from tests.support.archive_state import STORES, close, files, store


def test_what_was_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, STORES)
    before = store(state, "9")
    epoch = state.catalogue.epoch
    close(state)
    state = StateDirectory(tmp_path, STORES)
    with state.catalogue.snapshot() as snapshot:
        assert snapshot.instance("default", "9", "") == before
        assert snapshot.head() == 1
    assert state.catalogue.epoch == epoch
    assert (state.swept, state.restored) == (0, False)
    assert state.objects.open("default", before.object_id).read(0, 100) == b"data"
    assert state.objects.create("default").object_id > before.object_id
    close(state)


def sqlite_error(name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError("failed")
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (sqlite_error("SQLITE_FULL"), Reason.DISK_FULL),
        (sqlite_error("SQLITE_CANTOPEN"), Reason.CONFIG_INVALID),
        (sqlite_error("SQLITE_READONLY_DBMOVED"), Reason.CONFIG_INVALID),
        (sqlite_error("SQLITE_PERM"), Reason.CONFIG_INVALID),
        (sqlite_error("SQLITE_CORRUPT_INDEX"), Reason.STORE_DAMAGED),
        (sqlite_error("SQLITE_NOTADB"), Reason.STORE_DAMAGED),
        (sqlite_error("SQLITE_IOERR_READ"), Reason.INTERNAL),
        (OSError(errno.ENOSPC, "full"), Reason.DISK_FULL),
        (OSError(errno.EACCES, "denied"), Reason.CONFIG_INVALID),
    ],
)
def test_a_catalogue_that_cannot_be_opened_is_told_for_what_it_is(
    tmp_path: Path, error: Exception, reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        raise error

    monkeypatch.setattr(schema_sqlite, "prepare", fail)
    with pytest.raises(DianaError) as caught:
        StateDirectory(tmp_path, STORES)
    assert caught.value.reason == reason
    if reason == Reason.CONFIG_INVALID:
        assert caught.value.message.startswith("state_dir:")


def test_a_draft_is_closed_once_whatever_the_close_says(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "draft", os.O_RDWR | os.O_CREAT)
    draft = FileDraft(tmp_path / "draft", 1, descriptor, Reserve(tmp_path))
    os.close(draft.descriptor)
    draft.close()
    draft.close()
    draft.discard()
    assert not (tmp_path / "draft").exists()


def test_a_catalogue_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite").write_bytes(b"no catalogue" * 1000)
    with pytest.raises(DianaError) as caught:
        StateDirectory(tmp_path, STORES)
    assert caught.value.reason == Reason.STORE_DAMAGED


def test_a_second_process_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, STORES)
    with pytest.raises(DianaError) as caught:
        StateDirectory(tmp_path, STORES)
    assert caught.value.reason == Reason.CONFIG_INVALID
    close(state)
    close(StateDirectory(tmp_path, STORES))


def test_a_directory_that_cannot_be_used_is_a_bad_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DianaError) as caught:
        StateDirectory(tmp_path / "file" / "state", STORES)
    assert caught.value.reason == Reason.CONFIG_INVALID
    assert str(tmp_path) not in caught.value.message


def test_a_catalogue_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    close(StateDirectory(tmp_path, STORES))
    with sqlite3.connect(tmp_path / "catalogue.sqlite") as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
        connection.execute("DELETE FROM meta WHERE key = 'epoch'")
    connection.close()
    with pytest.raises(DianaError) as caught:
        StateDirectory(tmp_path, STORES)
    assert caught.value.reason == Reason.STORE_SCHEMA_NEWER
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite")) as connection:
        assert connection.execute("SELECT * FROM meta WHERE key = 'epoch'").fetchall() == []


def test_a_store_that_left_the_configuration_is_kept(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, STORES)
    store(state, "1", "trial")
    close(state)
    state = StateDirectory(tmp_path, ["default"])
    assert len(files(tmp_path)) == 1
    close(state)
    state = StateDirectory(tmp_path, STORES)
    with state.catalogue.snapshot() as snapshot:
        assert len(snapshot.select("trial", Selector("1"), (State.CURRENT,))) == 1
    close(state)


def test_a_transaction_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, STORES)
    newcomer = Newcomer("default", "1", "2", "9", "3", "4", 1, 0, b"d", b"p", b"h", 1, Origin())
    with pytest.raises(KeyError), state.catalogue.transaction() as changes:
        changes.add(newcomer, 5, "")
        raise KeyError
    with state.catalogue.transaction() as changes:
        with pytest.raises(KeyError), changes.part():
            changes.add(newcomer, 5, "")
            raise KeyError
        assert changes.add(newcomer, 6, "").sequence == 1
    with state.catalogue.snapshot() as snapshot:
        assert snapshot.statistics("default").instance_count == 1
    close(state)


def test_files_and_directories_are_for_their_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    state = StateDirectory(directory, STORES)
    store(state, "1")
    for path in [directory, *directory.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    close(state)
