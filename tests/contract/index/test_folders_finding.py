"""Finding and reading files where they lie, in every store."""

from __future__ import annotations

import os
import zlib

import pytest

from diana_common.errors import DianaError, Reason
from diana_index.core.folders import folders as core
from diana_index.core.folders.folders import Ended, Event, Failed
from diana_index.core.folders.model import Collection, File, Kind
from tests.contract.index.folder_bench import FolderBench
from tests.contract.index.test_folders_indexing import scan
from tests.support.hostile_zips import zipped

A1 = Collection(Kind.ACCESSION_NUMBER, "A1")


def read(bench: FolderBench, *uids: str) -> dict[str, bytes | str]:
    """The bytes of each file of A1 by its path, or why it cannot be read."""
    taken: dict[str, bytes | str] = {}
    path, data = "", b""
    for event in bench.folders.read(A1, uids):
        match event:
            case File():
                path, data = _name(event), b""
            case bytes():
                data += event
            case Ended():
                assert event.crc32 == zlib.crc32(data)
                taken[path] = data
            case Failed():
                taken[_name(event.file)] = event.error.reason.name
    return taken


def _name(file: File) -> str:
    return f"{file.place.path.decode()}!{file.member}" if file.member else file.place.path.decode()


def test_files_and_zip_members_come_byte_for_byte_in_order_of_path(folders: FolderBench) -> None:
    contents = {f"{name}.dcm": scan(number) for number, name in enumerate(("b", "a/x", "a-b/x", "c"))}
    for path, content in contents.items():
        folders.write(path, content)
    members = {str(number): scan(10 + number) for number in range(5)}
    folders.write("z.zip", zipped(members))
    folders.index()
    assert read(folders) == contents | {f"z.zip!{name}": content for name, content in members.items()}
    assert folders.paths("A1") == sorted(folders.paths("A1"), key=lambda path: path.rpartition("/")[::2])


def test_only_the_instances_that_are_asked_for_come(folders: FolderBench) -> None:
    folders.write("z.zip", zipped({str(number): scan(number) for number in range(5)}))
    folders.write("7.dcm", scan(7))
    folders.index()
    assert list(read(folders, "1.2.3", "1.2.7")) == ["7.dcm", "z.zip!3"]
    assert read(folders, "9.9") == {}


def test_files_that_were_changed_or_are_gone_are_failures_in_their_place(folders: FolderBench) -> None:
    for name in ("1", "2", "3"):
        folders.write(name, scan(int(name)))
    folders.write("z.zip", zipped({"a": scan(4)}))
    folders.index()
    folders.write("1", scan(1, "OTHER"))
    os.utime(folders.room / "1", ns=(5, 5))
    (folders.room / "2").unlink()
    folders.write("z.zip", zipped({"a": scan(5), "b": scan(6)}))
    taken = read(folders)
    assert {name: value if isinstance(value, str) else "read" for name, value in taken.items()} == {
        "1": "CHECKSUM_MISMATCH",
        "2": "SOURCE_NOT_FOUND",
        "3": "read",
        "z.zip!a": "CHECKSUM_MISMATCH",
    }


def test_a_file_that_a_link_took_the_place_of_is_not_read(folders: FolderBench) -> None:
    path = folders.write("d/1.dcm", scan(1))
    folders.index()
    (folders.room / "d").rename(folders.room / "e")
    (folders.room / "d").symlink_to(folders.room / "e")
    assert path.exists()
    assert read(folders) == {"d/1.dcm": "SOURCE_NOT_FOUND"}


def test_a_collection_that_nobody_knows_is_refused(folders: FolderBench) -> None:
    with pytest.raises(DianaError) as refused:
        read(folders)
    assert refused.value.reason is Reason.COLLECTION_NOT_FOUND


def test_collections_are_listed_by_value_with_their_sizes(folders: FolderBench) -> None:
    for number, accession in enumerate(("A10", "A2", "A10", "Ä1", "B1", "")):
        folders.write(str(number), scan(number, accession, SpecificCharacterSet="ISO_IR 100"))
    folders.index()
    kind = Kind.ACCESSION_NUMBER
    assert folders.registry.collections(kind, "", "", 10) == [("A10", 2), ("A2", 1), ("B1", 1), ("Ä1", 1)]
    assert folders.registry.collections(kind, "A", "", 10) == [("A10", 2), ("A2", 1)]
    assert folders.registry.collections(kind, "A", "A10", 10) == [("A2", 1)]
    assert folders.registry.collections(kind, "", "A2", 1) == [("B1", 1)]
    assert folders.registry.collections(kind, "C", "", 10) == []


def test_pages_of_files_join_without_gap_or_repetition(folders: FolderBench, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(25):
        folders.write(f"d{number % 3}/{number}", scan(number))
    folders.write("z.zip", zipped({str(number): scan(100 + number) for number in range(15)}))
    folders.index()
    pages: list[File] = []
    while page := folders.registry.files(A1, pages[-1].place if pages else None, 7):
        pages += page
    assert pages == folders.find("A1")
    assert len({one.place for one in pages}) == 40
    monkeypatch.setattr(core, "_PAGE", 3)
    assert len(read(folders)) == 40


def events(bench: FolderBench) -> list[Event]:
    return list(bench.folders.read(A1))


def test_a_large_file_comes_in_pieces(folders: FolderBench) -> None:
    content = scan(1) + bytes(3 << 20)
    folders.write("1", content)
    folders.index()
    pieces = [event for event in events(folders) if isinstance(event, bytes)]
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) == 1 << 20
