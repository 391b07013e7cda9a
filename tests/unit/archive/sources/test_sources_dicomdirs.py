"""What a DICOMDIR lists, and what one that means harm would have read."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from diana_archive.adapters import dicomdirs
from diana_common.errors import DianaError, Reason
from tests.unit.archive.sources.looking import DICOM, Read, look, refusal, told, told_of, write


@pytest.fixture
def disc(room: Path) -> Iterator[Path]:
    """pydicom's sample file-set, its DICOMDIR listing 31 files."""
    sample = Path(str(get_testdata_file("DICOMDIR", download=False))).parent
    shutil.copytree(sample, room / "disc")
    yield room / "disc"


@pytest.mark.parametrize("variant", ["", "-implicit", "-bigEnd", "-nooffset", "-reordered", "-nopatient"])
def test_a_dicomdir_yields_exactly_what_it_lists(room: Path, disc: Path, variant: str) -> None:
    write(disc / "unlisted", DICOM)
    found = look(room, disc / f"DICOMDIR{variant}")
    assert len(found) == 31
    assert all(isinstance(one.content, Read) for one in found)
    assert "77654033/CR1/6154" in told(found)
    assert [one.key for one in look(room, disc / f"DICOMDIR{variant}", found[29].key)] == [found[30].key]


def test_files_that_a_disc_shows_in_lower_case_are_found(room: Path, disc: Path) -> None:
    (disc / "77654033" / "CR1").rename(disc / "77654033" / "cr1")
    assert told_of(look(room, disc / "DICOMDIR")[0].content) not in (None, "SOURCE_NOT_FOUND")


def listing(file_id: bytes) -> bytes:
    """The sample's DICOMDIR with the first file it lists under another name of the same length."""
    sample = Path(str(get_testdata_file("DICOMDIR", download=False))).read_bytes()
    was = b"77654033\\CR1\\6154"
    assert sample.count(was) == 1
    return sample.replace(was, file_id.ljust(len(was)))


@pytest.mark.parametrize(
    ("file_id", "reason"),
    [
        (b"..\\..\\secret", "PATH_FORBIDDEN"),
        (b"..", "PATH_FORBIDDEN"),
        (b".", "PATH_FORBIDDEN"),
        (b"", "PATH_FORBIDDEN"),
        (b"\\etc\\passwd", "PATH_FORBIDDEN"),
        (b"/etc/passwd", "PATH_FORBIDDEN"),
        (b"77654033\\\\6154", "PATH_FORBIDDEN"),
        (b"a\0b", "PATH_FORBIDDEN"),
        (b"OUT\\SECRET", "PATH_FORBIDDEN"),
        (b"OUT", "PATH_FORBIDDEN"),
        (b"MISSING", "SOURCE_NOT_FOUND"),
        (b"MISSING\xff", "SOURCE_NOT_FOUND"),
        (b"FIFO", None),
        (b"77654033", None),
    ],
)
def test_what_a_dicomdir_lists_cannot_lead_out(room: Path, disc: Path, file_id: bytes, reason: str | None) -> None:
    write(room.parent / "SECRET", DICOM)
    write(room / "disc" / ".." / ".." / "secret", DICOM)
    (disc / "OUT").symlink_to(room.parent)
    os.mkfifo(disc / "FIFO")
    write(disc / "DICOMDIR", listing(file_id))
    found = look(room, disc / "DICOMDIR")
    assert len(found) == 31
    assert told_of(found[0].content) == reason
    assert all(isinstance(one.content, Read) for one in found[1:])


@pytest.mark.parametrize("size", [400, 1000, 3333])
def test_a_dicomdir_cut_short_ends_the_import(room: Path, disc: Path, size: int) -> None:
    write(disc / "DICOMDIR", (disc / "DICOMDIR").read_bytes()[:size])
    assert refusal(room, disc / "DICOMDIR") is Reason.CONTAINER_INVALID


def test_a_dicomdir_past_the_limits_ends_the_import(room: Path, disc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicomdirs, "MOST_LISTED", 30)
    assert refusal(room, disc / "DICOMDIR") is Reason.CONTAINER_LIMIT
    with (disc / "DICOMDIR").open("ab") as file:
        file.truncate(dicomdirs.MOST_DICOMDIR_BYTES + 1)
    assert refusal(room, disc / "DICOMDIR") is Reason.CONTAINER_LIMIT


def test_no_alteration_of_a_dicomdir_does_more_than_fail(disc: Path) -> None:
    good = (disc / "DICOMDIR").read_bytes()
    for seed in range(200):
        chance = random.Random(seed)
        file = bytearray(good)
        for _ in range(chance.randint(1, 20)):
            file[chance.randrange(132, len(file))] = chance.choice((0, 0xFF, chance.randrange(256)))
        try:
            dicomdirs.listed_files(bytes(file))
        except DianaError as error:
            assert error.reason is Reason.CONTAINER_INVALID
