"""A large instance comes through killed servers, cut connections and a killed client, and is not sent anew."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana_client import ArchiveClient, UploadItem, UploadResult, connect
from diana_client.archive_requests import ATTEMPTS
from tests.contract.archive.test_archive_streams import eventually
from tests.e2e.test_archive_disk_full import DISK_BYTES, verified
from tests.e2e.test_archive_disk_full import disk as disk
from tests.support.cutting_proxy import CuttingProxy
from tests.support.dicom_files import ROOT, make_ct
from tests.support.mesh import Mesh, Process
from tests.support.upload import CHUNK_BYTES, archive_stub

SIDE = 10_240
SIZE = 2 * SIDE * SIDE
SECONDS = 120
HALF = 8 << 20
RESERVE = DISK_BYTES // 20
ZSTD = '{"default": {"compression": "zstd"}}'


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An instance of 200 MB."""
    path = tmp_path_factory.mktemp("large") / "large.dcm"
    noise = random.Random(1).randbytes(1 << 20)
    write_ct(path, SIZE, (number.to_bytes(4, "little") + noise[4:] for number in range(SIZE >> 20)))
    yield path
    path.unlink()


def write_ct(path: Path, size: int, pixels: Iterable[bytes]) -> None:
    """An instance with so many bytes of Pixel Data."""
    head = make_ct(rows=64, cols=64)
    length = (2 * 64 * 64).to_bytes(4, "little")
    at = head.rindex(b"\xe0\x7f\x10\x00OW\x00\x00" + length) + 8
    with path.open("wb") as file:
        file.write(head[:at] + size.to_bytes(4, "little"))
        file.writelines(pixels)


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    with Mesh(tmp_path, "archive") as mesh:
        yield mesh


def upload(address: str, path: Path, attempts: int = ATTEMPTS) -> UploadResult:
    with connect(address) as channel:
        (result,) = ArchiveClient(channel).upload([path], attempts=attempts)
        return result


def check(address: str, path: Path) -> None:
    """What is stored is what was sent."""
    stored = hashlib.sha256()
    with connect(address) as channel:
        for piece in ArchiveClient(channel).read(f"{ROOT}.4.1"):
            stored.update(piece)
    with path.open("rb") as file:
        assert stored.digest() == hashlib.file_digest(file, "sha256").digest()


def arrived(archive: Process) -> int:
    """Bytes of the one upload that the archive keeps."""
    for part in (archive.state / "archive" / "uploads").glob("*.part"):
        with suppress(FileNotFoundError):
            return part.stat().st_size
    return 0


def random_cuts(count: int, seed: int) -> list[int]:
    """Bytes sent after which to cut: one somewhere in each stretch, and none in the last."""
    chance = random.Random(seed)
    return [int((number + chance.random()) * SIZE / (count + 1)) for number in range(count)]


def test_an_upload_outlives_three_kills_of_the_server(mesh: Mesh, large: Path) -> None:
    archive = mesh.processes["archive"]
    kept = []

    def kill() -> None:
        archive.kill()
        kept.append(arrived(archive))
        archive.start()

    cuts = random_cuts(3, seed=7)
    with CuttingProxy(mesh.archive, cuts, on_cut=kill) as proxy:
        result = upload(proxy.address, large)
        assert (result.error, result.outcome) == (None, pb.UploadResult.OUTCOME_STORED)
        assert len(kept) == 3
        assert 0 < kept[0] < kept[1] < kept[2] < SIZE
        assert proxy.sent < 1.5 * SIZE
    check(mesh.archive, large)
    assert arrived(archive) == 0


@pytest.mark.parametrize("hang", [False, True], ids=["closed", "left hanging"])
def test_an_upload_outlives_cut_connections(mesh: Mesh, large: Path, hang: bool) -> None:
    cuts = random_cuts(5, seed=11)
    with CuttingProxy(mesh.archive, cuts, hang) as proxy:
        result = upload(proxy.address, large)
        assert (result.error, result.outcome) == (None, pb.UploadResult.OUTCOME_STORED)
        assert proxy.sent < 1.5 * SIZE
        assert proxy.connections > len(cuts)
    check(mesh.archive, large)


