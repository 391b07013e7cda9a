"""What lies under a path: folders, zip files and DICOMDIRs, honest ones and those that mean harm."""

from __future__ import annotations

import os
import random
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from diana_archive.adapters import dicomdirs, folders
from diana_archive.adapters.sources import HostSources
from diana_archive.core.importing import Found, Key
from diana_common import zips
from diana_common.errors import DianaError, Reason
from tests.support.dicom_files import make_small
from tests.support.hostile_zips import altered, bomb, crowded, overlapping, zipped

DICOM = make_small()


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """The one directory that is open for imports."""
    (tmp_path / "open").mkdir()
    return tmp_path / "open"


def look(room: Path, path: Path | str, after: Key = ()) -> list[Found]:
    """All files of a source, with their bytes read."""
    return [Found(one.name, one.key, taken(one)) for one in HostSources([room]).open(str(path)).files(after)]


def taken(found: Found) -> Read | DianaError | None:
    if found.content is None or isinstance(found.content, DianaError):
        return found.content
    try:
        return Read(b"".join(iter(lambda: found.content.read(4096), b"")))  # type: ignore[union-attr]
    except DianaError as error:
        return error


class Read:
    """Content that was read."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, size: int) -> bytes:
        return self.data


def told(found: list[Found]) -> dict[str, bytes | str | None]:
    """By name: the bytes, why they cannot be had, or None."""
    return {one.name: _told(one.content) for one in found}


def _told(content: object) -> bytes | str | None:
    if isinstance(content, Read):
        return content.data
    return content.reason.name if isinstance(content, DianaError) else None


def refusal(room: Path, path: Path | str) -> Reason:
    with pytest.raises(DianaError) as caught:
        look(room, path)
    return caught.value.reason


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_folder_yields_all_files_below_it_in_one_order(room: Path) -> None:
    for name in ("b/2", "b/1", "a", "b/c/d", "b.x"):
        write(room / name, name.encode())
    found = look(room, room)
    assert [one.name for one in found] == ["a", "b/1", "b/2", "b/c/d", "b.x"]
    assert told(found)["b/c/d"] == b"b/c/d"
    assert [one.key for one in found] == sorted(one.key for one in found)


def test_every_key_is_a_place_to_go_on_from(room: Path) -> None:
    for name in ("a", "b/1", "b/2", "b/c/d", "e"):
        write(room / name, DICOM)
    write(room / "b" / "3.zip", zipped({"x": DICOM, "y": DICOM}))
    found = look(room, room)
    for number, one in enumerate(found, 1):
        assert [later.key for later in look(room, room, one.key)] == [later.key for later in found[number:]]


def test_what_is_written_to_a_zip_file_after_a_restart_is_not_passed_over(room: Path) -> None:
    path = write(room / "a.zip", zipped({"x": b"1", "y": b"2"}))
    last = look(room, room)[-1].key
    assert look(room, room, last) == []
    write(path, zipped({"z": b"3"}))
    os.utime(path)
    assert [one.name for one in look(room, room, last)] == ["a.zip!z"]


@pytest.mark.parametrize("path", ["", "relative", "./x", "/tmp/\0"])
def test_a_path_that_is_not_absolute_is_a_wrong_field(room: Path, path: str) -> None:
    assert refusal(room, path) is Reason.INVALID_FIELD


def test_a_path_outside_is_forbidden_whether_or_not_it_is_there(room: Path) -> None:
    outside = write(room.parent / "secret", DICOM)
    (room / "link").symlink_to(outside)
    (room / "nowhere").symlink_to(room.parent / "missing")
    for path in (outside, room.parent / "missing", room / ".." / "secret", room / "link", room / "nowhere", "/"):
        assert refusal(room, path) is Reason.PATH_FORBIDDEN
    sibling = write(room.parent / "open2" / "x", DICOM)
    assert refusal(room, sibling) is Reason.PATH_FORBIDDEN


def test_nothing_is_open_unless_it_is_configured(room: Path) -> None:
    with pytest.raises(DianaError) as caught:
        HostSources([]).open(str(room))
    assert caught.value.reason is Reason.PATH_FORBIDDEN


def test_what_is_missing_inside_or_no_file_is_not_found(room: Path) -> None:
    os.mkfifo(room / "fifo")
    assert refusal(room, room / "missing") is Reason.SOURCE_NOT_FOUND
    assert refusal(room, room / "fifo") is Reason.SOURCE_NOT_FOUND


def test_links_are_followed_inside_and_never_out(room: Path) -> None:
    write(room.parent / "secret" / "x", DICOM)
    write(room / "real" / "x", DICOM)
    (room / "a-link").symlink_to(room / "real" / "x")
    (room / "b-out").symlink_to(room.parent / "secret")
    (room / "c-out").symlink_to("../secret/x")
    (room / "d-broken").symlink_to(room / "missing")
    assert told(look(room, room)) == {
        "a-link": DICOM,
        "b-out": "PATH_FORBIDDEN",
        "c-out": "PATH_FORBIDDEN",
        "d-broken": "SOURCE_NOT_FOUND",
        "real/x": DICOM,
    }


def test_circles_of_links_end(room: Path) -> None:
    write(room / "a" / "x", DICOM)
    (room / "a" / "up").symlink_to(room)
    (room / "a" / "self").symlink_to("self")
    (room / "b").symlink_to(room / "a")
    assert told(look(room, room)) == {"a/self": "SOURCE_NOT_FOUND", "a/x": DICOM}


def test_many_links_to_one_folder_do_not_multiply_it(room: Path) -> None:
    for level in range(30):
        (room / "levels" / str(level)).mkdir(parents=True)
    for level in range(29):
        for name in ("left", "right"):
            (room / "levels" / str(level) / name).symlink_to(room / "levels" / str(level + 1))
    write(room / "levels" / "29" / "x", DICOM)
    assert len(look(room, room / "levels" / "0")) == 1


def test_fifos_and_sockets_are_passed_over_unopened(room: Path) -> None:
    os.mkfifo(room / "fifo")
    (room / "null").symlink_to("/dev/null")
    assert told(look(room, room)) == {"fifo": None, "null": "PATH_FORBIDDEN"}


def test_a_folder_too_deep_for_a_path_ends_somewhere(room: Path) -> None:
    folder = os.open(room, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=folder)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = deeper
    os.close(folder)
    (last,) = look(room, room)
    assert _told(last.content) == "SOURCE_NOT_FOUND"
    assert len(last.name) <= 1000


def test_a_folder_with_too_many_entries_is_one_failure(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_IN_A_FOLDER", 3)
    write(room / "a", DICOM)
    for number in range(4):
        write(room / "b" / str(number), DICOM)
    assert told(look(room, room)) == {"a": DICOM, "b": "CONTAINER_LIMIT"}


def test_a_link_put_in_the_way_after_the_look_is_not_followed(room: Path) -> None:
    write(room / "a" / "x", DICOM)
    write(room.parent / "secret" / "x", b"secret")
    place = HostSources([room])._fence.place(room / "a" / "x")
    shutil.rmtree(room / "a")
    (room / "a").symlink_to(room.parent / "secret")
    with pytest.raises(OSError):
        place.open_file()


def test_a_file_that_vanishes_or_changes_meanwhile_is_a_failure(room: Path) -> None:
    for name in "abc":
        write(room / name, DICOM)
    found: dict[str, object] = {}
    for one in HostSources([room]).open(str(room)).files(()):
        if one.name == "a":
            (room / "b").unlink()
        if one.name == "c":
            write(room / "c", DICOM[:5000])
        found[one.name] = _told(taken(one))
    assert found == {"a": DICOM, "b": "SOURCE_NOT_FOUND", "c": "CHECKSUM_MISMATCH"}


def test_odd_names_are_told_as_text(room: Path) -> None:
    write(Path(os.fsdecode(os.fsencode(room) + b"/\xff\xfe")), DICOM)
    (one,) = look(room, room)
    assert one.name == r"\udcff\udcfe"


def test_a_single_file_and_none_of_the_kinds(room: Path) -> None:
    assert told(look(room, write(room / "one.dcm", DICOM))) == {"one.dcm": DICOM}
    assert refusal(room, write(room / "text", b"no DICOM")) is Reason.CONTAINER_INVALID


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
    assert _told(look(room, disc / "DICOMDIR")[0].content) not in (None, "SOURCE_NOT_FOUND")


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
    assert _told(found[0].content) == reason
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


def test_limits_are_those_the_operator_is_told() -> None:
    assert (zips.MOST_MEMBERS, zips.MOST_DIRECTORY_BYTES, zips.MOST_RATIO) == (100_000, 16 << 20, 200)
