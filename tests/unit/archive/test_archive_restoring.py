"""A catalogue that was put back, moved, lost or left by a crash: which it is, is known."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from diana_archive.stores import mark
from diana_archive.stores.catalogue import SqliteCatalogue
from diana_archive.stores.state import StateDirectory
from diana_common.errors import DianaError, Reason
from diana_common.state_files import replace_file
from tests.support.archive_state import STORES, close, files, store


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


def test_a_catalogue_that_is_gone_while_its_objects_are_there_is_told(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, STORES)
    store(state, "1")
    close(state)
    (tmp_path / "catalogue.sqlite").unlink()
    with pytest.raises(DianaError) as caught:
        StateDirectory(tmp_path, STORES)
    assert caught.value.reason == Reason.STORE_DAMAGED
    assert len(files(tmp_path)) == 1
