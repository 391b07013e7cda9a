"""The DICOM folder: what is walked, what is passed over, what is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_common.errors import DianaError
from diana_endpoints.folder import Folder, FolderSettings
from diana_endpoints.items import BytesContent, FileContent, Item, chunks
from tests.support.dicom_files import ROOT, make_small


def _folder(path: Path) -> Folder:
    return Folder(FolderSettings(path))


def _paths(folder: Folder) -> list[str]:
    return sorted(str(item.meta["path"]) for item in folder.list())


def test_files_are_found_at_any_depth_and_others_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "one.dcm").write_bytes(make_small())
    (tmp_path / "no extension").write_bytes(make_small())
    (tmp_path / "notes.txt").write_text("not DICOM")
    (tmp_path / "empty").write_bytes(b"")
    folder = _folder(tmp_path)

    assert _paths(folder) == ["a/b/one.dcm", "no extension"]
    assert folder.passed_over == {"files that are not DICOM": 2}


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret.dcm").write_bytes(make_small())
    (inside / "own.dcm").write_bytes(make_small())
    (inside / "file").symlink_to(outside / "secret.dcm")
    (inside / "folder").symlink_to(outside)
    (inside / "same").symlink_to(inside / "own.dcm")
    (inside / "loop").symlink_to(inside)
    folder = _folder(inside)

    assert _paths(folder) == ["own.dcm", "same"]
    assert sum(folder.passed_over.values()) == 3


def test_a_pipe_in_the_folder_does_not_block_the_walk(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert _paths(_folder(tmp_path)) == []


def test_a_file_name_that_is_no_text_is_handed_on(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.dcm"))).write_bytes(make_small())
    [item] = _folder(tmp_path).list()
    assert item.content is not None
    assert b"".join(chunks(item.content)) == make_small()


def test_a_folder_that_is_not_there_is_refused_by_name_of_the_field(tmp_path: Path) -> None:
    with pytest.raises(DianaError, match="path: is not a folder"):
        next(_folder(tmp_path / "missing").list())
    assert not _folder(tmp_path / "missing").check().ok


def test_getting_by_a_path_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out.dcm").write_bytes(make_small())
    for path in ("../out.dcm", str(tmp_path / "out.dcm"), "", "missing"):
        with pytest.raises(DianaError):
            list(_folder(tmp_path / "in").get(Item({"path": path})))


def test_what_is_put_lies_under_its_uids_and_is_whole(tmp_path: Path) -> None:
    data = make_small()
    [item] = _folder(tmp_path).put([Item(content=BytesContent(data))])

    assert item.meta["outcome"] == "stored"
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert path.relative_to(tmp_path) == Path(f"{ROOT}.2.1/{ROOT}.3.1/{ROOT}.4.1.dcm")
    assert path.read_bytes() == data


def test_putting_again_changes_nothing_and_another_file_is_a_conflict(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    first, again, other = folder.put(
        [Item(content=BytesContent(data)) for data in (make_small(), make_small(), make_small(PatientID="OTHER"))]
    )
    assert (first.meta["outcome"], again.meta["outcome"]) == ("stored", "already_stored")
    assert other.failure is not None
    assert other.failure.reason == "INSTANCE_CONFLICT"
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert path.read_bytes() == make_small()


@pytest.mark.parametrize("uid", ["..", ".", "...", "1/../../2", ""])
def test_a_uid_that_would_be_a_place_is_never_a_file_name(tmp_path: Path, uid: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    meta = {"study_uid": uid, "series_uid": "1.2", "sop_instance_uid": "1.3"}
    [item] = _folder(root).put([Item(meta, header={}, content=BytesContent(make_small()))])
    assert item.failure is not None
    assert item.failure.reason == "UID_INVALID"
    assert list(tmp_path.rglob("*")) == [root]


def test_one_bad_item_does_not_keep_the_rest(tmp_path: Path) -> None:
    gone = Item(content=FileContent(tmp_path / "gone", 1))
    bad = Item(content=BytesContent(b"x" * 200))
    good = Item(content=BytesContent(make_small()))
    results = list(_folder(tmp_path / "out").put([gone, bad, good]))
    assert [item.failure.reason if item.failure else "" for item in results] == ["FILE_UNREADABLE", "NOT_PART10", ""]


def test_putting_takes_one_item_at_a_time(tmp_path: Path) -> None:
    taken = 0

    def endless() -> Iterator[Item]:
        nonlocal taken
        while True:
            taken += 1
            yield Item(content=BytesContent(make_small(sop_uid=f"1.{taken}")))

    results = _folder(tmp_path).put(endless())
    next(results)
    next(results)
    assert taken == 2
