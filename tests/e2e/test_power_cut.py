"""Power cuts at any moment: an archive at work is recorded call by call, its disk is laid out as a power cut may leave
it (tests.support.power_cut says what is assumed), and opened: all that was acknowledged by then must be there."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.polyglot.toolchain import needs
from tests.support.archive_clients import COMPRESSED, ROOT
from tests.support.archive_doors import DOOR, Resumed, Unfinished
from tests.support.archive_places import config_of, settings
from tests.support.dicom_files import make_small
from tests.support.disk_trace import Event, read_events, record
from tests.support.mesh import Mesh
from tests.support.power_cut import Disk, strategies
from tests.support.power_cut_workload import RESUMED
from tests.support.promises import Promises, broken_promises
from tests.support.upload import archive_stub, read, reason_of, upload

SYNC_DELAY_US = 2000
LOST = "all unsynced is lost"
NEVER_LAID_OUT = ("catalogue.sqlite-shm", "operations.sqlite-shm")


@dataclass(frozen=True)
class Recording:
    """What an archive did to its state directory, and how that was left."""

    events: list[Event]
    root: Path


def make_recording(directory: Path, seed: int, amount: int) -> Recording:
    needs("strace")
    root = directory / "state" / "archive"
    root.mkdir(parents=True, mode=0o700)
    trace, marks = directory / "trace", directory / "marks"
    workload = [sys.executable, "-m", "tests.support.power_cut_workload", str(root.parent), str(marks)]
    record([*workload, str(seed), str(amount)], trace, SYNC_DELAY_US, {"PYTHONPATH": os.pathsep.join(sys.path)})
    events = read_events(trace, root, marks)
    trace.unlink()
    return Recording(events, root)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return make_recording(tmp_path_factory.mktemp("recording"), seed=1, amount=20)


@pytest.fixture
def places() -> Iterator[Path]:
    """Where states are laid out: in memory where there is some, since no sync there need be waited for."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as directory:
        yield Path(directory)


def choose_cuts(events: Sequence[Event], count: int, chance: random.Random) -> list[int]:
    """Half right after an acknowledgement, when most is owed, half anywhere."""
    acknowledged = [number + 1 for number, event in enumerate(events) if event.kind == "mark" and b'ed"' in event.data]
    return sorted(chance.choice(acknowledged if number % 2 else range(len(events))) for number in range(count))


def cut_power(recording: Recording, places: Path, cuts: int, seed: int, every_luck: bool = False) -> list[str]:
    """Cut, lay out, open: what is complained of, with the place to look at."""
    chance = random.Random(seed)
    lucks = strategies(seed)
    wanted = choose_cuts(recording.events, cuts, chance)
    disk, promises, complaints = Disk(recording.root), Promises(), []
    for number, event in enumerate(recording.events):
        disk.take(event)
        if event.kind == "mark":
            promises.take(event.data)
        for _ in range(wanted.count(number + 1)):
            names = list(lucks) if every_luck else [LOST, chance.choice([one for one in lucks if one != LOST])]
            for name in names:
                place = places / "cut"
                disk.lay_out(place, lucks[name])
                complaints += [
                    f"cut after event {number}, {name}: {one}" for one in broken_promises(config_of(place), promises)
                ]
                shutil.rmtree(place)
    return complaints


def without_syncs(recording: Recording, left_out: str) -> Recording:
    """The same, had some of the syncs been left out."""
    folders = {event.path for event in recording.events if event.kind == "mkdir"}
    stores = str(recording.root / "stores")

    def is_left_out(event: Event) -> bool:
        if left_out == "the catalogue's log":
            return event.path.endswith("catalogue.sqlite-wal")
        if left_out == "compressed bytes":
            return event.path.endswith(".zst")
        return event.path.startswith(stores) and (event.path in folders) == (left_out == "names of objects")

    nothing = Event("mark", "", data=b'{"kind": "starting"}')
    events = [nothing if event.kind == "sync" and is_left_out(event) else event for event in recording.events]
    return Recording(events, recording.root)


