"""Folders that instances are written into."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from diana_common.attempts import Postponed, Refused, Unreachable
from diana_common.errors import DianaError, Reason
from diana_route.adapters.outgoing import OutgoingFolder
from tests.support.dicom_files import make_small
from tests.support.dimse_sender import data_set_of

UIDS = ("1.2", "1.2.3", "1.2.3.4")
FILE = make_small()
DIGEST = hashlib.sha256(data_set_of(FILE)).digest()


@pytest.fixture
def folder(tmp_path: Path) -> OutgoingFolder:
    (tmp_path / "out").mkdir()
    return OutgoingFolder(str(tmp_path / "out"), [tmp_path])


def test_a_file_appears_whole_under_its_uids(folder: OutgoingFolder, tmp_path: Path) -> None:
    assert not folder.holds(UIDS, len(FILE), DIGEST)
    folder.write(UIDS, DIGEST, "job", [FILE[:100], b"", FILE[100:]])
    assert (tmp_path / "out/1.2/1.2.3/1.2.3.4.dcm").read_bytes() == FILE
    assert folder.holds(UIDS, len(FILE), DIGEST)


@pytest.mark.parametrize("other", [b"", b"no DICOM at all".ljust(len(FILE))])
def test_what_is_no_data_set_is_replaced(folder: OutgoingFolder, tmp_path: Path, other: bytes) -> None:
    folder.write(UIDS, DIGEST, "job", [other])
    assert not folder.holds(UIDS, len(FILE), DIGEST)
    folder.write(UIDS, DIGEST, "job", [FILE])
    assert [one.read_bytes() for one in (tmp_path / "out/1.2/1.2.3").iterdir()] == [FILE]


def test_another_data_set_of_its_name_stays(folder: OutgoingFolder, tmp_path: Path) -> None:
    other = FILE[:-1] + b"\1"
    digest = hashlib.sha256(data_set_of(other)).digest()
    folder.write(UIDS, digest, "job", [other])
    assert not folder.holds(UIDS, len(FILE), DIGEST)
    for _ in range(2):
        folder.write(UIDS, DIGEST, "job", [FILE])
    assert folder.holds(UIDS, len(FILE), DIGEST)
    assert folder.holds(UIDS, len(other), digest)
    place = tmp_path / "out/1.2/1.2.3"
    assert {one.name: one.read_bytes() for one in place.iterdir()} == {
        "1.2.3.4.dcm": other,
        f"1.2.3.4.{DIGEST.hex()[:8]}.dcm": FILE,
    }
    (place / f"1.2.3.4.{DIGEST.hex()[:8]}.dcm").write_bytes(other)
    with pytest.raises(Refused, match="both"):
        folder.write(UIDS, DIGEST, "job", [FILE])


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", ["1.2.3.4.dcm", ".1.2.3.4.job.part"])
def test_what_is_no_file_refuses_its_instance_alone(
    folder: OutgoingFolder, tmp_path: Path, make: Callable[[Path], None], name: str
) -> None:
    place = tmp_path / "out/1.2/1.2.3"
    place.mkdir(parents=True)
    make(place / name)
    with pytest.raises(Refused, match="something else than a file"):
        folder.write(UIDS, DIGEST, "job", [FILE])
    if name == "1.2.3.4.dcm":
        with pytest.raises(Refused, match="something else than a file"):
            folder.holds(UIDS, len(FILE), DIGEST)


def test_a_file_where_a_directory_belongs_refuses_its_instances_alone(folder: OutgoingFolder, tmp_path: Path) -> None:
    (tmp_path / "out/1.2").write_bytes(b"")
    with pytest.raises(Refused, match="something else than a file"):
        folder.holds(UIDS, len(FILE), DIGEST)
    with pytest.raises(Refused, match="something else than a file"):
        folder.write(UIDS, DIGEST, "job", [FILE])


def test_what_was_cut_off_leaves_no_file_and_what_a_kill_left_is_replaced(
    folder: OutgoingFolder, tmp_path: Path
) -> None:
    def cut() -> Iterator[bytes]:
        yield FILE[:100]
        raise Unreachable("the archive does not answer")

    with pytest.raises(Unreachable):
        folder.write(UIDS, DIGEST, "job", cut())
    place = tmp_path / "out/1.2/1.2.3"
    assert list(place.iterdir()) == []
    (place / ".1.2.3.4.job.part").write_bytes(bytes(10**6))
    folder.write(UIDS, DIGEST, "job", [FILE])
    assert [one.name for one in place.iterdir()] == ["1.2.3.4.dcm"]
    assert folder.holds(UIDS, len(FILE), DIGEST)


@pytest.mark.parametrize("path", ["/", "/etc", "relative", "{root}/../elsewhere"])
def test_only_folders_that_are_open_are_taken(tmp_path: Path, path: str) -> None:
    with pytest.raises(DianaError) as caught:
        OutgoingFolder(path.format(root=tmp_path), [tmp_path])
    assert caught.value.reason is Reason.PATH_FORBIDDEN


@pytest.mark.parametrize("uids", [("..", "1", "2"), ("1", "../../..", "2"), ("1", "2", "/etc/passwd"), ("1", "2", "")])
def test_names_that_are_no_uids_lead_nowhere(folder: OutgoingFolder, uids: tuple[str, str, str]) -> None:
    with pytest.raises(Refused):
        folder.write(uids, DIGEST, "job", [FILE])
    with pytest.raises(Refused):
        folder.holds(uids, len(FILE), DIGEST)


def test_a_link_does_not_lead_out(
    folder: OutgoingFolder, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (tmp_path / "out/1.2").symlink_to(outside)
    with pytest.raises(Refused, match="a link leads out"):
        folder.write(UIDS, DIGEST, "job", [FILE])
    assert not list(outside.glob("**/*.*"))


def test_a_folder_that_is_not_there_is_not_made(folder: OutgoingFolder, tmp_path: Path) -> None:
    (tmp_path / "out").rmdir()
    with pytest.raises(Unreachable, match="not there"):
        folder.write(UIDS, DIGEST, "job", [FILE])
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_waited_for(folder: OutgoingFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "/secret")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(Postponed) as caught:
            folder.write(UIDS, DIGEST, "job", [FILE])
    assert caught.value.why == "the folder's disk is full"
    folder.write(UIDS, DIGEST, "job", [FILE])


def test_a_disk_that_fails_keeps_what_waits_for_it(folder: OutgoingFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", broken)
        with pytest.raises(Unreachable, match="EIO"):
            folder.write(UIDS, DIGEST, "job", [FILE])
