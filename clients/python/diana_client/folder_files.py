"""Files of a collection on their way: what a service streams, parted into files and checked."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing, suppress

import grpc

from diana.index.v1 import folder_service_pb2 as pb
from diana_client.errors import BadAnswer, MeshError

_ENDED = "The index ended within a file."


class FileUnreadable(MeshError):
    """A file that the registry knows cannot be read (any more); the others can."""

    def __init__(self, message: str) -> None:
        super().__init__(grpc.StatusCode.DATA_LOSS, message, reason="FILE_UNREADABLE")


class _Assembly:
    """A file as it comes, answer by answer."""

    def __init__(self, first: pb.ReadFilesResponse) -> None:
        self.file = first.failure.file if first.HasField("failure") else first.file
        self.ended = False
        self._crc32 = 0
        if first.WhichOneof("event") not in ("file", "failure"):
            raise BadAnswer("The index sent data that belongs to no file.")

    def accept(self, answer: pb.ReadFilesResponse) -> bytes:
        """The next bytes. Raises FileUnreadable, BadAnswer."""
        match answer.WhichOneof("event"):
            case "data":
                self._crc32 = zlib.crc32(answer.data, self._crc32)
                return answer.data
            case "failure":
                self.ended = True
                raise FileUnreadable(answer.failure.message)
            case "end":
                self.ended = True
                if answer.end.crc32 != self._crc32:
                    raise BadAnswer("The file's bytes do not match their checksum.")
                return b""
        raise BadAnswer(_ENDED)


class FolderFile:
    """A file of a collection: `file` says what it is. Iterate over its data once, or `read` it whole.

    Its data must be taken before the next file is asked for; what is left by then is skipped. Either raises
    FileUnreadable when the service could not read it (to its end).
    """

    def __init__(self, first: pb.ReadFilesResponse, answers: Iterator[pb.ReadFilesResponse]) -> None:
        self._assembly = _Assembly(first)
        self.file: pb.File = self._assembly.file
        self._data = self._follow(first, answers)

    def __iter__(self) -> Iterator[bytes]:
        return self._data

    def read(self) -> bytes:
        """All data that was not taken yet."""
        return b"".join(self._data)

    @property
    def ended(self) -> bool:
        """Whether the next answer is of another file."""
        return self._assembly.ended

    def _follow(self, first: pb.ReadFilesResponse, answers: Iterator[pb.ReadFilesResponse]) -> Iterator[bytes]:
        if first.HasField("failure"):
            self._assembly.accept(first)
        while not self._assembly.ended:
            try:
                answer = next(answers)
            except StopIteration:  # out of a generator, it would become a RuntimeError
                raise BadAnswer(_ENDED) from None
            if data := self._assembly.accept(answer):
                yield data


class AsyncFolderFile:
    """The same, for asyncio: `async for` over its data, or `await read()`."""

    def __init__(self, first: pb.ReadFilesResponse, answers: AsyncIterator[pb.ReadFilesResponse]) -> None:
        self._assembly = _Assembly(first)
        self.file: pb.File = self._assembly.file
        self._data = self._follow(first, answers)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._data

    async def read(self) -> bytes:
        """All data that was not taken yet."""
        return b"".join([data async for data in self._data])

    @property
    def ended(self) -> bool:
        """Whether the next answer is of another file."""
        return self._assembly.ended

    async def _follow(
        self, first: pb.ReadFilesResponse, answers: AsyncIterator[pb.ReadFilesResponse]
    ) -> AsyncIterator[bytes]:
        if first.HasField("failure"):
            self._assembly.accept(first)
        while not self._assembly.ended:
            try:
                answer = await anext(answers)
            except StopAsyncIteration:
                raise BadAnswer(_ENDED) from None
            if data := self._assembly.accept(answer):
                yield data


def files(answers: Generator[pb.ReadFilesResponse, None, None]) -> Generator[FolderFile, None, None]:
    """Part a stream into its files."""
    with closing(answers):
        for first in answers:
            one = FolderFile(first, answers)
            yield one
            with suppress(FileUnreadable):
                for _ in one:
                    pass
            _check_ended(one)


async def files_async(
    answers: AsyncGenerator[pb.ReadFilesResponse, None],
) -> AsyncGenerator[AsyncFolderFile, None]:
    """The same, for asyncio."""
    async with aclosing(answers):
        async for first in answers:
            one = AsyncFolderFile(first, answers)
            yield one
            with suppress(FileUnreadable):
                async for _ in one:
                    pass
            _check_ended(one)


def _check_ended(one: FolderFile | AsyncFolderFile) -> None:
    """A stream that failed within a file has no next one, even if the caller let the failure pass."""
    if not one.ended:
        raise BadAnswer("The stream failed within the file before.")
