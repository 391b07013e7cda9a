"""Downloads: the checks on what a service streams, and files that appear whole or not at all."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.resources_pb2 import Instance
from diana_client.errors import BadAnswer

# PS3.5 section 9.1, and at least one digit: "." and ".." are folders.
_UID = re.compile(r"(?=.*[0-9])[0-9.]{1,64}")

_ENDED = "The download was ended within this instance."


class Piece(NamedTuple):
    """A chunk as it came, its data read once: the message makes another copy of it each time."""

    instance: Instance
    data: bytes
    finish: bool


class Assembly:
    """Checks that streamed chunks make whole instances, one after another, of the sizes they claim."""

    def __init__(self) -> None:
        self._size = 0
        self._left: int | None = None  # bytes the instance under way still lacks; None between two

    def accept(self, chunk: pb.DownloadChunk) -> Piece:
        """Account for the next chunk. Raises BadAnswer when it cannot follow those before."""
        piece = Piece(chunk.instance, chunk.data, chunk.finish)
        if chunk.HasField("instance"):
            self._begin(chunk.instance)
        if self._left is None:
            raise BadAnswer("The archive sent data that belongs to no instance.")
        self._left -= len(piece.data)
        if self._left < 0:
            raise BadAnswer("The archive sent more data than the instance is long.")
        if piece.finish:
            self._end()
        return piece

    def check_complete(self) -> None:
        """Raises BadAnswer when the stream ended within an instance."""
        if self._left is not None:
            raise BadAnswer("The archive ended the download within an instance.")

    def _begin(self, instance: Instance) -> None:
        self.check_complete()
        check_uids(instance)
        self._left = instance.size_bytes

    def _end(self) -> None:
        if self._left:
            raise BadAnswer("The archive sent less data than the instance is long.")
        self._left = None


def check_uids(instance: Instance) -> None:
    """Raises BadAnswer for an instance whose UIDs could not name a file."""
    for uid in (instance.study_uid, instance.series_uid, instance.sop_instance_uid):
        if not _UID.fullmatch(uid):
            raise BadAnswer("The archive named an instance by something that is no UID.")


def assembled(
    responses: Generator[pb.DownloadInstancesResponse, None, None],
) -> Generator[Piece, None, None]:
    """The chunks of a download, checked."""
    assembly = Assembly()
    with closing(responses):
        for response in responses:
            for chunk in response.chunks:
                yield assembly.accept(chunk)
    assembly.check_complete()


async def assembled_async(
    responses: AsyncGenerator[pb.DownloadInstancesResponse, None],
) -> AsyncGenerator[Piece, None]:
    """The same, for asyncio."""
    assembly = Assembly()
    async with aclosing(responses):
        async for response in responses:
            for chunk in response.chunks:
                yield assembly.accept(chunk)
    assembly.check_complete()


class DownloadedInstance:
    """An instance on its way: iterate over its data once, or `read` it whole.

    Its data must be taken before the next instance is asked for; what is left by then is skipped.
    """

    def __init__(self, first: Piece, chunks: Iterator[Piece]) -> None:
        self.instance: Instance = first.instance
        self.complete = False
        self._data = self._follow(first, chunks)

    def __iter__(self) -> Iterator[bytes]:
        return self._data

    def read(self) -> bytes:
        """All data that was not taken yet; the whole Part 10 file as a rule."""
        return b"".join(self._data)

    def _follow(self, chunk: Piece, chunks: Iterator[Piece]) -> Iterator[bytes]:
        yield chunk.data
        while not chunk.finish:
            try:
                chunk = next(chunks)
            except StopIteration:  # out of a generator, it would become a RuntimeError
                raise BadAnswer(_ENDED) from None
            yield chunk.data
        self.complete = True


class AsyncDownloadedInstance:
    """The same, for asyncio: `async for` over its data, or `await read()`."""

    def __init__(self, first: Piece, chunks: AsyncIterator[Piece]) -> None:
        self.instance: Instance = first.instance
        self.complete = False
        self._data = self._follow(first, chunks)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._data

    async def read(self) -> bytes:
        """All data that was not taken yet; the whole Part 10 file as a rule."""
        return b"".join([data async for data in self._data])

    async def _follow(self, chunk: Piece, chunks: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
        yield chunk.data
        while not chunk.finish:
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                raise BadAnswer(_ENDED) from None
            yield chunk.data
        self.complete = True


def instances(chunks: Generator[Piece, None, None]) -> Generator[DownloadedInstance, None, None]:
    """Part a download into its instances."""
    with closing(chunks):
        for first in chunks:
            downloaded = DownloadedInstance(first, chunks)
            yield downloaded
            for _ in downloaded:
                pass
            _check_taken(downloaded)


async def instances_async(
    chunks: AsyncGenerator[Piece, None],
) -> AsyncGenerator[AsyncDownloadedInstance, None]:
    """The same, for asyncio."""
    async with aclosing(chunks):
        async for first in chunks:
            downloaded = AsyncDownloadedInstance(first, chunks)
            yield downloaded
            async for _ in downloaded:
                pass
            _check_taken(downloaded)


def _check_taken(downloaded: DownloadedInstance | AsyncDownloadedInstance) -> None:
    """A download that failed within an instance has no next one, even if the caller let the failure pass."""
    if not downloaded.complete:
        raise BadAnswer("The download failed within the instance before.")


@dataclass(frozen=True, slots=True)
class SavedInstance:
    """A file that `download_to` wrote."""

    path: Path
    instance: Instance


class InstanceFile:
    """Writes STUDY/SERIES/SOP-INSTANCE.dcm under a folder; the name appears once the file is whole."""

    def __init__(self, folder: Path, instance: Instance) -> None:
        check_uids(instance)
        parent = folder / instance.study_uid / instance.series_uid
        self.saved = SavedInstance(parent / f"{instance.sop_instance_uid}.dcm", instance)
        self._part = parent / f".{secrets.token_hex(8)}.part"
        self._file: BinaryIO

    def __enter__(self) -> Self:
        self._part.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._part.open("xb")
        return self

    def write(self, data: bytes) -> None:
        """Append data."""
        self._file.write(data)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            self._file.close()  # writes what is buffered, which a full disk refuses
            if kind is None:
                self._part.replace(self.saved.path)
        finally:
            self._part.unlink(missing_ok=True)
