"""The DICOM folder: what is walked, what is passed over, what is written."""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from grpc import StatusCode

from diana_client import NotFound
from diana_common.errors import DianaError
from diana_endpoints.folder import Folder, FolderSettings
from diana_endpoints.items import BytesContent, FileContent, Item, chunks
from diana_endpoints.protocol.query import Matches, Query
from diana_endpoints.services import Services
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


class _Gone:
    """Content whose source has it no more."""

    size = 1

    def open(self) -> BinaryIO:
        raise NotFound(StatusCode.NOT_FOUND, "gone", reason="INSTANCE_NOT_FOUND")


def test_an_item_that_is_gone_from_another_service_fails_alone(tmp_path: Path) -> None:
    gone, good = _folder(tmp_path).put([Item(content=_Gone()), Item(content=BytesContent(make_small()))])
    assert gone.failure is not None
    assert gone.failure.reason == "INSTANCE_NOT_FOUND"
    assert good.meta["outcome"] == "stored"


def test_threads_that_put_the_same_instance_all_succeed_and_one_stores_it(tmp_path: Path) -> None:
    def put(_: int) -> list[str]:
        items = [Item(content=BytesContent(make_small(sop_uid=f"1.{number}"))) for number in range(1, 21)]
        return [one.failure.reason if one.failure else one.meta["outcome"] for one in _folder(tmp_path).put(items)]

    with ThreadPoolExecutor(4) as threads:
        outcomes = Counter(outcome for told in threads.map(put, range(4)) for outcome in told)
    assert outcomes == {"stored": 20, "already_stored": 60}
    assert len([one for one in tmp_path.rglob("*") if one.is_file()]) == 20


def test_a_file_system_without_links_keeps_what_is_there_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    data = [make_small(), make_small(), make_small(PatientID="OTHER")]
    first, again, other = _folder(tmp_path).put(Item(content=BytesContent(one)) for one in data)
    assert (first.meta["outcome"], again.meta["outcome"]) == ("stored", "already_stored")
    assert other.failure is not None
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == [f"{ROOT}.4.1.dcm"]


def test_what_is_listed_or_put_is_got_and_found_by_its_id(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    [put] = folder.put([Item({"id": "elsewhere", "path": "x"}, content=BytesContent(make_small()))])
    [listed] = folder.list()
    assert put.meta["id"] == put.meta["path"] == listed.meta["id"] == listed.meta["path"]
    for name in ("id", "path"):
        [found] = folder.find(Query("study", {name: [str(put.meta["id"])]}))
        assert found.meta["sop_instance_uid"] == f"{ROOT}.4.1"
    assert list(folder.find(Query("study", {"id": ["elsewhere"]}))) == []
    [got] = folder.get(Item({"id": put.meta["id"]}))
    assert got.meta["id"] == put.meta["id"]


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


def _laid_out(path: Path, **settings: Any) -> Folder:
    made = Services({"folder": {"ctype": "DcmDir", "path": str(path), **settings}}, {}).endpoint("folder")
    assert isinstance(made, Folder)
    return made


def _files(path: Path) -> list[str]:
    return sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.is_file())


def test_instances_lie_where_the_layout_says(tmp_path: Path) -> None:
    for name, settings, pattern in (
        ("flat", {"layout": "flat"}, rf"{ROOT}\.4\.1\.dcm"),
        ("nested", {"layout": "nested"}, rf"[0-9a-f]{{2}}/[0-9a-f]{{2}}/{ROOT}\.4\.1\.dcm"),
        ("older", {"subpath_width": 1, "subpath_depth": 3}, rf"(./){{3}}{ROOT}\.4\.1\.dcm"),
    ):
        folder = _laid_out(tmp_path / name, **settings)
        first, again = folder.put([Item(content=BytesContent(make_small())) for _ in range(2)])
        assert (first.meta["outcome"], again.meta["outcome"]) == ("stored", "already_stored")
        [path] = _files(tmp_path / name)
        assert re.fullmatch(pattern, path)
        assert _paths(folder) == [path]
        [item] = folder.get(Item({"sop_instance_uid": f"{ROOT}.4.1"}))
        assert item.meta["path"] == path


def test_another_programs_nested_storage_is_read_and_its_other_files_passed_over(tmp_path: Path) -> None:
    for name, content in (
        ("ab/cd/abcd-1", make_small()),
        ("0f/aa/0faa-2", b'{"attachment": 1}'),
        ("0f/aa/0faa-3", b""),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    folder = _folder(tmp_path)
    assert _paths(folder) == ["ab/cd/abcd-1"]
    assert folder.passed_over == {"files that are not DICOM": 2}
    assert [item.meta["path"] for item in folder.get(Item({"study_uid": f"{ROOT}.2.1"}))] == ["ab/cd/abcd-1"]


def test_a_file_that_is_being_written_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "x.123.part").write_bytes(make_small())
    assert _paths(_folder(tmp_path)) == []


