"""The state directory over restarts, crashes, copies and mistakes."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from diana_archive.core.model import Instance, Newcomer, Origin, Selector, State
from diana_archive.stores import mark, schema_sqlite
from diana_archive.stores.catalogue import SqliteCatalogue
from diana_archive.stores.loose import FileDraft
from diana_archive.stores.reserve import Reserve
from diana_archive.stores.seal_keys import FileSealKeys
from diana_archive.stores.state import StateDirectory
from diana_common.errors import DianaError, Reason
from diana_common.state_files import replace_file

STORES = ["default", "trial"]


def store(state: StateDirectory, uid: str, store: str = "default", data: bytes = b"data") -> Instance:
    """Commit one instance, as the committer does."""
    draft = state.objects.create(store)
    draft.write(data)
    assert state.objects.make_durable([draft]) == [None]
    draft.close()
    newcomer = Newcomer(store, "1", "2", uid, "3", "4", len(data), 0, b"d", b"p", b"h", 1, Origin())
    with state.catalogue.transaction() as changes:
        return changes.add(newcomer, draft.object_id, "")


def close(state: StateDirectory) -> None:
    state.catalogue.close()
    state.close()


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("stores/*/objects/*/*.dcm"))


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


def test_what_a_crash_left_uncommitted_is_swept_and_nothing_else(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, STORES)
    store(state, "1")
    close(state)
    state = StateDirectory(tmp_path, STORES)
    store(state, "2")
    for name in STORES:
        state.objects.create(name).write(b"never committed")
    store(state, "3", "trial")
    close(state)
    assert len(files(tmp_path)) == 5
    state = StateDirectory(tmp_path, STORES)
    assert state.swept == 2
    assert len(files(tmp_path)) == 3
    assert len(list(tmp_path.glob("stores/*/orphans/*.dcm"))) == 2
    close(state)


def test_names_are_never_given_twice_even_after_a_sweep(tmp_path: Path) -> None:
    seen = set()
    for _ in range(5):
        state = StateDirectory(tmp_path, STORES)
        seen.add(store(state, "1").object_id)
        state.objects.create("default")
        close(state)
    assert len(seen) == 5


def test_a_catalogue_put_back_from_a_copy_opens_a_new_epoch_and_destroys_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    state = StateDirectory(directory, STORES)
    store(state, "1")
    epoch = state.catalogue.epoch
    close(state)
    shutil.copy(directory / "catalogue.sqlite", tmp_path / "copy.sqlite")
    state = StateDirectory(directory, STORES)
    newer = store(state, "2")
    close(state)
    (tmp_path / "copy.sqlite").replace(directory / "catalogue.sqlite")
    state = StateDirectory(directory, STORES)
    assert state.restored
    assert state.catalogue.epoch != epoch
    assert len(files(directory)) == 2
    assert store(state, "3").object_id > newer.object_id
    renewed = state.catalogue.epoch
    close(state)
    state = StateDirectory(directory, STORES)
    assert (state.catalogue.epoch, state.restored) == (renewed, False)
    close(state)


def copy_over(backup: Path, catalogue: Path) -> None:
    """In place: the inode stays."""
    shutil.copyfile(backup, catalogue)


def copy_anew(backup: Path, catalogue: Path) -> None:
    """The file system may give the same inode again."""
    catalogue.unlink()
    shutil.copy(backup, catalogue)


@pytest.mark.parametrize("restore", [copy_over, copy_anew])
@pytest.mark.parametrize("hot", [False, True])
def test_a_catalogue_put_back_in_any_way_deletes_nothing_that_was_acknowledged(
    tmp_path: Path, restore: Callable[[Path, Path], None], hot: bool
) -> None:
    directory, backup = tmp_path / "state", tmp_path / "backup.sqlite"
    catalogue = directory / "catalogue.sqlite"
    state = StateDirectory(directory, STORES)
    store(state, "1")
    epoch = state.catalogue.epoch
    if hot:
        with closing(sqlite3.connect(catalogue)) as source, closing(sqlite3.connect(backup)) as target:
            source.backup(target)
    else:
        close(state)
        shutil.copyfile(catalogue, backup)
        state = StateDirectory(directory, STORES)
    newer = store(state, "2")
    close(state)
    restore(backup, catalogue)
    state = StateDirectory(directory, STORES)
    assert state.restored
    assert state.catalogue.epoch != epoch
    assert len(files(directory)) == 2
    assert state.objects.open("default", newer.object_id).read(0, 100) == b"data"
    close(state)


def test_a_crash_is_no_restore_and_neither_is_a_move(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "first", STORES)
    store(state, "1")
    state.objects.create("default").write(b"never committed")
    # What a crash leaves, and a move of it at once.
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    epoch = state.catalogue.epoch
    close(state)
    state = StateDirectory(tmp_path / "second", STORES)
    assert (state.catalogue.epoch, state.restored, state.swept) == (epoch, False, 1)
    close(state)
    shutil.copytree(tmp_path / "second", tmp_path / "third")
    state = StateDirectory(tmp_path / "third", STORES)
    assert (state.catalogue.epoch, state.restored, state.swept) == (epoch, False, 0)
    close(state)


@pytest.mark.parametrize("step", ["mark", "token", "mark again"])
def test_a_crash_while_the_mark_is_renewed_is_no_restore(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StateDirectory(tmp_path, STORES)
    epoch = state.catalogue.epoch
    close(state)
    marked: list[Path] = []

    def crash(*_: object) -> None:
        raise OSError(errno.EIO, "crash")

    def replace_once(path: Path, content: bytes) -> None:
        marked.append(path)
        (crash if len(marked) > 1 else replace_file)(path, content)

    with monkeypatch.context() as patch:
        if step == "token":
            patch.setattr(SqliteCatalogue, "write_token", crash)
        else:
            patch.setattr(mark, "replace_file", crash if step == "mark" else replace_once)
        with pytest.raises(DianaError):
            StateDirectory(tmp_path, STORES)
    state = StateDirectory(tmp_path, STORES)
    assert (state.catalogue.epoch, state.restored) == (epoch, False)
    close(state)


def test_what_was_set_aside_is_dropped_when_it_has_lain_long_enough(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, STORES)
    state.objects.create("trial").write(b"never committed")
    close(state)
    before_us = time.time_ns() // 1000 - 60_000_000
    state = StateDirectory(tmp_path, STORES)
    assert state.swept == 1
    assert state.objects.drop_orphans(before_us) == 0
    (orphan,) = tmp_path.glob("stores/trial/orphans/*.dcm")
    assert orphan.read_bytes() == b"never committed"
    assert state.objects.drop_orphans(before_us + 3_600_000_000) == 1
    assert not orphan.exists()
    close(state)


def test_a_name_that_was_set_aside_is_not_given_again(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state", STORES)
    close(state)
    shutil.copyfile(tmp_path / "state" / "catalogue.sqlite", tmp_path / "backup.sqlite")
    state = StateDirectory(tmp_path / "state", STORES)
    orphan = state.objects.create("default").object_id
    close(state)
    close(StateDirectory(tmp_path / "state", STORES))
    shutil.copyfile(tmp_path / "backup.sqlite", tmp_path / "state" / "catalogue.sqlite")
    state = StateDirectory(tmp_path / "state", STORES)
    assert state.objects.create("default").object_id > orphan
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


def test_a_catalogue_that_is_gone_while_its_objects_are_there_is_told(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, STORES)
    store(state, "1")
    close(state)
    (tmp_path / "catalogue.sqlite").unlink()
    with pytest.raises(DianaError) as caught:
        StateDirectory(tmp_path, STORES)
    assert caught.value.reason == Reason.STORE_DAMAGED
    assert len(files(tmp_path)) == 1


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


def test_a_purge_that_was_interrupted_is_found_again(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, STORES)
    one = store(state, "1")
    with state.catalogue.transaction() as changes:
        changes.set_state([one.object_id], State.DELETED)
        changes.purge([one.object_id])
        assert changes.emptied([one.object_id]) == {one.object_id: ("default", "1")}
    close(state)
    state = StateDirectory(tmp_path, STORES)
    with state.catalogue.snapshot() as snapshot:
        assert snapshot.unlinkable(0, 10) == [("default", one.object_id)]
        assert snapshot.header(one.object_id) is None
    close(state)


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


def test_seal_keys_are_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "seal.json"
    assert FileSealKeys(path).find("any") is None
    assert not path.exists()
    key_id, key = FileSealKeys(path).current()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert FileSealKeys(path).current() == (key_id, key)
    assert FileSealKeys(path).find(key_id) == key
    assert FileSealKeys(path).find("other") is None


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "{}", '{"current": "a", "keys": {}}', '{"current": "a", "keys": {"a": "QUJD"}}']
)
def test_a_bad_seal_key_file_is_a_bad_setting(tmp_path: Path, text: str) -> None:
    path = tmp_path / "seal.json"
    path.write_text(text)
    with pytest.raises(DianaError) as caught:
        FileSealKeys(path).current()
    assert caught.value.reason == Reason.CONFIG_INVALID
    assert path.read_text() == text


def test_a_catalogue_from_before_the_first_release_is_refused_and_nothing_is_swept(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, STORES)
    store(state, "1")
    close(state)
    with closing(sqlite3.connect(tmp_path / "catalogue.sqlite")) as catalogue:
        catalogue.execute("UPDATE meta SET value = '1' WHERE key = 'schema'")
        catalogue.commit()
    with pytest.raises(DianaError) as caught:
        StateDirectory(tmp_path, STORES)
    assert caught.value.reason == Reason.CONFIG_INVALID
    assert len(files(tmp_path)) == 1
