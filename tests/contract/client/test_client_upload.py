"""Uploads against an archive that keeps the contract."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.type.v1.origin_pb2 import Origin
from diana_client import ArchiveClient, InvalidRequest, SourceUnreadable, Unavailable, UploadItem, UploadResult
from diana_client.items import Uploadable
from tests.contract.client.fake_archive import FakeArchive, file_of

MIB = 1 << 20


def test_every_kind_of_item_is_stored_and_answered_under_the_callers_key(
    archive: ArchiveClient, fake: FakeArchive, tmp_path: Path
) -> None:
    files = {f"1.{n}": file_of(f"1.{n}", bytes([n]) * n) for n in range(1, 7)}
    paths = [tmp_path / "three", tmp_path / "four"]
    paths[0].write_bytes(files["1.3"])
    paths[1].write_bytes(files["1.4"])
    items: list[Uploadable] = [
        files["1.1"],
        UploadItem("two", files["1.2"], size=10),
        paths[0],
        str(paths[1]),
        UploadItem("five", io.BytesIO(files["1.5"])),
        UploadItem("six", lambda: io.BytesIO(files["1.6"])),
    ]
    results = list(archive.upload(items, store="default", origin=Origin(door="folder")))
    assert {result.key: result.instance.sop_instance_uid for result in results} == {
        0: "1.1", "two": "1.2", paths[0]: "1.3", str(paths[1]): "1.4", "five": "1.5", "six": "1.6",
    }  # fmt: skip
    assert all(result.error is None and result.position for result in results)
    assert {result.outcome for result in results} == {pb.UploadResult.OUTCOME_STORED}
    assert fake.files == files
    assert (fake.uploads[0].store, fake.uploads[0].door) == ("default", "folder")


def test_many_small_instances_share_messages_of_little_more_than_one_mebibyte(
    archive: ArchiveClient, fake: FakeArchive
) -> None:
    files = [file_of(f"1.{n}", bytes(11_000)) for n in range(1000)]
    assert len(list(archive.upload(files))) == 1000
    messages = fake.uploads[0].messages
    assert max(message.ByteSize() for message in messages) <= MIB * 5 // 4 + 11_100
    assert max(len(message.chunks) for message in messages) > 50


def test_a_large_instance_goes_in_chunks_of_one_mebibyte(archive: ArchiveClient, fake: FakeArchive) -> None:
    large = file_of("1.9", bytes(5 * MIB + 17))
    (result,) = archive.upload([large])
    assert result.instance.size_bytes == len(large)
    chunks = [chunk for message in fake.uploads[0].messages for chunk in message.chunks]
    assert [len(chunk.data) for chunk in chunks][:5] == [MIB] * 5
    assert [chunk.finish for chunk in chunks] == [False] * 5 + [True]
    assert fake.files["1.9"] == large


def test_a_refused_instance_comes_as_a_typed_error_and_the_others_are_stored(archive: ArchiveClient) -> None:
    results = {r.key: r for r in archive.upload([file_of("1.1"), b"no DICOM", b"", file_of("1.2")])}
    assert [results[n].error is None for n in range(4)] == [True, False, False, True]
    error = results[1].error
    assert isinstance(error, InvalidRequest)
    assert (error.reason, error.remedy, error.fields) == ("NOT_PART10", "Do better.", (("chunks", "is bad"),))


def test_an_instance_that_is_refused_early_is_not_sent_to_its_end(archive: ArchiveClient, fake: FakeArchive) -> None:
    fake.refuse_first_chunk = True
    refused, pieces = threading.Event(), 0

    class Endless:
        def read(self, size: int, /) -> bytes:
            nonlocal pieces
            pieces += 1
            if pieces > 3:
                refused.wait()
            return bytes(size)

    (result,) = _until_first(archive.upload([UploadItem("endless", Endless())]), refused.set)
    assert result.error is not None
    assert result.error.reason == "UPLOAD_ORDER"
    assert pieces <= 5


def test_a_caller_that_waits_for_each_result_before_its_next_item_gets_it(archive: ArchiveClient) -> None:
    answered = threading.Semaphore(1)

    def items() -> Iterator[bytes]:
        for n in range(20):
            answered.acquire()
            yield file_of(f"1.{n}")

    count = 0
    for _ in archive.upload(items()):
        count += 1
        answered.release()
    assert count == 20


def test_an_endless_iterator_is_read_no_further_than_its_results_are_taken(archive: ArchiveClient) -> None:
    taken = itertools.count()
    seen = 0

    def items() -> Iterator[bytes]:
        nonlocal seen
        for seen in taken:
            yield file_of(f"1.{seen}", bytes(100_000))

    results = archive.upload(items(), window=MIB)
    for _ in range(100):
        next(results)
    results.close()
    assert seen <= 100 + 2 * (MIB // 100_000 + 1)


@pytest.mark.parametrize("streams", [1, 4])
def test_after_a_cut_only_what_was_not_answered_is_sent_again(
    archive: ArchiveClient, fake: FakeArchive, streams: int
) -> None:
    fake.cut_after = [3, 0, 5]
    files = {n: file_of(f"1.{n}", bytes(200_000)) for n in range(40)}
    results = list(archive.upload(files.values(), streams=streams))
    assert sorted(result.key for result in results) == list(range(40))
    assert all(result.error is None for result in results)
    assert sorted(fake.files.values()) == sorted(files.values())
    assert len(fake.uploads) >= 4


def test_after_a_cut_a_source_that_reads_once_is_answered_with_the_cut(
    archive: ArchiveClient, fake: FakeArchive
) -> None:
    fake.cut_after = [0]
    (result,) = archive.upload([UploadItem("once", io.BytesIO(file_of("1.1")))])
    assert isinstance(result.error, Unavailable)
    assert result.error.reason == "STOPPING"


def test_a_service_that_stays_away_is_given_up_after_the_attempts(archive: ArchiveClient, fake: FakeArchive) -> None:
    fake.cut_after = [0] * 10
    with pytest.raises(Unavailable):
        list(archive.upload([file_of("1.1")], attempts=3))
    assert len(fake.uploads) == 3


def test_nothing_to_upload_opens_no_stream(archive: ArchiveClient, fake: FakeArchive) -> None:
    assert list(archive.upload([])) == []
    assert fake.uploads == []


def test_a_missing_file_is_that_items_error_alone(archive: ArchiveClient, fake: FakeArchive, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    results = {result.key: result.error for result in archive.upload([missing, file_of("1.1")])}
    error = results[missing]
    assert isinstance(error, SourceUnreadable)
    assert str(missing) not in str(error)
    assert isinstance(error.__cause__, FileNotFoundError)
    assert results[1] is None


def test_a_source_that_fails_half_way_leaves_nothing_behind(archive: ArchiveClient, fake: FakeArchive) -> None:
    class Torn(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            if not data:
                raise OSError("gone")
            return data

    torn = UploadItem("torn", Torn(file_of("1.1", bytes(3 * MIB))))
    results = {result.key: result.error for result in archive.upload([torn, UploadItem("whole", file_of("1.2"))])}
    assert isinstance(results["torn"], SourceUnreadable)
    assert results["whole"] is None
    assert list(fake.files) == ["1.2"]
    assert fake.uploads[0].open == {}


def test_an_error_of_the_callers_own_iterator_is_raised_after_the_answers_to_what_it_gave(
    archive: ArchiveClient,
) -> None:
    def items() -> Iterator[bytes]:
        yield file_of("1.1")
        yield file_of("1.2")
        raise LookupError("mine")

    keys = []
    with pytest.raises(LookupError, match="mine"):
        for result in archive.upload(items()):
            keys.append(result.key)
    assert sorted(keys) == [0, 1]


def test_leaving_the_loop_early_ends_the_threads(archive: ArchiveClient) -> None:
    results = archive.upload(file_of(f"1.{n}") for n in itertools.count())
    next(results)
    results.close()
    for thread in [thread for thread in threading.enumerate() if thread.name == "diana-upload"]:
        thread.join(30)
        assert not thread.is_alive()


def test_four_streams_store_everything_once(archive: ArchiveClient, fake: FakeArchive) -> None:
    results = list(archive.upload((file_of(f"1.{n}", bytes(300_000)) for n in range(100)), streams=4))
    assert sorted(result.key for result in results) == list(range(100))
    assert len(fake.files) == 100
    assert 1 <= len(fake.uploads) <= 4


def _until_first(results: Iterator[UploadResult], then: Callable[[], None]) -> list[UploadResult]:
    """All results; `then` is called after the first."""
    first = next(results)
    then()
    return [first, *results]