def _three(path: Path) -> Folder:
    folder = _folder(path)
    data = [
        make_small(Modality="CT"),
        make_small(sop_uid="1.2", series_uid="1.9", Modality="MR"),
        make_small(sop_uid="1.3", series_uid="1.8", study_uid="1.7", Modality="CT", PatientName="ROE^J"),
    ]
    assert all(item.failure is None for item in folder.put(Item(content=BytesContent(one)) for one in data))
    return folder


def test_instances_are_found_by_their_headers_one_a_study_or_series_on_request(tmp_path: Path) -> None:
    folder = _three(tmp_path)

    def found(level: str, matches: dict[str, list[str]]) -> list[str]:
        return sorted(item.meta["sop_instance_uid"] for item in folder.find(Query(level, matches)))

    assert found("instance", {}) == sorted(["1.2", "1.3", f"{ROOT}.4.1"])
    assert found("instance", {"Modality": ["MR", "US"]}) == ["1.2"]
    assert found("instance", {"00100010": ["ROE*"]}) == ["1.3"]
    assert len(found("study", {})) == 2
    assert len(found("patient", {})) == 1
    assert len(found("series", {"StudyInstanceUID": [f"{ROOT}.2.1"]})) == 2
    with pytest.raises(DianaError, match="matches: "):
        found("study", {"NoSuchWord": ["x"]})


def test_a_file_that_cannot_be_read_fails_alone_when_headers_are_searched(tmp_path: Path) -> None:
    folder = _three(tmp_path)
    (tmp_path / "cut.dcm").write_bytes(make_small()[:150])
    items = list(folder.find(Query("instance", {"Modality": ["MR"]})))
    assert sorted("failed" if item.failure else "found" for item in items) == ["failed", "found"]


def test_studies_series_and_instances_are_deleted_with_the_folders_they_leave_empty(tmp_path: Path) -> None:
    folder = _three(tmp_path)
    assert folder.delete(Item({"study_uid": "1.7"})) == 1
    assert folder.delete(Item({"study_uid": f"{ROOT}.2.1", "series_uid": "1.9"})) == 1
    assert folder.delete(Item({"id": f"{ROOT}.2.1/{ROOT}.3.1/{ROOT}.4.1.dcm"})) == 1
    assert list(tmp_path.iterdir()) == []
    for absent in ({"study_uid": "1.7"}, {"id": "x"}):
        with pytest.raises(DianaError, match="not a file in the folder"):
            folder.delete(Item(dict(absent)))


def test_nothing_outside_the_folder_is_deleted(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "x.dcm").write_bytes(make_small())
    (inside / "link").symlink_to(outside)
    (inside / "file").symlink_to(outside / "x.dcm")
    for name in ("../out/x.dcm", "link/x.dcm", "file", str(outside / "x.dcm"), "\0", ".."):
        with pytest.raises(DianaError):
            _folder(inside).delete(Item({"id": name}))
    assert (outside / "x.dcm").exists()


def test_the_items_of_sequences_are_matched_by_keyword_tag_and_path(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    list(folder.put([Item(content=BytesContent(make_small()))]))

    def count(matches: Matches) -> int:
        return len(list(folder.find(Query("instance", matches))))

    asked: list[Matches] = [
        {"ProcedureCodeSequence": {"CodeValue": ["24627-2"], "CodingSchemeDesignator": ["LN"]}},
        {"00081032": {"00080100": ["24627*"]}},
        {"ProcedureCodeSequence.CodeValue": ["24627-2"]},
        {"ProcedureCodeSequence": {}},
    ]
    assert [count(one) for one in asked] == [1] * 4
    asked = [
        {"ProcedureCodeSequence": {"CodeValue": ["24627-2"], "CodingSchemeDesignator": ["DCM"]}},
        {"00081032": {"00080100": ["ZZZ"]}},
        {"ProcedureCodeSequence.CodeValue": ["ZZZ"]},
        {"PatientID": {"CodeValue": ["24627-2"]}},
    ]
    assert [count(one) for one in asked] == [0] * 4
    with pytest.raises(DianaError, match="asked about twice"):
        count({"ProcedureCodeSequence.CodeValue": ["ZZZ"], "ProcedureCodeSequence": {"CodeValue": ["24627-2"]}})
