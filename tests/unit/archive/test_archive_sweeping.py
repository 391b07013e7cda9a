"""What was never committed is set aside at the next start, which looks no further back than it must."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from diana_archive.core.model import State
from diana_archive.stores import loose, waterline
from diana_archive.stores.catalogue import SqliteCatalogue
from diana_archive.stores.state import StateDirectory
from diana_common.errors import DianaError, Reason
from tests.support.archive_state import STORES, close, commit, files, store


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


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of the objects that starts have asked their catalogue for."""
    asked: list[int] = []
    committed = SqliteCatalogue.committed

    def ask(catalogue: SqliteCatalogue, object_ids: Sequence[int]) -> set[int]:
        asked.extend(object_ids)
        return committed(catalogue, object_ids)

    monkeypatch.setattr(SqliteCatalogue, "committed", ask)
    return asked


def test_a_start_after_a_stop_looks_at_nothing_that_was_settled(tmp_path: Path, looked_at: list[int]) -> None:
    for run in range(3):
        state = StateDirectory(tmp_path, STORES)
        for number in range(5):
            store(state, f"1.{run}.{number}")
            commit(state, state.objects.place("trial", b"data" * number), f"2.{run}.{number}", "trial")
        state.objects.create("default").discard()
        close(state)
    assert looked_at == []


def test_a_start_after_a_kill_looks_at_what_was_stored_last(
    tmp_path: Path, looked_at: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waterline, "EVERY", 5)
    state = StateDirectory(tmp_path / "state", STORES)
    for number in range(40):
        store(state, f"1.{number}")
        commit(state, state.objects.place("trial", b"data"), f"2.{number}", "trial")
    state.objects.make_durable([state.objects.place("trial", b"never committed")])
    state.objects.create("default").write(b"never committed")
    shutil.copytree(tmp_path / "state", tmp_path / "killed")
    close(state)
    killed = StateDirectory(tmp_path / "killed", STORES)
    assert killed.swept == 2
    assert len(looked_at) <= 2 * waterline.EVERY + 2
    with killed.catalogue.snapshot() as snapshot:
        assert snapshot.statistics("default").instance_count == snapshot.statistics("trial").instance_count == 40
    close(killed)


def test_what_is_on_its_way_for_long_is_swept_whatever_was_stored_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waterline, "EVERY", 5)
    state = StateDirectory(tmp_path / "state", STORES)
    state.objects.create("default").write(b"never committed")
    state.objects.make_durable([state.objects.place("trial", b"never committed")])
    for number in range(40):
        store(state, f"1.{number}")
        commit(state, state.objects.place("trial", b"data"), f"2.{number}", "trial")
    shutil.copytree(tmp_path / "state", tmp_path / "killed")
    close(state)
    for directory in ("state", "killed"):
        again = StateDirectory(tmp_path / directory, STORES)
        assert again.swept == 2
        close(again)


def test_what_could_not_be_begun_is_not_waited_for(
    tmp_path: Path, looked_at: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StateDirectory(tmp_path, STORES)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr(loose, "make_directory", fail)
        state.objects.create("default")
    store(state, "1")
    close(state)
    close(StateDirectory(tmp_path, STORES))
    assert looked_at == []
