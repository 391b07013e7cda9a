"""The DICOM door's memory: idle associations, stalled ones, large instances at once. Under 300 MB, whatever comes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.dicom_files import ROOT, make_ct, make_small
from tests.support.dimse_sender import SUCCESS, Object, Sender, data_set_of
from tests.support.large_files import head_of, pieces_of
from tests.support.mesh import Mesh
from tests.unit.dimse.network.upper_layer import pdu

MIB = 1 << 20
MOST = 300 * MIB
SECONDS = 120.0
soak = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    with Mesh(tmp_path_factory.mktemp("mesh"), "dimse") as mesh:
        yield mesh


def most_memory(mesh: Mesh) -> int:
    """The most that the door's process ever had resident; bytes."""
    process = mesh.processes["dimse"].popen
    assert process is not None
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(one.split()[1]) * 1024 for one in lines if one.startswith("VmHWM:"))


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=soak)])
def test_idle_associations_cost_little(mesh: Mesh, count: int) -> None:
    one = Object.of(make_small())
    with ExitStack() as stack:
        senders = [stack.enter_context(Sender(mesh.dicom, [one])) for _ in range(count)]
        for sender in senders:
            assert sender.store(one) == SUCCESS
        assert most_memory(mesh) < MOST


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=soak)])
def test_long_requests_that_do_not_end_cost_little(mesh: Mesh, count: int) -> None:
    host, _, port = mesh.dicom.rpartition(":")
    size = 256 * 1024
    one = Object.of(make_small())
    with ExitStack() as stack:
        with Sender(mesh.dicom, [one]) as sender:
            for _ in range(count - 1):
                sock = stack.enter_context(socket.create_connection((host, int(port)), timeout=SECONDS))
                sock.sendall(pdu(1, bytes(size - 1), length=size))
            assert sender.store(one) == SUCCESS
        assert most_memory(mesh) < MOST


STALLED = pytest.mark.parametrize("count", [20, pytest.param(100, marks=soak), pytest.param(490, marks=soak)])


@STALLED
def test_stalled_instances_cost_little(mesh: Mesh, count: int) -> None:
    _stall(mesh, count)


@STALLED
def test_stalled_instances_cost_little_without_a_spool_that_the_archive_opens(tmp_path: Path, count: int) -> None:
    settings = {"DIANA_DIMSE_SPOOL": '""', "DIANA_DIMSE_SPOOL_DIR": "null"}
    with Mesh(tmp_path / "mesh", "dimse", settings=settings) as mesh:
        _stall(mesh, count)


def _stall(mesh: Mesh, count: int) -> None:
    objects = [Object.of(make_ct(rows=724, cols=724, SOPInstanceUID=f"{ROOT}.91.{one}")) for one in range(count)]
    stalled, go_on = threading.Semaphore(0), threading.Event()

    def halting(data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data) - 1024, 1 << 16):
            yield data[start : min(start + (1 << 16), len(data) - 1024)]
        yield b""  # what came before this one is on its way
        stalled.release()
        go_on.wait(SECONDS)
        yield data[-1024:]

    def store(one: Object) -> int:
        with Sender(mesh.dicom, [one]) as sender:
            return sender.store(one, data=halting(one.data_set))

    with ThreadPoolExecutor(count) as threads:
        statuses = [threads.submit(store, one) for one in objects]
        for _ in objects:
            assert stalled.acquire(timeout=SECONDS)
        assert most_memory(mesh) < MOST
        go_on.set()
        assert {one.result() for one in statuses} == {SUCCESS}
    assert most_memory(mesh) < MOST


@pytest.mark.parametrize(("count", "size"), [(3, 20 * MIB), pytest.param(10, 100 * MIB, marks=soak)])
def test_large_instances_at_once_cost_little(mesh: Mesh, count: int, size: int) -> None:
    def store(number: int) -> int:
        uid = f"{ROOT}.92.{number}"
        head = head_of(uid, size)
        one = Object.of(head + bytes(1024))
        pieces = pieces_of(uid, size)
        first = data_set_of(next(pieces))

        def data() -> Iterator[bytes]:
            yield first
            yield from pieces

        with Sender(mesh.dicom, [one]) as sender:
            return sender.store(one, data=data())

    with ThreadPoolExecutor(count) as threads:
        assert set(threads.map(store, range(count))) == {SUCCESS}
    assert most_memory(mesh) < MOST
