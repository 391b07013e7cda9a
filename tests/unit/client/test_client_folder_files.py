"""What a service streams of a collection's files, taken apart; and streams that break their contract."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Generator

import pytest

from diana.index.v1 import folder_service_pb2 as pb
from diana_client.errors import BadAnswer
from diana_client.folder_files import FileUnreadable, files, files_async

Answer = pb.ReadFilesResponse


def begin(path: str) -> Answer:
    return Answer(file=pb.File(path=path))


def data(content: bytes) -> Answer:
    return Answer(data=content)


def end(content: bytes) -> Answer:
    return Answer(end=pb.FileEnd(crc32=zlib.crc32(content)))


def failure(path: str) -> Answer:
    return Answer(failure=pb.FileFailure(file=pb.File(path=path), message="It was changed."))


def stream(*answers: Answer) -> Generator[Answer, None, None]:
    yield from answers


async def stream_async(*answers: Answer) -> AsyncGenerator[Answer, None]:
    for answer in answers:
        yield answer


def test_files_come_one_after_another_and_what_is_left_of_one_is_skipped() -> None:
    answers = stream(
        begin("a"), data(b"1"), data(b"2"), end(b"12"), begin("b"), end(b""), begin("c"), data(b"3"), end(b"3")
    )
    taken = {one.file.path: b"" if one.file.path == "a" else one.read() for one in files(answers)}
    assert taken == {"a": b"", "b": b"", "c": b"3"}


def test_a_file_that_cannot_be_read_raises_and_the_next_one_comes() -> None:
    answers = stream(failure("a"), begin("b"), data(b"1"), failure("b"), begin("c"), data(b"3"), end(b"3"))
    taken = []
    for one in files(answers):
        try:
            taken.append((one.file.path, one.read()))
        except FileUnreadable as error:
            taken.append((one.file.path, error.message.encode()))
    assert taken == [("a", b"It was changed."), ("b", b"It was changed."), ("c", b"3")]


async def test_the_same_from_asyncio() -> None:
    answers = stream_async(failure("a"), begin("b"), data(b"1"), end(b"1"))
    taken = []
    async for one in files_async(answers):
        try:
            taken.append(await one.read())
        except FileUnreadable:
            taken.append(b"unreadable")
    assert taken == [b"unreadable", b"1"]


@pytest.mark.parametrize(
    "answers",
    [
        [data(b"1")],
        [end(b"")],
        [begin("a"), data(b"1")],
        [begin("a"), data(b"1"), begin("b")],
        [begin("a"), data(b"1"), end(b"2")],
        [begin("a"), Answer()],
    ],
)
def test_a_stream_that_breaks_its_contract_is_not_trusted(answers: list[Answer]) -> None:
    with pytest.raises(BadAnswer):
        for one in files(stream(*answers)):
            one.read()