def test_an_upload_goes_on_when_its_client_was_killed(mesh: Mesh, large: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from diana_client import ArchiveClient, connect\n"
        "list(ArchiveClient(connect(sys.argv[1])).upload([Path(sys.argv[2])]))"
    )
    clients: list[subprocess.Popen[bytes]] = []
    with CuttingProxy(mesh.archive, random_cuts(1, seed=3), on_cut=lambda: clients[0].kill()) as proxy:
        clients.append(subprocess.Popen([sys.executable, "-c", code, proxy.address, str(large)]))
        assert clients[0].wait(SECONDS) == -signal.SIGKILL
        result = upload(proxy.address, large)
        assert (result.error, result.outcome) == (None, pb.UploadResult.OUTCOME_STORED)
        assert proxy.sent < 1.5 * SIZE
    check(mesh.archive, large)


def test_an_upload_outlives_kills_while_it_is_finished_and_no_byte_comes_again(mesh: Mesh, large: Path) -> None:
    archive = mesh.processes["archive"]
    whole, ended, kills = large.stat().st_size, threading.Event(), 0

    def kill() -> None:
        nonlocal kills
        chance = random.Random(23)
        for delay in (0, chance.random() / 2, chance.random() / 2):
            eventually(lambda: arrived(archive) == whole or ended.is_set())
            if ended.wait(delay):
                return
            archive.kill()
            archive.start()
            kills += 1

    killer = threading.Thread(target=kill)
    with CuttingProxy(mesh.archive) as proxy:
        killer.start()
        # No try gets further than the one before: none of them counts as progress.
        result = upload(proxy.address, large, attempts=100)
        ended.set()
        killer.join()
        assert result.error is None
        assert kills
        assert proxy.sent < 1.1 * whole
    check(mesh.archive, large)
    assert arrived(archive) == 0
    with archive_stub(mesh.archive) as stub:
        found = verified(mesh, stub)
        assert (found.instance_count, found.damaged_count, found.orphan_count) == (1, 0, 0)


def test_an_upload_refused_at_its_end_by_a_full_disk_is_stored_once_there_is_room(tmp_path: Path, disk: Path) -> None:
    path, ballast = tmp_path / "half.dcm", disk / "ballast"
    write_ct(path, 2 * HALF, [random.Random(5).randbytes(HALF), bytes(HALF)])
    item = UploadItem("one", path, upload_id="one")
    # Room for what is sent, and none for what zstd makes of it.
    ballast.write_bytes(bytes(DISK_BYTES - path.stat().st_size - HALF // 2 - RESERVE))
    settings = {"DIANA_ARCHIVE_STATE_DIR": str(disk / "archive"), "DIANA_ARCHIVE_STORES": ZSTD}
    with (
        Mesh(tmp_path / "mesh", "archive", settings=settings) as mesh,
        CuttingProxy(mesh.archive) as proxy,
        connect(proxy.address) as channel,
    ):
        client = ArchiveClient(channel).within(None)
        (refused,) = client.upload([item])
        assert getattr(refused.error, "reason", "") == "DISK_FULL"
        sent = proxy.sent
        assert sent > path.stat().st_size
        (again,) = client.upload([item])
        assert getattr(again.error, "reason", "") == "DISK_FULL"
        ballast.unlink()
        (result,) = client.upload([item])
        assert (result.error, result.outcome) == (None, pb.UploadResult.OUTCOME_STORED)
        assert proxy.sent - sent < 10_000
        assert b"".join(client.read(f"{ROOT}.4.1")) == path.read_bytes()
        assert not list((disk / "archive" / "uploads").iterdir())


def test_an_abandoned_upload_is_dropped(tmp_path: Path) -> None:
    with Mesh(tmp_path, "archive", settings={"DIANA_ARCHIVE_UPLOAD_LIFETIME_SECONDS": "1"}) as mesh:
        with archive_stub(mesh.archive) as stub:
            chunk = pb.UploadChunk(tag=1, data=bytes(CHUNK_BYTES), upload_id="abandoned")
            list(stub.UploadInstances(iter([pb.UploadInstancesRequest(chunks=[chunk])])))
            archive = mesh.processes["archive"]
            eventually(lambda: arrived(archive) == 0)
            with pytest.raises(grpc.RpcError) as error:
                stub.GetUpload(pb.GetUploadRequest(upload_id="abandoned"))
            assert error.value.code() == grpc.StatusCode.NOT_FOUND
