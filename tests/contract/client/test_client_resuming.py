"""Large items against the real archive: what breaks goes on where it was."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import add_ArchiveServiceServicer_to_server
from diana_archive.core.ports import OpenDraft
from diana_archive.servicer import ArchiveServicer
from diana_client import ArchiveClient, AsyncArchiveClient, PermissionDenied, UploadItem, connect, connect_async
from diana_client.items import Source
from diana_common.errors import DianaError, Reason
from diana_server.config import ServerConfig
from diana_server.server import Server
from tests.contract.archive.harness import Clock, Rig, get, open_door, uid
from tests.contract.archive.harness import DirectDoor as Door
from tests.support.cutting_proxy import CuttingProxy
from tests.support.dicom_files import make_ct, make_small

MIB = 1 << 20
LARGE = make_ct(rows=2100, cols=2100, sop_uid=uid(1))
STORED, ALREADY_STORED = pb.UploadResult.OUTCOME_STORED, pb.UploadResult.OUTCOME_ALREADY_STORED


class Tapped(ArchiveServicer):
    """Keeps the chunks of every upload stream, changes some, and breaks streams after so many."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.streams: list[list[pb.UploadChunk]] = []
        self.cuts: list[int] = []
        self.spoil = 0

    def UploadInstances(
        self, request_iterator: Iterator[pb.UploadInstancesRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.UploadInstancesResponse]:
        yield from super().UploadInstances(self._tap(request_iterator), context)

    def _tap(self, messages: Iterator[pb.UploadInstancesRequest]) -> Iterator[pb.UploadInstancesRequest]:
        seen: list[pb.UploadChunk] = []
        self.streams.append(seen)
        cut = self.cuts.pop(0) if self.cuts else 1 << 30
        for message in messages:
            for chunk in message.chunks:
                seen.append(chunk)
                if len(seen) > cut:
                    raise DianaError(Reason.STOPPING, "Cut.")
                if self.spoil and chunk.write_offset and chunk.data:
                    self.spoil -= 1
                    chunk.data = chunk.data[:-1] + bytes([chunk.data[-1] ^ 1])
            yield message

    @property
    def chunks(self) -> list[pb.UploadChunk]:
        return [chunk for stream in self.streams for chunk in stream]


@pytest.fixture(autouse=True)
def low_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items need not be that large here."""
    for module in ("ledger", "upload_names"):
        monkeypatch.setattr(f"diana_client.{module}.RESUMABLE_BYTES", MIB)


@contextmanager
def opened_rig(place: Path) -> Iterator[Rig]:
    rig = Rig("memory", place / "state", Clock())
    yield rig
    rig.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with opened_rig(tmp_path) as rig:
        yield rig


@pytest.fixture
def tapped(rig: Rig) -> Tapped:
    return Tapped(rig.archive, rig.queue, threading.Event())


@pytest.fixture
def address(tapped: Tapped) -> Iterator[str]:
    server = Server("archive", ServerConfig())
    contract = pb.DESCRIPTOR.services_by_name["ArchiveService"]
    server.add(contract, add_ArchiveServiceServicer_to_server, tapped, ready=lambda: None)
    yield server.start()
    server.stop(0)


@pytest.fixture
def client(address: str) -> Iterator[ArchiveClient]:
    with connect(address) as channel:
        yield ArchiveClient(channel)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.dcm"
    path.write_bytes(LARGE)
    return path


def stored(rig: Rig, number: int = 1) -> bytes:
    return get(Door(rig), number)


def test_a_large_file_goes_with_a_name_and_checksums_and_a_small_one_without(
    client: ArchiveClient, tapped: Tapped, large: Path
) -> None:
    list(client.upload([large, make_small(sop_uid=uid(2))]))
    parts = [chunk for chunk in tapped.chunks if chunk.HasField("crc32")]
    (plain,) = [chunk for chunk in tapped.chunks if not chunk.HasField("crc32")]
    assert (plain.upload_id, plain.sha256) == ("", b"")
    assert [bool(chunk.upload_id) for chunk in parts] == [True] + [False] * (len(parts) - 1)
    assert all(chunk.crc32 == zlib.crc32(chunk.data) for chunk in parts)
    assert [chunk.sha256 for chunk in parts] == [b""] * (len(parts) - 1) + [hashlib.sha256(LARGE).digest()]
    assert str(large) not in parts[0].upload_id
    assert b"".join(chunk.data for chunk in parts) == LARGE


@pytest.mark.parametrize("kind", ["path", "bytes", "opener"])
def test_after_cuts_only_what_is_missing_is_sent(
    client: ArchiveClient, rig: Rig, tapped: Tapped, large: Path, kind: str
) -> None:
    tapped.cuts = [3, 0, 2, 1]
    sources: dict[str, Source] = {"path": large, "bytes": LARGE, "opener": lambda: io.BytesIO(LARGE)}
    (result,) = client.upload([UploadItem("key", sources[kind], size=len(LARGE))])
    assert (result.key, result.error, result.outcome) == ("key", None, STORED)
    assert stored(rig) == LARGE
    assert [stream[0].write_offset for stream in tapped.streams if stream] == [0, 3 * MIB, 3 * MIB, 5 * MIB, 6 * MIB]


def test_an_upload_may_be_cut_more_often_than_there_are_attempts_as_long_as_it_gets_on(
    client: ArchiveClient, tapped: Tapped, large: Path
) -> None:
    tapped.cuts = [1] * 7
    (result,) = client.upload([large], attempts=2)
    assert result.outcome == STORED
    assert len(tapped.streams) == 8


def test_another_client_goes_on_with_a_file(client: ArchiveClient, rig: Rig, tapped: Tapped, large: Path) -> None:
    tapped.cuts = [4]
    with pytest.raises(Exception, match="STOPPING"):
        list(client.upload([large], attempts=1))
    assert next(client.upload([str(large)])).outcome == STORED
    assert tapped.streams[1][0].write_offset == 4 * MIB
    assert stored(rig) == LARGE


def test_a_name_of_the_callers_own_serves_for_sources_of_any_kind(client: ArchiveClient, tapped: Tapped) -> None:
    tapped.cuts = [4]
    with pytest.raises(Exception, match="STOPPING"):
        list(client.upload([UploadItem(1, io.BytesIO(LARGE), upload_id="mine")], attempts=1))
    assert next(client.upload([UploadItem(1, io.BytesIO(LARGE), upload_id="mine")])).outcome == STORED
    assert tapped.streams[1][0].write_offset == 4 * MIB


def test_a_file_that_changed_is_another_upload(client: ArchiveClient, rig: Rig, tapped: Tapped, large: Path) -> None:
    tapped.cuts = [4]
    with pytest.raises(Exception, match="STOPPING"):
        list(client.upload([large], attempts=1))
    changed = LARGE[:-1] + b"\x01"
    large.write_bytes(changed)
    os.utime(large, ns=(0, 0))
    assert next(client.upload([large])).outcome == STORED
    assert tapped.streams[1][0].write_offset == 0
    assert stored(rig) == changed


def test_other_bytes_under_the_same_name_are_found_out_and_sent_from_the_first(
    client: ArchiveClient, rig: Rig, tapped: Tapped
) -> None:
    tapped.cuts = [4]
    with pytest.raises(Exception, match="STOPPING"):
        list(client.upload([UploadItem(1, bytes(5 * MIB), upload_id="mine")], attempts=1))
    assert next(client.upload([UploadItem(1, LARGE, upload_id="mine")])).outcome == STORED
    assert stored(rig) == LARGE


def test_what_is_changed_on_the_way_is_sent_again_from_there(
    client: ArchiveClient, rig: Rig, tapped: Tapped, large: Path
) -> None:
    tapped.spoil = 2
    assert next(client.upload([large])).outcome == STORED
    assert stored(rig) == LARGE
    assert sum(chunk.write_offset == 0 for chunk in tapped.chunks) == 1


def test_what_is_changed_on_the_way_every_time_is_refused_and_never_stored(
    client: ArchiveClient, rig: Rig, tapped: Tapped, large: Path
) -> None:
    tapped.spoil = 1 << 30
    (result,) = client.upload([large])
    assert result.error is not None
    assert result.error.reason == "CHECKSUM_MISMATCH"
    assert rig.archive.listing.statistics("").instance_count == 0


def test_a_file_given_twice_is_stored_once(client: ArchiveClient, tapped: Tapped, large: Path) -> None:
    results = list(client.upload([large, large, large], streams=3))
    assert sorted(result.outcome for result in results) == [STORED, ALREADY_STORED, ALREADY_STORED]


def test_two_programs_that_send_one_file_at_a_time_both_come_through(client: ArchiveClient, large: Path) -> None:
    outcomes: list[int] = []
    threads = [
        threading.Thread(target=lambda: outcomes.extend(one.outcome for one in client.upload([large])))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4
    assert set(outcomes) <= {STORED, ALREADY_STORED}


def test_an_archive_with_no_room_for_another_unfinished_upload_gets_it_at_once(
    client: ArchiveClient, rig: Rig, tapped: Tapped, large: Path
) -> None:
    rig.archive._resuming._most = 0
    assert next(client.upload([large])).outcome == STORED
    assert stored(rig) == LARGE


def test_a_file_refused_at_its_end_on_a_full_disk_is_stored_later_without_a_byte_more(
    client: ArchiveClient, rig: Rig, tapped: Tapped, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(rig.objects, "full", True)
        (result,) = client.upload([large])
        assert getattr(result.error, "reason", "") == "DISK_FULL"
    assert next(client.upload([large])).outcome == STORED
    assert stored(rig) == LARGE
    assert sum(len(chunk.data) for chunk in tapped.chunks) == len(LARGE)


def test_an_archive_too_busy_to_finish_an_upload_is_asked_again_without_a_byte_more(
    client: ArchiveClient, rig: Rig, tapped: Tapped, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopt, refusals = rig.objects.adopt, iter(range(2))

    def adopt_at_the_third_try(store: str, path: Path) -> OpenDraft:
        if next(refusals, None) is not None:
            raise OSError(errno.EMFILE, "busy")
        return adopt(store, path)

    monkeypatch.setattr(rig.objects, "adopt", adopt_at_the_third_try)
    assert next(client.upload([large])).outcome == STORED
    assert stored(rig) == LARGE
    assert sum(len(chunk.data) for chunk in tapped.chunks) == len(LARGE)


def test_an_upload_that_goes_on_at_another_process_begins_anew_there(rig: Rig, large: Path, tmp_path: Path) -> None:
    with open_door("grpc", rig) as first, opened_rig(tmp_path / "other") as other, open_door("grpc", other) as second:

        def go_over() -> None:
            # Cut no sooner than the first process has taken something up: a cut may void what it has not read.
            until(lambda: rig.parts.exists() and any(rig.parts.iterdir()))
            proxy.target = second.address

        proxy = CuttingProxy(first.address, [3 * MIB], on_cut=go_over)
        with proxy, connect(proxy.address) as channel:
            assert next(ArchiveClient(channel).upload([large])).outcome == STORED
        assert stored(other) == LARGE
        (left,) = rig.parts.iterdir()
        assert not list(other.parts.iterdir())
        # The other's offset is no help at the first one, which says where it is.
        with connect(first.address) as channel:
            assert next(ArchiveClient(channel).upload([large])).outcome == STORED
        assert not left.exists()


def until(true: Callable[[], bool]) -> None:
    """Wait for something that is bound to come."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_large_file_that_is_torn_is_that_items_error_alone(client: ArchiveClient, rig: Rig) -> None:
    class Torn(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= 3 * MIB:
                raise OSError("torn")
            return super().read(size)

    items = [UploadItem("torn", lambda: Torn(LARGE), size=len(LARGE)), UploadItem("whole", make_small(sop_uid=uid(2)))]
    results = {result.key: result.error for result in client.upload(items)}
    assert results["whole"] is None
    assert getattr(results["torn"], "reason", "") == "SOURCE_UNREADABLE"


async def test_the_asyncio_client_resumes_and_hands_over_too(
    client: ArchiveClient, address: str, rig: Rig, tapped: Tapped, large: Path
) -> None:
    tapped.cuts = [3]
    rig.spool.mkdir()
    (rig.spool / "x").write_bytes(make_small(sop_uid=uid(2)))
    async with connect_async(address) as channel:
        archive = AsyncArchiveClient(channel)
        assert [result.outcome async for result in archive.upload([large])] == [STORED]
        assert [result.outcome async for result in archive.adopt(["x"], spool="door")] == [STORED]
        with pytest.raises(PermissionDenied):
            [result async for result in archive.adopt(["x"], spool="other")]
    assert tapped.streams[1][0].write_offset == 3 * MIB


def test_files_of_a_spool_directory_are_handed_over(client: ArchiveClient, rig: Rig) -> None:
    rig.spool.mkdir()

    def names() -> Iterator[str]:
        for number in range(5):
            (rig.spool / f"{number}.dcm").write_bytes(make_small(sop_uid=uid(number)))
            yield f"{number}.dcm"
        yield "missing"
        raise LookupError("mine")

    results = {}
    with pytest.raises(LookupError, match="mine"):
        for result in client.adopt(names(), spool="door"):
            results[result.key] = result
    assert [results[f"{number}.dcm"].outcome for number in range(5)] == [STORED] * 5
    assert getattr(results["missing"].error, "reason", "") == "SOURCE_NOT_FOUND"
    with pytest.raises(PermissionDenied):
        list(client.adopt([], spool="other"))