def contents(directory: Path) -> dict[str, bytes]:
    files = [path for path in directory.rglob("*") if path.is_file() and path.name not in NEVER_LAID_OUT]
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


@pytest.mark.timeout(300)
def test_the_recording_tells_all_that_was_done(recording: Recording, places: Path) -> None:
    disk = Disk(recording.root)
    for event in recording.events:
        disk.take(event)
    disk.lay_out_seen(places / "seen")
    assert contents(places / "seen") == contents(recording.root)


def test_the_recording_has_all_kinds_of_work(recording: Recording) -> None:
    done = {
        (event.kind, *Path(event.path).relative_to(recording.root).parts)
        for event in recording.events
        if event.kind != "mark"
    }
    compressed = [one for one in done if one[0] == "create" and one[-1].endswith(".zst")]
    assert compressed, "loose files were compressed"
    for store in ("short", COMPRESSED):
        assert any(one[0] == "punch" and one[1:4] == ("stores", store, "packs") for one in done), f"{store} was purged"
    assert any(one[:2] == ("unlink", DOOR) for one in done), "files were adopted"
    assert any(one[0] in ("link", "rename") and one[1] == "uploads" for one in done), "uploads were resumed"


@pytest.mark.timeout(300)
def test_a_power_cut_at_any_moment_loses_nothing_acknowledged(recording: Recording, places: Path) -> None:
    assert cut_power(recording, places, cuts=100, seed=1) == []


@pytest.mark.parametrize(
    "left_out", ["bytes of objects", "compressed bytes", "names of objects", "the catalogue's log"]
)
def test_syncs_that_were_left_out_would_be_noticed(recording: Recording, places: Path, left_out: str) -> None:
    assert cut_power(without_syncs(recording, left_out), places, cuts=10, seed=2)


def begun(promises: Promises) -> Iterator[tuple[Resumed, Unfinished]]:
    """The uploads of which something may have arrived, and who goes on with them."""
    for (store, uid), may in promises.presence.items():
        number = int(uid.removeprefix(f"{ROOT}.").partition(".")[0])
        if number in RESUMED and len(may) > 1:
            client = Resumed(number, 0, Promises(), random.Random(uid))
            yield client, client.remake(store, uid, promises.digests[store, uid])


@pytest.mark.timeout(300)
def test_an_archive_starts_on_what_a_power_cut_left_and_takes_more(recording: Recording, places: Path) -> None:
    disk, promises, chance = Disk(recording.root), Promises(), random.Random(3)
    lucks = list(strategies(3).values())
    wanted = choose_cuts(recording.events, 3, chance)
    for number, event in enumerate(recording.events):
        disk.take(event)
        if event.kind == "mark":
            promises.take(event.data)
        if number + 1 in wanted:
            state = places / str(number)
            state.mkdir()
            directory = state / "archive"
            disk.lay_out(directory, chance.choice(lucks))
            with Mesh(state, "archive", settings=settings(directory)) as mesh, archive_stub(mesh.archive) as stub:
                data = make_small(sop_uid="1.2.3.4", study_uid="1.2.3.1", series_uid="1.2.3.2")
                assert reason_of(upload(stub, [data])[0]) == ""
                assert read(stub, "1.2.3.4") == data
                for client, one in begun(promises):
                    # What arrived of it may be damaged: the digest tells, and it begins anew.
                    client.finish(stub, one, "CHECKSUM_MISMATCH")
                    assert read(stub, one.uid, store=one.store) == one.data


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2, 5))
def test_power_cuts_by_the_hundred_lose_nothing_acknowledged(tmp_path: Path, places: Path, seed: int) -> None:
    recording = make_recording(tmp_path, seed, amount=30)
    assert cut_power(recording, places, cuts=60, seed=seed, every_luck=True) == []
