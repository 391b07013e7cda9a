"""Downloads that end early: typed errors, and no partial files left behind."""

from __future__ import annotations

import asyncio
import errno
import io
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from diana.archive.v1.resources_pb2 import Instance
from diana_client.download import InstanceFile, Piece, instances, instances_async
from diana_client.errors import BadAnswer

INSTANCE = Instance(study_uid="1.2", series_uid="1.3", sop_instance_uid="1.4", size_bytes=4)
PIECES = [Piece(INSTANCE, b"ab", False), Piece(Instance(), b"cd", True)]


class FullDisk(io.BytesIO):
    """Takes what fits its buffer, and finds no room for it when it is closed."""

    def close(self) -> None:
        if not self.closed:
            super().close()
            raise OSError(errno.ENOSPC, "No space left on device")


def files_under(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file()]


@pytest.mark.parametrize("fails_before", [False, True])
def test_a_disk_that_is_full_at_the_end_leaves_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_before: bool
) -> None:
    def opened(path: Path, mode: str) -> FullDisk:
        path.touch(exist_ok=False)
        return FullDisk()

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(OSError, match="No space left"), InstanceFile(tmp_path, INSTANCE) as file:
        file.write(b"abcd")
        if fails_before:
            raise BadAnswer("no more")
    assert files_under(tmp_path) == []


def test_a_whole_file_appears_alone(tmp_path: Path) -> None:
    with InstanceFile(tmp_path, INSTANCE) as file:
        file.write(b"abcd")
    assert files_under(tmp_path) == [file.saved.path]
    assert file.saved.path.read_bytes() == b"abcd"


def test_reading_on_after_the_download_was_closed_is_a_bad_answer() -> None:
    def pieces() -> Generator[Piece, None, None]:
        yield from PIECES

    downloads = instances(pieces())
    downloaded = next(downloads)
    downloads.close()
    with pytest.raises(BadAnswer, match="ended within"):
        downloaded.read()


def test_reading_on_after_the_download_was_closed_is_a_bad_answer_for_asyncio_too() -> None:
    async def pieces() -> AsyncGenerator[Piece, None]:
        for piece in PIECES:
            yield piece

    async def read_late() -> None:
        downloads = instances_async(pieces())
        downloaded = await anext(downloads)
        await downloads.aclose()
        await downloaded.read()

    with pytest.raises(BadAnswer, match="ended within"):
        asyncio.run(read_late())
