"""An instance on its way in: held or spooled, bounded, let go of; and whether it is what its command says."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pynetdicom.dsutils import encode

from diana_common.errors import DianaError, Reason
from diana_dimse.adapters.spool import DiskSpool
from diana_dimse.core.intake.identity import Identity
from diana_dimse.core.intake.part10 import file_head
from diana_dimse.core.intake.receiving import Budget, Kept, Limits, Origin, Receiving
from diana_dimse.core.intake.taking import Named, take_in
from tests.support.dicom_files import ROOT, make_small
from tests.support.dimse_sender import Object

ORIGIN = Origin("default", "CT 1")
IMPLICIT, BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
ONE = Object.of(make_small(SOPInstanceUID=f"{ROOT}.1"))
NAMED = Named(ONE.sop_class_uid, ONE.sop_instance_uid, ONE.transfer_syntax)
HELD, LARGEST, MEMORY, DISK = 4096, 20_000, 30_000, 50_000


class FakeArchive:
    """Remembers what came, and how; or refuses it."""

    def __init__(self, folder: Path, takes_files: bool) -> None:
        self.takes_files = takes_files
        self.came: list[tuple[str, bytes]] = []
        self.refusal: DianaError | None = None
        self._folder = folder

    def _take(self, how: str, data: bytes) -> Kept:
        if self.refusal:
            raise self.refusal
        self.came.append((how, data))
        return Kept("1", "2", "3")

    def upload(self, origin: Origin, data: bytes) -> Kept:
        return self._take("upload", data)

    def upload_file(self, origin: Origin, name: str) -> Kept:
        return self._take("file", (self._folder / name).read_bytes())

    def adopt(self, origin: Origin, name: str) -> Kept:
        return self._take("adopt", (self._folder / name).read_bytes())


class Way:
    """A way in with small limits."""

    def __init__(self, folder: Path, *, takes_files: bool = True, memory: int = MEMORY, disk: int = DISK) -> None:
        self.folder = folder
        self.archive = FakeArchive(folder, takes_files)
        self._memory, self._disk = Budget(memory), Budget(disk)
        self._most = memory, disk
        self.receiving = Receiving(self.archive, DiskSpool(folder), self._memory, self._disk, Limits(HELD, LARGEST))

    def take(self, data: bytes, *, piece: int = 1000, named: Named = NAMED) -> Kept:
        pieces = (memoryview(data)[place : place + piece] for place in range(0, len(data), piece))
        return take_in(self.receiving, ORIGIN, named, pieces)

    def is_clean(self) -> bool:
        """Whether all that was taken was given back."""
        return list(self.folder.iterdir()) == [] and self._memory.take(self._most[0]) and self._disk.take(self._most[1])


@pytest.mark.parametrize(
    ("size", "takes_files", "how"), [(2000, True, "upload"), (9000, True, "adopt"), (9000, False, "file")]
)
def test_small_ones_are_held_and_large_ones_go_by_file(tmp_path: Path, size: int, takes_files: bool, how: str) -> None:
    way = Way(tmp_path, takes_files=takes_files)
    assert way.take(ONE.data_set[:size]) == Kept("1", "2", "3")
    [(came, data)] = way.archive.came
    found = dcmread(io.BytesIO(data), stop_before_pixels=True)
    assert (came, data[-size:]) == (how, ONE.data_set[:size])
    assert (found.file_meta.MediaStorageSOPInstanceUID, found.file_meta.SourceApplicationEntityTitle) == (
        ONE.sop_instance_uid,
        "CT 1",
    )
    assert way.is_clean()


def test_one_that_finds_no_room_in_memory_goes_by_file(tmp_path: Path) -> None:
    way = Way(tmp_path, memory=1500)
    way.take(ONE.data_set[:3000])
    assert [how for how, _ in way.archive.came] == ["adopt"]
    assert way.is_clean()


@pytest.mark.parametrize(
    ("size", "disk", "reason"),
    [(LARGEST + 1, DISK, Reason.INSTANCE_TOO_LARGE), (9000, 6000, Reason.OVERLOADED)],
)
def test_what_is_too_much_is_refused_and_let_go_of(tmp_path: Path, size: int, disk: int, reason: Reason) -> None:
    way = Way(tmp_path, disk=disk)
    with pytest.raises(DianaError) as raised:
        way.take(ONE.data_set[:300] + bytes(size - 300))
    assert raised.value.reason is reason
    assert way.archive.came == []
    assert way.is_clean()


def test_a_spool_that_takes_no_more_is_a_full_disk(tmp_path: Path) -> None:
    way = Way(folder := tmp_path / "spool")
    folder.rmdir()
    with pytest.raises(DianaError) as raised:
        way.take(ONE.data_set[:9000])
    assert raised.value.reason is Reason.DISK_FULL


@pytest.mark.parametrize("size", [2000, 9000])
def test_a_refusal_of_the_archive_lets_go_of_all(tmp_path: Path, size: int) -> None:
    way = Way(tmp_path)
    way.archive.refusal = DianaError(Reason.INSTANCE_CONFLICT, "another one is there")
    with pytest.raises(DianaError):
        way.take(ONE.data_set[:size])
    assert way.is_clean()


@pytest.mark.parametrize("piece", [1, 7, 100, 5000])
@pytest.mark.parametrize("other", ["class", "instance"])
def test_another_instance_is_seen_however_it_is_cut(tmp_path: Path, piece: int, other: str) -> None:
    named = Named("1.2" if other == "class" else NAMED.sop_class_uid, f"{ROOT}.2", NAMED.transfer_syntax)
    way = Way(tmp_path)
    with pytest.raises(DianaError) as raised:
        way.take(ONE.data_set[:6000], piece=piece, named=named)
    assert raised.value.reason is Reason.UID_INVALID
    assert way.archive.came == []
    assert way.is_clean()


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG_ENDIAN, ONE.transfer_syntax])
def test_the_uids_are_read_in_each_encoding(syntax: str) -> None:
    found = Dataset()
    found.SpecificCharacterSet = "ISO_IR 100"
    found.SOPClassUID, found.SOPInstanceUID = NAMED.sop_class_uid, f"{ROOT}.1"
    data = encode(found, syntax == IMPLICIT, syntax != BIG_ENDIAN) or b""
    for uid, is_same in ((f"{ROOT}.1", True), (f"{ROOT}.2", False)):
        check = Identity(NAMED.sop_class_uid, uid, syntax)
        check.look(memoryview(data))
        if is_same:
            check.close()
        else:
            with pytest.raises(DianaError):
                check.close()


@pytest.mark.parametrize(
    "data", [b"", b"\x08\0", bytes(5000), b"\xff" * 5000, b"\x08\0\x16\0UI\xff\xff1.2", b"abc" * 900]
)
@pytest.mark.parametrize("syntax", [IMPLICIT, BIG_ENDIAN, DEFLATED, ONE.transfer_syntax])
def test_garbage_is_left_to_the_archive(data: bytes, syntax: str) -> None:
    check = Identity(NAMED.sop_class_uid, NAMED.sop_instance_uid, syntax)
    check.look(memoryview(data))
    check.close()


@pytest.mark.parametrize("calling", ["A", "SIXTEEN LETTERS.", "\xc4\xd6"])
def test_a_files_head_is_one(calling: str) -> None:
    head = file_head("1.2.3", "1.2.3.4.5", ONE.transfer_syntax, calling)
    meta = dcmread(io.BytesIO(head)).file_meta
    assert meta.FileMetaInformationGroupLength == len(head) - 144
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == ("1.2.3", "1.2.3.4.5")
    assert len(head) % 2 == 0
