"""The asyncio twins: the same against the same archive."""

from __future__ import annotations

import asyncio
import inspect
import io
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import diana_client
from diana_client import (
    AsyncArchiveClient,
    BadAnswer,
    DeadlineExceeded,
    NotFound,
    ResourceExhausted,
    SourceUnreadable,
    Unavailable,
    UploadItem,
    connect_async,
)
from tests.contract.client.fake_archive import FakeArchive, file_of

MIB = 1 << 20


@pytest.fixture
async def client(target: str) -> AsyncIterator[AsyncArchiveClient]:
    async with connect_async(target) as channel:
        yield AsyncArchiveClient(channel)


@pytest.mark.parametrize("name", ["Archive", "Index", "Guid", "Key", "Profile", "Operation", "Health"])
def test_both_clients_of_a_service_offer_the_same_methods_and_arguments(name: str) -> None:
    blocking, awaited = (getattr(diana_client, f"{kind}{name}Client") for kind in ("", "Async"))

    def methods(client: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(client, inspect.isfunction)
            if not name.startswith("_")
        }

    assert methods(blocking) == methods(awaited)


async def test_every_kind_of_item_is_stored(client: AsyncArchiveClient, fake: FakeArchive, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(file_of("1.2", bytes(3 * MIB)))
    missing = tmp_path / "missing"

    async def items() -> AsyncIterator[UploadItem]:
        yield UploadItem("bytes", file_of("1.1"))
        yield UploadItem("path", path)
        yield UploadItem("readable", io.BytesIO(file_of("1.3")))
        yield UploadItem("bad", b"no DICOM")
        yield UploadItem("missing", missing)

    results = {result.key: result async for result in client.upload(items())}
    assert {key: type(result.error) for key, result in results.items() if result.error is not None} == {
        "bad": diana_client.InvalidRequest,
        "missing": SourceUnreadable,
    }
    assert fake.files["1.2"] == path.read_bytes()
    assert sorted(fake.files) == ["1.1", "1.2", "1.3"]


@pytest.mark.parametrize("streams", [1, 4])
async def test_after_a_cut_only_what_was_not_answered_is_sent_again(
    client: AsyncArchiveClient, fake: FakeArchive, streams: int
) -> None:
    fake.cut_after = [3, 0, 5]
    files = [file_of(f"1.{n}", bytes(200_000)) for n in range(40)]
    results = [result async for result in client.upload(files, streams=streams)]
    assert sorted(result.key for result in results) == list(range(40))
    assert sorted(fake.files.values()) == sorted(files)
    assert len(fake.uploads) >= 4


async def test_a_service_that_stays_away_is_given_up_after_the_attempts(
    client: AsyncArchiveClient, fake: FakeArchive
) -> None:
    fake.cut_after = [0] * 10
    with pytest.raises(Unavailable):
        _ = [result async for result in client.upload([file_of("1.1")], attempts=2)]
    assert len(fake.uploads) == 2


async def test_an_upload_that_is_refused_while_it_is_sent_says_why(
    client: AsyncArchiveClient, fake: FakeArchive
) -> None:
    fake.busy = True
    files = [file_of(f"1.{n}", bytes(MIB - 100)) for n in range(10)]
    for _ in range(20):
        with pytest.raises(ResourceExhausted) as caught:
            _ = [result async for result in client.upload(files, attempts=1)]
        assert caught.value.reason == "OVERLOADED"


async def test_an_endless_iterator_is_read_no_further_than_its_results_are_taken(client: AsyncArchiveClient) -> None:
    seen = 0

    async def items() -> AsyncIterator[bytes]:
        nonlocal seen
        for seen in itertools.count():
            yield file_of(f"1.{seen}", bytes(100_000))

    results = client.upload(items(), window=MIB)
    for _ in range(100):
        await anext(results)
    await results.aclose()
    assert seen <= 100 + 2 * (MIB // 100_000 + 1)


async def test_a_caller_that_waits_for_each_result_before_its_next_item_gets_it(client: AsyncArchiveClient) -> None:
    answered = asyncio.Semaphore(1)

    async def items() -> AsyncIterator[bytes]:
        for n in range(20):
            await answered.acquire()
            yield file_of(f"1.{n}")

    count = 0
    async for _ in client.upload(items()):
        count += 1
        answered.release()
    assert count == 20


async def test_an_error_of_the_callers_own_iterator_is_raised_after_the_answers(client: AsyncArchiveClient) -> None:
    async def items() -> AsyncIterator[bytes]:
        yield file_of("1.1")
        raise LookupError("mine")

    keys = []
    with pytest.raises(LookupError, match="mine"):
        async for result in client.upload(items()):
            keys.append(result.key)
    assert keys == [0]


async def test_downloads_and_reads_come_whole(client: AsyncArchiveClient, fake: FakeArchive, tmp_path: Path) -> None:
    fake.files = {f"1.{n:03}": file_of(f"1.{n:03}", bytes(9000)) for n in range(200)}
    fake.files["1.500"] = large = file_of("1.500", bytes(3 * MIB + 3))
    got = {downloaded.instance.sop_instance_uid: await downloaded.read() async for downloaded in client.download("1.2")}
    assert got == fake.files
    skipped = [downloaded.instance.sop_instance_uid async for downloaded in client.download("1.2")]
    assert skipped == sorted(fake.files)
    saved = [file async for file in client.download_to(tmp_path, sop_instance_uids="1.500")]
    assert saved[0].path.read_bytes() == large
    assert b"".join([data async for data in client.read("1.500", offset=5, limit=2 * MIB)]) == large[5 : 5 + 2 * MIB]


async def test_lists_page_and_errors_are_typed(client: AsyncArchiveClient, fake: FakeArchive) -> None:
    fake.files = {f"1.{n:03}": file_of(f"1.{n:03}") for n in range(150)}
    assert len([instance async for instance in client.instances("1.2", page_size=40)]) == 150
    assert fake.calls.count("ListInstances") == 4
    assert [uid async for uid in client.find_missing(["1.001", "9.9"])] == ["9.9"]
    with pytest.raises(NotFound) as caught:
        await client.study("9.9")
    assert (caught.value.reason, caught.value.remedy) == ("STUDY_NOT_FOUND", "Do better.")


async def test_a_broken_follower_goes_on_where_it_was(client: AsyncArchiveClient, fake: FakeArchive) -> None:
    fake.publish("e-1", "e-2", "e-3")
    fake.cut_feed_after = 2
    watch = client.watch_feed(stop_at_head=True, reconnect=True)
    assert [message.position async for message in watch] == ["e-1", "e-2", "e-3"]


async def test_cancelling_the_task_of_a_follower_ends_it(client: AsyncArchiveClient, fake: FakeArchive) -> None:
    fake.publish("e-1")
    heard = asyncio.Event()

    async def follow() -> None:
        async for _ in client.watch_feed(reconnect=True):
            heard.set()

    task = asyncio.create_task(follow())
    await asyncio.wait_for(heard.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_deadline_ends_a_call(silent_target: str) -> None:
    async with connect_async(silent_target) as channel:
        with pytest.raises(DeadlineExceeded):
            await AsyncArchiveClient(channel).within(0.1).study("1.2")


async def test_a_failure_that_the_caller_lets_pass_does_not_look_like_the_end(
    client: AsyncArchiveClient, fake: FakeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.files["1.1"] = file_of("1.1", bytes(2 * MIB))
    truthful = fake.instance

    def lying(uid: str) -> object:
        instance = truthful(uid)
        instance.size_bytes -= 1
        return instance

    monkeypatch.setattr(fake, "instance", lying)
    downloads = client.download("1.2")
    downloaded = await anext(downloads)
    for attempt in (downloaded.read(), anext(downloads)):
        with pytest.raises(BadAnswer):
            await attempt
