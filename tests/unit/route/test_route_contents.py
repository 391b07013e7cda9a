"""What is in a zip: members that are too large for memory are read where they lie."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.zips import ZipContainer
from diana_route.adapters import contents
from diana_route.core.files import Part, Reader
from tests.support.dicom_files import make_small
from tests.support.hostile_zips import zipped

MEMBERS = {f"{number}.dcm": make_small(PatientComments=f"{number}" * 9000) for number in range(4)}


class Counted(ZipContainer):
    """Counts how often a directory is read."""

    count = 0

    def __init__(self, descriptor: int) -> None:
        Counted.count += 1
        super().__init__(descriptor)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Descriptors that were closed."""
    closed: list[int] = []
    close = os.close

    def closing(descriptor: int) -> None:
        closed.append(descriptor)
        close(descriptor)

    monkeypatch.setattr(os, "close", closing)
    return closed


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "SMALL", 1000)
    monkeypatch.setattr(contents, "ZipContainer", Counted)
    Counted.count = 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "1.zip"
    path.write_bytes(zipped(MEMBERS))
    return path


def opened(part: Part) -> Reader:
    assert callable(part.content)
    reader: Reader = part.content()
    return reader


def everything(reader: Reader) -> bytes:
    pieces = []
    while piece := reader.read(1000):
        pieces.append(piece)
    reader.close()
    return b"".join(pieces)


def parts(path: Path, again: list[int], then: Callable[[Part], object] = lambda part: None) -> list[Part]:
    """All parts, something done with each while the others are to come; `again` gets what is opened for readers."""
    descriptor = os.open(path, os.O_RDONLY)

    def open_again() -> int:
        again.append(os.open(path, os.O_RDONLY))
        return again[-1]

    try:
        found = []
        for part in contents.members(descriptor, open_again):
            then(part)
            found.append(part)
        return found
    finally:
        os.close(descriptor)


def test_the_directory_is_read_once_for_all_members_and_let_go_of_at_the_end(file: Path, closed: list[int]) -> None:
    again: list[int] = []
    read: list[bytes] = []
    parts(file, again, lambda part: read.append(everything(opened(part))))
    assert read == list(MEMBERS.values())
    assert Counted.count == 2  # to list them, and to read them
    assert set(again) <= set(closed)


def test_members_are_read_side_by_side_after_the_zip_was_listed(file: Path, closed: list[int]) -> None:
    again: list[int] = []
    readers = [opened(part) for part in parts(file, again)]
    heads = [reader.read(200) for reader in readers]
    assert [head + everything(reader) for head, reader in zip(heads, readers, strict=True)] == list(MEMBERS.values())
    assert Counted.count == 2
    assert set(again) <= set(closed)


def test_a_member_that_cannot_be_opened_keeps_nothing_open(
    file: Path, closed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: ZipContainer, number: int) -> object:
        raise DianaError(Reason.CONTAINER_INVALID, "The member is damaged.")

    again: list[int] = []
    found = parts(file, again)
    monkeypatch.setattr(Counted, "open", broken)
    with pytest.raises(DianaError):
        opened(found[0])
    assert again and set(again) <= set(closed)
