"""What an acknowledgement outlives, as configured."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from diana_archive.adapters.metrics import tell_durability
from diana_archive.config import ArchiveConfig
from diana_archive.stores import mark
from diana_archive.stores.state import StateDirectory
from diana_common.errors import DianaError, Reason
from diana_server.config import load_config
from tests.polyglot.toolchain import needs
from tests.support.commits import COMMITS, STORES, commit
from tests.support.disk_trace import read_events, record


def synced(directory: Path, durability: str) -> set[str]:
    """Which kinds of file are synced by a few commits."""
    needs("strace")
    root, marks, trace = directory / "state", directory / "marks", directory / "trace"
    command = [sys.executable, "-m", "tests.support.commits", str(root), str(marks), durability]
    record(command, trace, environment={"PYTHONPATH": os.pathsep.join(sys.path)})
    events = read_events(trace, root, marks)
    first, last = [number for number, event in enumerate(events) if event.kind == "mark"]
    during = events[first:last]
    assert sum(event.kind == "write" and event.path.endswith(".dcm") for event in during) == COMMITS
    return {Path(event.path).suffix or "directory" for event in during if event.kind == "sync"}


def test_by_default_every_commit_waits_for_its_files_its_names_and_its_rows(tmp_path: Path) -> None:
    assert synced(tmp_path, ArchiveConfig().durability) == {".dcm", ".pack", ".sqlite-wal", "directory"}


def test_where_only_the_process_may_crash_no_commit_waits_for_the_disk(tmp_path: Path) -> None:
    assert synced(tmp_path, "process_crash") == set()


@contextmanager
def opened(directory: Path, relaxed: bool = True) -> Iterator[StateDirectory]:
    state = StateDirectory(directory, STORES, outlives_power_cuts=not relaxed)
    try:
        yield state
    finally:
        state.catalogue.close()
        state.close()


@pytest.fixture
def reboot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The machine boots again."""
    boots = tmp_path / "boots"
    boots.write_text("0")
    monkeypatch.setattr(mark, "_BOOT_ID", boots)

    def again() -> None:
        boots.write_text(f"{int(boots.read_text()) + 1}\n")

    return again


@pytest.fixture
def killed(tmp_path: Path, reboot: Callable[[], None]) -> Path:
    """What an archive left that did not sync, and was killed after a commit."""
    with opened(tmp_path / "state") as state:
        commit(state, 1)
        shutil.copytree(tmp_path / "state", tmp_path / "killed")
    return tmp_path / "killed"


def test_a_killed_process_loses_nothing_and_its_feed_goes_on(killed: Path) -> None:
    for _ in range(2):
        with opened(killed) as state, state.catalogue.snapshot() as snapshot:
            assert snapshot.head() == 3
            assert (state.restored, state.swept) == (False, 0)


def test_after_a_power_cut_positions_are_refused_and_nothing_is_swept(killed: Path, reboot: Callable[[], None]) -> None:
    with opened(killed) as state:
        epoch = state.catalogue.epoch
        commit(state, 2)
        shutil.copytree(killed, killed.with_name("cut"))
    reboot()
    with opened(killed.with_name("cut")) as state:
        assert (state.restored, state.swept) == (True, 0)
        assert state.catalogue.epoch != epoch
        renewed = state.catalogue.epoch
    with opened(killed.with_name("cut")) as state:
        assert (state.restored, state.catalogue.epoch) == (False, renewed)


@pytest.mark.parametrize("relaxed", [True, False])
def test_one_that_was_closed_in_order_is_whole_after_any_boot(
    killed: Path, reboot: Callable[[], None], relaxed: bool
) -> None:
    with opened(killed, relaxed):
        pass
    reboot()
    with opened(killed, relaxed) as state:
        assert not state.restored


def test_who_wants_more_again_has_what_is_there_synced_first(
    killed: Path, reboot: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "sync", lambda: calls.append("sync"))
        state = StateDirectory(killed, STORES)
        assert calls == ["sync"]
        shutil.copytree(killed, killed.with_name("cut"))
    state.catalogue.close()
    state.close()
    assert calls == ["sync"]
    reboot()
    with opened(killed.with_name("cut"), relaxed=False) as state:
        assert not state.restored


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("durability: none", "power_cut or process_crash"),
        ("durability: process_crash\ncatalogue_url: postgresql://x/y\nobject_store: {bucket: b}", "state_dir"),
    ],
)
def test_a_durability_that_cannot_be_had_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "archive.yaml"
    path.write_text(f"{text}\nseal_key_file: keys.json\n")
    with pytest.raises(DianaError, match=f"durability .*{told}") as caught:
        load_config(ArchiveConfig, "archive", path, {})
    assert caught.value.reason == Reason.CONFIG_INVALID


@pytest.mark.parametrize("outlives", [True, False])
def test_whoever_runs_it_is_told_that_it_promises_less(outlives: bool) -> None:
    with capture_logs() as logs:
        tell_durability(outlives)
    assert REGISTRY.get_sample_value("diana_archive_outlives_power_cuts") == outlives
    assert [one["log_level"] for one in logs] == ([] if outlives else ["warning"])


def test_an_archive_of_files_alone_imports_nothing_that_speaks_to_postgresql_or_s3() -> None:
    script = "import sys, diana_archive.__main__; print({'psycopg', 'obstore'} & {*sys.modules})"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"
