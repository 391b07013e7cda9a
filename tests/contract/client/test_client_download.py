"""Reads, downloads and lists against an archive that keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from diana_client import ArchiveClient, FailedPrecondition, NotFound
from tests.contract.client.fake_archive import FakeArchive, file_of

MIB = 1 << 20


@pytest.fixture
def stored(fake: FakeArchive) -> dict[str, bytes]:
    """Many small instances of one series, and a large one of another."""
    fake.files = {f"1.{n:03}": file_of(f"1.{n:03}", bytes([n % 256]) * 9000) for n in range(300)}
    fake.files["1.500"] = file_of("1.500", bytes(5 * MIB + 3), series_uid="1.2.4")
    return dict(fake.files)


def test_a_study_of_many_small_and_one_large_instance_comes_whole(
    archive: ArchiveClient, stored: dict[str, bytes]
) -> None:
    got = {downloaded.instance.sop_instance_uid: downloaded.read() for downloaded in archive.download("1.2")}
    assert got == stored


def test_instances_that_nobody_reads_are_skipped(archive: ArchiveClient, stored: dict[str, bytes]) -> None:
    uids = []
    for number, downloaded in enumerate(archive.download("1.2")):
        uids.append(downloaded.instance.sop_instance_uid)
        if number % 2:
            assert next(iter(downloaded))
    assert uids == sorted(stored)


def test_a_large_instance_comes_in_pieces(archive: ArchiveClient, stored: dict[str, bytes]) -> None:
    (downloaded,) = ([len(piece) for piece in downloaded] for downloaded in archive.download("1.2", series_uid="1.2.4"))
    assert downloaded[:5] == [MIB] * 5
    assert sum(downloaded) == len(stored["1.500"])


def test_named_instances_alone_come(archive: ArchiveClient, stored: dict[str, bytes]) -> None:
    uids = [d.instance.sop_instance_uid for d in archive.download(sop_instance_uids=["1.007", "1.009"])]
    assert uids == ["1.007", "1.009"]
    assert [d.read() for d in archive.download(sop_instance_uids="1.007")] == [stored["1.007"]]


def test_leaving_a_download_early_ends_the_call(archive: ArchiveClient, stored: dict[str, bytes]) -> None:
    downloads = archive.download("1.2")
    next(downloads)
    downloads.close()
    assert list(downloads) == []
    assert archive.study("1.2").study_uid == "1.2"


def test_a_download_of_nothing_is_not_found(archive: ArchiveClient) -> None:
    with pytest.raises(NotFound) as caught:
        list(archive.download("9.9"))
    assert caught.value.reason == "STUDY_NOT_FOUND"


def test_files_are_named_by_their_uids_and_nothing_else_is_left(
    archive: ArchiveClient, stored: dict[str, bytes], tmp_path: Path
) -> None:
    saved = list(archive.download_to(tmp_path, "1.2"))
    assert {file.path: file.path.read_bytes() for file in saved} == {
        tmp_path / "1.2" / ("1.2.4" if uid == "1.500" else "1.2.3") / f"{uid}.dcm": data for uid, data in stored.items()
    }
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(file.path for file in saved)
    assert [file.instance.sop_instance_uid for file in saved] == sorted(stored)


def test_files_of_an_earlier_download_are_replaced(
    archive: ArchiveClient, stored: dict[str, bytes], tmp_path: Path
) -> None:
    (first,) = archive.download_to(tmp_path, sop_instance_uids="1.001")
    first.path.write_bytes(b"old")
    (second,) = archive.download_to(tmp_path, sop_instance_uids="1.001")
    assert second.path.read_bytes() == stored["1.001"]


@pytest.mark.parametrize(("offset", "limit"), [(0, 0), (10, 0), (0, 20), (MIB - 1, 2 * MIB), (5 * MIB, 10 * MIB)])
def test_a_read_yields_the_range_asked_for(
    archive: ArchiveClient, stored: dict[str, bytes], offset: int, limit: int
) -> None:
    data = b"".join(archive.read("1.500", offset=offset, limit=limit))
    assert data == stored["1.500"][offset : offset + limit if limit else None]


def test_lists_page_by_themselves(archive: ArchiveClient, fake: FakeArchive, stored: dict[str, bytes]) -> None:
    uids = [instance.sop_instance_uid for instance in archive.instances("1.2", page_size=100)]
    assert uids == sorted(stored)
    assert fake.calls.count("ListInstances") == 4
    assert [series.series_uid for series in archive.series("1.2")] == ["1.2.3", "1.2.4"]
    assert [study.study_uid for study in archive.studies()] == ["1.2"]
    assert [store.name for store in archive.stores()] == ["default"]


def test_missing_instances_are_asked_for_in_batches(archive: ArchiveClient, fake: FakeArchive) -> None:
    fake.files["2.15000"] = file_of("2.15000")
    missing = list(archive.find_missing(f"2.{n}" for n in range(25_000)))
    assert len(missing) == 24_999
    assert fake.calls.count("FindMissingInstances") == 3
    digest = fake.instance("2.15000").data_set_sha256
    assert list(archive.find_missing([("2.15000", digest)])) == []
    assert list(archive.find_missing([("2.15000", bytes(32))])) == ["2.15000"]


def test_deletes_and_completion_answer_with_the_position(
    archive: ArchiveClient, fake: FakeArchive, stored: dict[str, bytes]
) -> None:
    assert archive.complete("1.2", 3, expected_instances=301).startswith("0000000a-")  # type: ignore[arg-type]
    with pytest.raises(FailedPrecondition) as caught:
        archive.complete("1.2", 3, expected_instances=7)  # type: ignore[arg-type]
    assert caught.value.reason == "STUDY_INCOMPLETE"
    assert archive.delete("1.2", series_uid="1.2.4").deleted_count == 1
    assert archive.delete("1.2").deleted_count == 300
    assert fake.files == {}
