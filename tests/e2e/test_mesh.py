"""The mesh as its users have it: real processes, real DICOM in, found again, fetched back."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from diana_client import ArchiveClient, IndexClient, OperationClient, UploadItem, connect
from tests.support.dicom_files import make_ct, make_small
from tests.support.mesh import Mesh

REAL_FILES = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "JPEG2000.dcm", "liver_1frame.dcm", "reportsi.dcm")
STORES = 16
"""At least as many as there are tests."""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    stores: dict[str, dict[str, str]] = {f"store{number}": {} for number in range(STORES)}
    settings = {"DIANA_ARCHIVE_STORES": json.dumps(stores)}
    with Mesh(tmp_path_factory.mktemp("mesh"), "archive", "index", settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def store(numbers: Iterator[int]) -> str:
    """One that no other test uses."""
    return f"store{next(numbers)}"


def real_files() -> list[Path]:
    return [Path(str(get_testdata_file(name, download=False))) for name in REAL_FILES]


def study_of(number: int, instances: int) -> list[bytes]:
    root = f"1.2.826.0.1.77.{number}"
    return [
        make_small(patient_id=f"P{number}", study_uid=f"{root}.1", series_uid=f"{root}.2", sop_uid=f"{root}.3.{one}")
        for one in range(1, instances + 1)
    ]


def test_real_files_are_stored_found_by_what_was_just_put_and_fetched_byte_for_byte(mesh: Mesh, store: str) -> None:
    with connect(mesh.archive) as archive_channel, connect(mesh.index) as index_channel:
        archive, index = ArchiveClient(archive_channel), IndexClient(index_channel)
        results = list(archive.upload(real_files(), store=store))
        assert [one.error for one in results] == [None] * len(REAL_FILES)
        sent = {one.instance.sop_instance_uid: Path(one.key).read_bytes() for one in results}
        for result in results:
            found = list(
                index.find(
                    "instance",
                    {"SOPInstanceUID": result.instance.sop_instance_uid},
                    at_least_position=result.position,
                    store=store,
                )
            )
            assert [one.study_uid for one in found] == [result.instance.study_uid]
        for study in archive.studies(store=store):
            for downloaded in archive.download(study.study_uid, store=store):
                uid = downloaded.instance.sop_instance_uid
                assert downloaded.read() == sent.pop(uid)
    assert not sent


def test_a_range_of_a_large_instance_is_read_alone(mesh: Mesh, store: str) -> None:
    data = make_ct(2048, 2048)
    with connect(mesh.archive) as channel:
        archive = ArchiveClient(channel)
        result = next(archive.upload([UploadItem("large", data)], store=store))
        uid = result.instance.sop_instance_uid
        assert b"".join(archive.read(uid, store=store)) == data
        assert b"".join(archive.read(uid, store=store, offset=3_000_000, limit=2_000_000)) == data[3_000_000:5_000_000]
        assert result.instance.size_bytes == len(data)


def test_a_deleted_study_is_no_longer_found_and_comes_back(mesh: Mesh, store: str) -> None:
    with connect(mesh.archive) as archive_channel, connect(mesh.index) as index_channel:
        archive, index = ArchiveClient(archive_channel), IndexClient(index_channel)
        results = list(archive.upload(study_of(1, 5) + study_of(2, 3), store=store))
        assert index.count("study", at_least_position=results[-1].position, store=store) == 2
        deleted = archive.delete("1.2.826.0.1.77.1.1", store=store)
        assert deleted.deleted_count == 5
        assert index.count("study", at_least_position=deleted.position, store=store) == 1
        restored = archive.undelete("1.2.826.0.1.77.1.1", store=store)
        assert index.count("instance", at_least_position=restored.position, store=store) == 8
        assert index.count("patient", store=store) == 2


def everything(index: IndexClient, store: str) -> list[tuple[str, bytes]]:
    return [
        (level, record.SerializeToString(deterministic=True))
        for level in ("patient", "study", "series", "instance")
        for record in index.find(level, store=store)
    ]


def test_a_rebuilt_index_gives_the_same_answers(mesh: Mesh, store: str) -> None:
    with connect(mesh.archive) as archive_channel, connect(mesh.index) as index_channel:
        archive, index = ArchiveClient(archive_channel), IndexClient(index_channel)
        list(archive.upload([*real_files(), *study_of(1, 5), *study_of(2, 3)], store=store))
        position = archive.delete("1.2.826.0.1.77.2.1", store=store).position
        assert index.count("study", {"PatientID": "P1"}, at_least_position=position, store=store) == 1
        before = everything(index, store)
        operation = OperationClient(index_channel).wait(index.rebuild().name, timeout=60)
        assert operation.state == operation.STATE_SUCCEEDED
        assert everything(index, store) == before


def test_the_index_goes_on_where_it_left_off_after_both_were_killed(mesh: Mesh, store: str) -> None:
    with connect(mesh.archive) as channel:
        first = list(ArchiveClient(channel).upload(study_of(1, 4), store=store))
    mesh.processes["index"].kill()
    mesh.processes["archive"].kill()
    mesh.processes["archive"].start()
    with connect(mesh.archive) as channel:
        second = list(ArchiveClient(channel).upload(study_of(2, 4), store=store))
    mesh.processes["index"].start()
    assert first[-1].position.split("-")[0] == second[-1].position.split("-")[0]
    with connect(mesh.index) as channel:
        assert IndexClient(channel).count("instance", at_least_position=second[-1].position, store=store) == 8


def test_an_archive_begun_anew_makes_the_index_begin_anew(tmp_path: Path) -> None:
    with Mesh(tmp_path, "archive", "index") as mesh:
        with connect(mesh.archive) as archive_channel, connect(mesh.index) as index_channel:
            last = list(ArchiveClient(archive_channel).upload(study_of(1, 4)))[-1]
            assert IndexClient(index_channel).count("instance", at_least_position=last.position) == 4
        mesh.processes["archive"].stop()
        shutil.rmtree(tmp_path / "archive")
        mesh.processes["archive"].start()
        with connect(mesh.archive) as archive_channel, connect(mesh.index, timeout=60) as index_channel:
            last = list(ArchiveClient(archive_channel).upload(study_of(2, 3)))[-1]
            index = IndexClient(index_channel)
            assert index.count("instance", at_least_position=last.position) == 3
            assert index.count("study", {"PatientID": "P1"}) == 0


def test_a_graceful_stop_loses_nothing_that_was_acknowledged(mesh: Mesh, store: str) -> None:
    data = study_of(3, 50)
    with connect(mesh.archive) as channel:
        list(ArchiveClient(channel).upload(data, store=store))
    assert mesh.processes["archive"].stop() == 0
    mesh.processes["archive"].start()
    with connect(mesh.archive) as channel:
        fetched = {
            hashlib.sha256(one.read()).digest()
            for one in ArchiveClient(channel).download("1.2.826.0.1.77.3.1", store=store)
        }
    assert fetched == {hashlib.sha256(one).digest() for one in data}


def test_nothing_of_a_patient_is_in_any_log(mesh: Mesh, store: str) -> None:
    with connect(mesh.archive) as archive_channel, connect(mesh.index) as index_channel:
        archive, index = ArchiveClient(archive_channel), IndexClient(index_channel)
        data = make_small(patient_id="SECRETID", PatientName="Secret^Name", AccessionNumber="SECRETACC")
        result = next(archive.upload([data, b"SECRETID" * 100], store=store))
        list(index.find("study", {"PatientID": "SECRETID"}, at_least_position=result.position, store=store))
    logs = "".join(process.log() for process in mesh.processes.values())
    assert "secret" not in logs.lower()
