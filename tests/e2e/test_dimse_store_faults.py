"""C-STORE where things break: the archive away or full, processes killed; what was acknowledged is there."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from diana_client import ArchiveClient, connect
from diana_dimse.network.faults import AssociationEnded
from tests.support.awaiting import awaited
from tests.support.dicom_files import ROOT, make_ct, make_small
from tests.support.dimse_sender import SUCCESS, Object, Sender, send
from tests.support.mesh import Mesh

LATER = 0xA700
SENDERS = 4
SECONDS = 60.0


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    state = tmp_path_factory.mktemp("mesh")
    settings = {
        "DIANA_ARCHIVE_STORES": json.dumps({"default": {}, "small": {"quota_bytes": 30_000}}),
        "DIANA_DIMSE_ENTITIES": json.dumps(
            {"DIANA": {}, "SMALL": {"store": "small"}, "TRIAL": {"attributes": {"trial": "atlas"}}}
        ),
        "DIANA_DIMSE_LIMITS": json.dumps({"spool_bytes": 4 << 20, "instance_bytes": 3 << 20}),
    }
    with Mesh(state, "dimse", settings=settings) as mesh:
        yield mesh
        log = mesh.processes["dimse"].log()
    assert list(_spool(mesh).iterdir()) == []
    assert '"error"' not in log
    assert "Traceback" not in log


def _spool(mesh: Mesh) -> Path:
    return mesh.processes["dimse"].state / "spool" / "dimse"


class Crowd:
    """Senders that send for as long as they are let, and remember what was acknowledged."""

    def __init__(self, mesh: Mesh, number: int, rows: int) -> None:
        self.acknowledged: list[str] = []
        self.refused: list[int] = []
        self._mesh, self._number, self._rows = mesh, number, rows
        self._enough = threading.Event()
        self._some = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._send, args=(one,)) for one in range(SENDERS)]

    def __enter__(self) -> Crowd:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for one in self._threads:
            one.join(SECONDS)

    def await_acknowledged(self, count: int) -> None:
        """Wait until so many more were."""
        for _ in range(count):
            assert self._some.acquire(timeout=SECONDS)

    def _send(self, sender: int) -> None:
        number = 0
        while not self._enough.is_set():
            with suppress(AssociationEnded):
                number = self._send_over_one(sender, number)

    def _send_over_one(self, sender: int, number: int) -> int:
        template = Object.of(make_ct(rows=self._rows, cols=self._rows))
        with Sender(self._mesh.dicom, [template]) as association:
            while not self._enough.is_set():
                number += 1
                uid = f"{ROOT}.88.{self._number}.{sender}.{number}"
                one = Object.of(make_ct(rows=self._rows, cols=self._rows, SOPInstanceUID=uid))
                status = association.store(one)
                if status == SUCCESS:
                    self.acknowledged.append(uid)
                    self._some.release()
                else:
                    self.refused.append(status)
        return number

    def check(self) -> None:
        """What was acknowledged is there; what was refused may come later."""
        with connect(self._mesh.archive) as channel:
            missing = list(ArchiveClient(channel).find_missing(self.acknowledged))
        assert missing == []
        assert set(self.refused) <= {LATER}


def test_an_archive_that_is_away_means_later(mesh: Mesh) -> None:
    archive = mesh.processes["archive"]
    one = Object.of(make_small(SOPInstanceUID=f"{ROOT}.89.1"))
    large = Object.of(make_ct(SOPInstanceUID=f"{ROOT}.89.2"))
    with Sender(mesh.dicom, [one]) as sender, Sender(mesh.dicom, [large]) as other:
        archive.stop()
        with ThreadPoolExecutor() as threads:
            statuses = threads.submit(sender.store, one), threads.submit(other.store, large)
        assert [status.result() for status in statuses] == [LATER, LATER]
        archive.start()
        assert [sender.store(one), other.store(large)] == [SUCCESS, SUCCESS]


def test_an_archive_that_starts_anew_is_waited_for(mesh: Mesh) -> None:
    archive = mesh.processes["archive"]
    one = Object.of(make_small(SOPInstanceUID=f"{ROOT}.89.9"))
    with Sender(mesh.dicom, [one]) as sender, ThreadPoolExecutor() as threads:
        archive.stop()
        status = threads.submit(sender.store, one)
        archive.start()
        assert status.result() == SUCCESS


def test_a_study_gets_its_attributes_from_an_archive_that_starts_anew(mesh: Mesh) -> None:
    archive, study_uid = mesh.processes["archive"], f"{ROOT}.89.10"
    one = Object.of(make_small(SOPInstanceUID=f"{study_uid}.1", StudyInstanceUID=study_uid))
    with Sender(mesh.dicom, [one], called="TRIAL") as sender:
        assert sender.store(one) == SUCCESS
        archive.kill()
    archive.start()
    with connect(mesh.archive) as channel:
        until = time.monotonic() + SECONDS
        while not (found := dict(ArchiveClient(channel).study(study_uid).attributes)) and time.monotonic() < until:
            time.sleep(0.05)
    assert found == {"trial": "atlas"}


def test_a_store_that_is_full_means_later(mesh: Mesh) -> None:
    files = [make_small(SOPInstanceUID=f"{ROOT}.89.3.{one}") for one in range(5)]
    statuses = send(mesh.dicom, files, called="SMALL")
    assert statuses == [SUCCESS, SUCCESS, LATER, LATER, LATER]
    assert send(mesh.dicom, files[:1]) == [SUCCESS]


def test_what_is_too_large_is_not_taken_and_the_next_is(mesh: Mesh) -> None:
    large = Object.of(make_ct(rows=1400, cols=1400, SOPInstanceUID=f"{ROOT}.89.4"))
    one = Object.of(make_small(SOPInstanceUID=f"{ROOT}.89.5"))
    with Sender(mesh.dicom, [large, one]) as sender:
        assert [sender.store(large), sender.store(one)] == [LATER, SUCCESS]


def test_a_full_spool_means_later(mesh: Mesh) -> None:
    halves = [Object.of(make_ct(rows=1100, cols=1100, SOPInstanceUID=f"{ROOT}.89.6.{one}")) for one in range(2)]
    waiting, go_on = threading.Event(), threading.Event()
    statuses: list[int] = []

    def slowly(data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data) - 1024, 1 << 19):
            yield data[start : min(start + (1 << 19), len(data) - 1024)]
        yield b""  # what came before this one is on its way
        waiting.set()
        go_on.wait(SECONDS)
        yield data[-1024:]

    def hold() -> None:
        with Sender(mesh.dicom, halves) as sender:
            statuses.append(sender.store(halves[0], data=slowly(halves[0].data_set)))

    holder = threading.Thread(target=hold)
    holder.start()
    assert waiting.wait(SECONDS)
    assert awaited(lambda: sum(one.stat().st_size for one in _spool(mesh).iterdir()) > 2 << 20, SECONDS)
    with Sender(mesh.dicom, halves) as sender:
        assert sender.store(halves[1]) == LATER
        go_on.set()
        holder.join(SECONDS)
        assert statuses == [SUCCESS]
        assert sender.store(halves[1]) == SUCCESS


@pytest.mark.parametrize(("number", "rows"), [(1, 64), (2, 512)], ids=["in memory", "by spool"])
def test_an_archive_killed_in_the_midst_loses_nothing(mesh: Mesh, number: int, rows: int) -> None:
    archive = mesh.processes["archive"]
    with Crowd(mesh, number, rows) as crowd:
        for _ in range(2):
            crowd.await_acknowledged(40)
            archive.kill()
            archive.start()
        crowd.await_acknowledged(40)
    crowd.check()


@pytest.mark.parametrize(("number", "rows"), [(3, 64), (4, 512)], ids=["in memory", "by spool"])
def test_a_door_killed_in_the_midst_loses_nothing(mesh: Mesh, number: int, rows: int) -> None:
    dimse = mesh.processes["dimse"]
    with Crowd(mesh, number, rows) as crowd:
        for _ in range(2):
            crowd.await_acknowledged(40)
            dimse.kill()
            dimse.start()
        crowd.await_acknowledged(40)
    crowd.check()


def test_a_door_that_is_stopped_answers_what_is_under_way(mesh: Mesh) -> None:
    dimse = mesh.processes["dimse"]
    one = Object.of(make_ct(SOPInstanceUID=f"{ROOT}.89.7"))
    stopping, stopped = threading.Event(), threading.Thread(target=dimse.stop)

    def slowly() -> Iterator[bytes]:
        yield from (one.data_set[:100_000], b"")
        stopped.start()
        stopping.wait(0.5)  # for the signal to come; where it comes later, nothing else is shown
        yield one.data_set[100_000:]

    sender = Sender(mesh.dicom, [one])
    assert sender.store(one, data=slowly()) == SUCCESS
    with pytest.raises(AssociationEnded):
        sender.association.receive()
    stopped.join(SECONDS)
    dimse.start()
    with connect(mesh.archive) as channel:
        assert list(ArchiveClient(channel).find_missing([one.sop_instance_uid])) == []


@pytest.mark.soak
def test_an_archive_that_hangs_means_later(mesh: Mesh) -> None:
    archive = mesh.processes["archive"]
    one = Object.of(make_small(SOPInstanceUID=f"{ROOT}.89.8"))
    if archive.popen is None:
        raise RuntimeError("the archive does not run")
    with Sender(mesh.dicom, [one]) as sender:
        os.kill(archive.popen.pid, signal.SIGSTOP)
        try:
            assert sender.store(one) == LATER
        finally:
            os.kill(archive.popen.pid, signal.SIGCONT)
        assert sender.store(one) == SUCCESS
