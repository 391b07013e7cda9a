"""The state directory over restarts, crashes, copies and mistakes."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from diana_archive.core.model import Instance, Newcomer, Origin, Selector, State
from diana_archive.stores.seal_keys import FileSealKeys
from diana_archive.stores.state import StateDirectory
from diana_common.errors import DianaError, Reason

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
    connection.close()
    with pytest.raises(DianaError) as caught:
        StateDirectory(tmp_path, STORES)
    assert caught.value.reason == Reason.STORE_SCHEMA_NEWER


def test_a_purge_that_was_interrupted_is_found_again(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, STORES)
    one = store(state, "1")
    with state.catalogue.transaction() as changes:
        changes.set_state([one.object_id], State.DELETED)
        assert changes.purge([one.object_id]) == [("default", "1")]
    close(state)
    state = StateDirectory(tmp_path, STORES)
    with state.catalogue.snapshot() as snapshot:
        assert snapshot.unlinkable(10) == [("default", one.object_id)]
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
