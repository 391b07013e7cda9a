"""What lies in zip files, honest ones and those that mean harm."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import pytest

from diana_archive.adapters.sources import HostSources
from diana_archive.core.importing import Found
from diana_common import zips
from diana_common.errors import Reason
from tests.support.hostile_zips import altered, bomb, crowded, overlapping, zipped
from tests.unit.archive.sources.looking import DICOM, look, refusal, taken, told, write


def test_a_zip_file_yields_its_members_whatever_they_are_called(room: Path) -> None:
    names = ["a", "/etc/passwd", "../../x", "d/", "d/b", "c\\d", "C:x"]
    file = zipped({name: b"" if name.endswith("/") else name.encode() for name in names})
    path = write(room / "x.zip", file)
    before = sorted(room.parent.rglob("*"))
    assert told(look(room, path)) == {name: name.encode() for name in names if name != "d/"}
    assert set(told(look(room, room))) == {f"x.zip!{name}" for name in names if name != "d/"}
    assert sorted(room.parent.rglob("*")) == before


def test_zip_files_within_zip_files_stay_closed(room: Path) -> None:
    inner = zipped({"x": DICOM})
    assert told(look(room, write(room / "x.zip", zipped({"inner.zip": inner})))) == {"inner.zip": inner}


def test_a_dicom_file_that_poses_as_a_zip_file_is_dicom(room: Path) -> None:
    posing = zipped({"x": b"y"}, zipfile.ZIP_STORED)[:128].ljust(128, b"\0") + DICOM[128:]
    assert told(look(room, write(room / "x", posing))) == {"x": posing}


def damaged(kind: str) -> bytes:
    good = zipped({"a": DICOM})
    return {
        "encrypted": altered(good, 0, 1),
        "bzip2": zipped({"a": DICOM}, zipfile.ZIP_BZIP2),
        "lzma": zipped({"a": DICOM}, zipfile.ZIP_LZMA),
        "unknown method": altered(good, 1, 97),
        "says less than there is": altered(good, 2, 100),
        "another checksum": good.replace(good[14:18], b"\1\2\3\4"),
        "altered data": good[:200] + bytes(64) + good[264:],
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "encrypted",
        "bzip2",
        "lzma",
        "unknown method",
        "says less than there is",
        "another checksum",
        "altered data",
    ],
)
def test_a_damaged_member_is_a_failure_and_the_rest_go_on(room: Path, kind: str) -> None:
    write(room / "1.zip", damaged(kind))
    write(room / "2.dcm", DICOM)
    assert told(look(room, room)) == {"1.zip!a": "CONTAINER_INVALID", "2.dcm": DICOM}


def test_a_member_that_says_more_than_there_is_ends_where_it_ends(room: Path) -> None:
    path = write(room / "x.zip", altered(zipped({"a": b"abc"}), 2, 5000))
    assert told(look(room, path)) in ({"a": b"abc"}, {"a": "CONTAINER_INVALID"})


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (overlapping(DICOM, 3), Reason.CONTAINER_INVALID),
        (zipped({"a": DICOM, "b": DICOM})[:-30], Reason.CONTAINER_INVALID),
        (zipped({"a": DICOM, "b": DICOM})[: len(DICOM) // 2], Reason.CONTAINER_INVALID),
        (b"PK\3\4" + bytes(500), Reason.CONTAINER_INVALID),
        (bomb(5 * 1024**3), Reason.CONTAINER_LIMIT),
        (bomb(1 << 62), Reason.CONTAINER_LIMIT),
        (crowded(100_001), Reason.CONTAINER_LIMIT),
        (crowded(380_000), Reason.CONTAINER_LIMIT),
    ],
    ids=["overlap", "no end", "half", "only a beginning", "bomb", "absurd bomb", "crowd", "large directory"],
)
def test_a_zip_file_that_means_harm_ends_the_import_or_is_one_failure(room: Path, file: bytes, reason: Reason) -> None:
    path = write(room / "1.zip", file)
    assert refusal(room, path) is reason
    write(room / "2.dcm", DICOM)
    assert told(look(room, room)) == {"1.zip": reason.name, "2.dcm": DICOM}


def test_seventy_thousand_members_are_read(room: Path) -> None:
    assert len(look(room, write(room / "x.zip", crowded(70_000)))) == 70_000


def test_a_blank_image_may_deflate_well(room: Path) -> None:
    blank = bytes(100 * 1024**2)
    source = HostSources([room]).open(str(write(room / "x.zip", zipped({"a": blank}))))
    (size,) = [len(taken(one).data) for one in source.files(()) if isinstance(one, Found)]  # type: ignore[union-attr]
    assert size == len(blank)


def test_no_alteration_of_a_zip_file_does_more_than_fail(room: Path) -> None:
    good = zipped({"a": DICOM[:3000], "b/c": DICOM[:500]})
    for seed in range(500):
        chance = random.Random(seed)
        file = bytearray(good)
        first = len(file) - 150 if chance.random() < 0.7 else 0  # where the directory is, or anywhere
        for _ in range(chance.randint(1, 6)):
            file[chance.randrange(first, len(file))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        write(room / "x.zip", bytes(file))
        look(room, room)


def test_limits_are_those_the_operator_is_told() -> None:
    assert (zips.MOST_MEMBERS, zips.MOST_DIRECTORY_BYTES, zips.MOST_RATIO) == (100_000, 16 << 20, 200)
