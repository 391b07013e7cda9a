"""The client against the real archive, and through a crash of it."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from diana.archive.v1.feed_pb2 import COMPLETION_REASON_DECLARED, Evidence, SourceCount
from diana_client import (
    ArchiveClient,
    AsyncArchiveClient,
    Conflict,
    GuidClient,
    HealthClient,
    IndexClient,
    InvalidRequest,
    NotFound,
    OperationClient,
    OutOfRange,
    Serving,
    UploadItem,
    connect,
    connect_async,
    raise_if_failed,
    record_attributes,
    subject,
)
from tests.support.dicom_files import ROOT, make_ct, make_small
from tests.support.mesh import Mesh

STUDY = f"{ROOT}.2.1"


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    with Mesh(tmp_path, "archive") as mesh:
        yield mesh


def _files(count: int) -> dict[str, bytes]:
    return {f"{ROOT}.4.{n}": make_small(sop_uid=f"{ROOT}.4.{n}") for n in range(count)}


def test_what_went_in_comes_out_byte_for_byte(mesh: Mesh, tmp_path: Path) -> None:
    files = _files(300) | {f"{ROOT}.5.1": make_ct(rows=2048, cols=1024, sop_uid=f"{ROOT}.5.1")}
    with connect(mesh.archive) as channel:
        archive = ArchiveClient(channel)
        assert len(list(archive.find_missing(files))) == 301
        results = list(archive.upload((UploadItem(uid, data) for uid, data in files.items()), streams=4))
        assert sorted(result.instance.sop_instance_uid for result in results) == sorted(files)
        assert list(archive.find_missing(files)) == []
        assert {d.instance.sop_instance_uid: d.read() for d in archive.download(STUDY)} == files
        saved = list(archive.download_to(tmp_path / "out", STUDY))
        assert {file.path.stem: file.path.read_bytes() for file in saved} == files
        large = files[f"{ROOT}.5.1"]
        assert b"".join(archive.read(f"{ROOT}.5.1")) == large
        assert b"".join(archive.read(f"{ROOT}.5.1", offset=1 << 20, limit=3000)) == large[1 << 20 : (1 << 20) + 3000]
        assert len(list(archive.instances(STUDY, page_size=100))) == 301
        assert archive.study(STUDY).instance_count == 301


def test_the_archives_refusals_are_typed(mesh: Mesh) -> None:
    good = make_small()
    with connect(mesh.archive) as channel:
        archive = ArchiveClient(channel)
        other = make_small(PatientID="OTHER")
        results = [next(archive.upload([data])) for data in (good, good, other, b"no DICOM", good[:5000])]
        assert [result.error and type(result.error) for result in results] == [
            None, None, Conflict, InvalidRequest, InvalidRequest,
        ]  # fmt: skip
        assert results[2].error is not None
        assert results[2].error.reason == "INSTANCE_CONFLICT"
        assert results[2].error.remedy
        with pytest.raises(OutOfRange):
            list(archive.read(f"{ROOT}.4.1", offset=1 << 30))
        with pytest.raises(NotFound):
            list(archive.download("9.9"))
        with pytest.raises(NotFound) as unknown:
            list(archive.upload([good], store="nowhere"))
        assert unknown.value.reason == "STORE_UNKNOWN"
        with pytest.raises(InvalidRequest) as bad:
            archive.study("no uid")
        assert [path for path, _ in bad.value.fields] == ["study_uid"]


def test_a_source_that_cannot_be_read_leaves_the_stream_whole(mesh: Mesh, tmp_path: Path) -> None:
    with connect(mesh.archive) as channel:
        results = {r.key: r.error for r in ArchiveClient(channel).upload([tmp_path / "missing", make_small()])}
    assert [type(error).__name__ for error in results.values() if error] == ["SourceUnreadable"]
    assert results[1] is None


def test_attributes_deletes_and_the_feed(mesh: Mesh) -> None:
    with connect(mesh.archive) as channel:
        archive = ArchiveClient(channel)
        stored = next(archive.upload([make_small()]))
        assert archive.update_attributes(STUDY, {"trial": "T1"}).study.attributes["trial"] == "T1"
        archive.seal_attributes(STUDY, {"accession": "A1"})
        assert archive.unseal_attributes(STUDY) == {"accession": "A1"}
        assert not archive.record_evidence(STUDY, Evidence(source_count=SourceCount(instance_count=2))).complete
        archive.complete(STUDY, COMPLETION_REASON_DECLARED, expected_instances=1)
        assert archive.delete(STUDY).deleted_count == 1
        assert archive.undelete(STUDY).restored_count == 1
        watch = archive.watch_feed(stop_at_head=True)
        kinds = [entry.WhichOneof("event") for message in watch for entry in message.entries]
        assert kinds == [
            "instance_stored",
            "study_attributes_changed",
            "study_attributes_changed",
            "study_completed",
            "instances_deleted",
            "instances_restored",
        ]
        later = archive.watch_feed(stored.position, stop_at_head=True, omit_headers=True)
        assert len([entry for message in later for entry in message.entries]) == 5


def test_an_upload_outlives_a_crash_of_the_archive(mesh: Mesh) -> None:
    files = _files(400)
    with connect(mesh.archive) as channel:
        archive = ArchiveClient(channel)
        uploaded = archive.upload((UploadItem(uid, data) for uid, data in files.items()), window=1 << 20, attempts=30)
        results = [next(uploaded) for _ in range(50)]
        mesh.processes["archive"].kill()
        mesh.processes["archive"].start()
        results += uploaded
        assert all(result.error is None for result in results)
        assert sorted(result.key for result in results) == sorted(files)
        for downloaded in archive.download(STUDY):
            data = downloaded.read()
            assert (
                hashlib.sha256(data).digest()
                == hashlib.sha256(files.pop(downloaded.instance.sop_instance_uid)).digest()
            )
    assert files == {}


async def test_the_asyncio_client_does_the_same(mesh: Mesh) -> None:
    files = _files(100)
    async with connect_async(mesh.archive) as channel:
        archive = AsyncArchiveClient(channel)
        results = [r async for r in archive.upload((UploadItem(u, d) for u, d in files.items()), streams=2)]
        assert sorted(result.instance.sop_instance_uid for result in results) == sorted(files)
        got = {d.instance.sop_instance_uid: await d.read() async for d in archive.download(STUDY)}
        assert got == files
        with pytest.raises(NotFound) as unknown:
            _ = [result async for result in archive.upload(files.values(), store="nowhere")]
        assert unknown.value.reason == "STORE_UNKNOWN"


def test_the_clients_of_index_and_guid_speak_to_the_real_services(tmp_path: Path) -> None:
    with Mesh(tmp_path) as mesh:
        with connect(mesh.archive) as channel:
            stored = [result.position for result in ArchiveClient(channel).upload(_files(3).values())]
        with connect(mesh.index) as channel:
            index, operations = IndexClient(channel), OperationClient(channel)
            (study,) = index.find("study", {"PatientID": "PHANTOM0?"}, at_least_position=stored[-1])
            assert (study.study_uid, record_attributes(study)["00100020"]) == (STUDY, "PHANTOM01")
            assert index.count("instance") == 3
            with pytest.raises(InvalidRequest) as caught:
                list(index.find("study", {"NoSuchKey": "1"}))
            assert caught.value.reason == "KEY_UNSUPPORTED"
            rebuilt = operations.wait(index.rebuild().name, timeout=60)
            raise_if_failed(rebuilt)
            assert [operation.name for operation in operations.list()] == [rebuilt.name]
            assert list(operations.failures(rebuilt.name)) == []
            assert HealthClient(channel).check("diana.index.v1.IndexService") is Serving.SERVING
        with connect(mesh.guid) as channel:
            guid = GuidClient(channel)
            asked = subject("P1", birth_date=datetime.date(1961, 4, 4), sex="F")
            assert {minted.identity.id for minted in guid.mint_many([asked] * 3) if minted.identity} == {
                guid.mint(asked).id
            }
            assert guid.map_identifiers(["1.2"]).uids[0].startswith("2.25.")
