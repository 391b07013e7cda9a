"""What lies under a path: folders and files, honest ones and those that mean harm."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from diana_archive.adapters import folders
from diana_archive.adapters.sources import HostSources
from diana_common.errors import DianaError, Reason
from tests.support.hostile_zips import zipped
from tests.unit.archive.sources.looking import DICOM, look, refusal, taken, told, told_of, write


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
    assert told_of(last.content) == "SOURCE_NOT_FOUND"
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
        found[one.name] = told_of(taken(one))
    assert found == {"a": DICOM, "b": "SOURCE_NOT_FOUND", "c": "CHECKSUM_MISMATCH"}


def test_odd_names_are_told_as_text(room: Path) -> None:
    write(Path(os.fsdecode(os.fsencode(room) + b"/\xff\xfe")), DICOM)
    (one,) = look(room, room)
    assert one.name == r"\udcff\udcfe"


def test_a_single_file_and_none_of_the_kinds(room: Path) -> None:
    assert told(look(room, write(room / "one.dcm", DICOM))) == {"one.dcm": DICOM}
    assert refusal(room, write(room / "text", b"no DICOM")) is Reason.CONTAINER_INVALID
