"""The ZIP file: members are streamed; bombs, hostile names and damage do no harm."""

from __future__ import annotations

import errno
import random
import secrets
import shutil
import zipfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from diana_common.errors import DianaError, Reason
from diana_endpoints.folder import Folder, FolderSettings
from diana_endpoints.headers import fill_header
from diana_endpoints.items import BytesContent, Item, chunks
from diana_endpoints.zips import Zip, ZipSettings
from tests.support.dicom_files import ROOT, make_small

MIB = 1024 * 1024


def _zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _open(path: Path, **limits: Any) -> Zip:
    return Zip(ZipSettings(path, **limits))


def _read(item: Item) -> bytes:
    assert item.content is not None
    return b"".join(chunks(item.content))


def _blank(size: int) -> bytes:
    return bytes(128) + b"DICM" + bytes(size)


def test_dicom_members_come_back_byte_for_byte_and_others_are_counted(tmp_path: Path) -> None:
    path = _zip(tmp_path / "x.zip", {"a/one.dcm": make_small(), "readme": b"hello", "two": make_small(PatientID="2")})
    source = _open(path)
    assert [_read(item) for item in source.list()] == [make_small(), make_small(PatientID="2")]
    assert source.passed_over == {"files that are not DICOM": 1}
    assert source.check().ok
    source.close()


def test_content_can_be_opened_after_the_listing_has_ended_and_again(tmp_path: Path) -> None:
    source = _open(_zip(tmp_path / "x.zip", {"one": make_small()}))
    [item] = list(source.list())
    assert _read(item) == _read(item) == make_small()
    source.close()


def test_a_members_header_is_read_without_the_rest(tmp_path: Path) -> None:
    [item] = _open(_zip(tmp_path / "x.zip", {"one": make_small()})).list()
    fill_header(item)
    assert item.meta["study_uid"] == f"{ROOT}.2.1"
    assert item.header is not None
    assert item.header["00080060"]["Value"] == ["CT"]


def test_hostile_names_are_never_used_as_paths(tmp_path: Path) -> None:
    hostile = {
        "../../escape.dcm": make_small(),
        "/etc/absolute": make_small(sop_uid="1.2"),
        "C:\\x": make_small(sop_uid="1.3"),
    }
    source = _open(_zip(tmp_path / "x.zip", hostile))
    out = tmp_path / "a" / "b" / "out"
    out.mkdir(parents=True)
    assert len([item for item in Folder(FolderSettings(out)).put(source.list()) if not item.failure]) == 3
    written = list(tmp_path.rglob("*.dcm"))
    assert len(written) == 3
    assert all(path.is_relative_to(out) for path in written)


def test_a_member_that_inflates_beyond_the_ratio_is_stopped(tmp_path: Path) -> None:
    [item] = _open(_zip(tmp_path / "x.zip", {"bomb": _blank(80 * MIB)})).list()
    with pytest.raises(DianaError) as refused:
        _read(item)
    assert refused.value.reason.name == "INSTANCE_TOO_LARGE"


def test_a_blank_image_of_usual_size_is_no_bomb(tmp_path: Path) -> None:
    [item] = _open(_zip(tmp_path / "x.zip", {"blank": _blank(8 * MIB)})).list()
    assert len(_read(item)) == 8 * MIB + 132


def test_all_members_share_one_limit_on_what_comes_out(tmp_path: Path) -> None:
    source = _open(_zip(tmp_path / "x.zip", {str(n): _blank(MIB) for n in range(3)}), max_total_bytes=2 * MIB + 1000)
    items = list(source.list())
    _read(items[0])
    _read(items[1])
    with pytest.raises(DianaError, match="total size"):
        _read(items[2])


def test_too_many_members_are_refused_before_they_are_listed(tmp_path: Path) -> None:
    source = _open(_zip(tmp_path / "x.zip", {str(n): b"" for n in range(20)}), max_members=10)
    with pytest.raises(DianaError, match="more members"):
        next(source.list())
    assert not source.check().ok


def test_the_members_of_a_zip64_file_are_counted(tmp_path: Path) -> None:
    path = _zip(tmp_path / "x.zip", {str(n): b"" for n in range(70_000)}, zipfile.ZIP_STORED)
    with pytest.raises(DianaError, match="more members"):
        next(_open(path, max_members=66_000).list())


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip file" * 100, b"PK\x05\x06" + b"\xff" * 18, b"PK\x05\x06"])
def test_what_is_no_zip_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    with pytest.raises(DianaError):
        list(_open(path).list())


def test_a_missing_file_is_refused_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(DianaError) as refused:
        list(_open(tmp_path / "Doe^John.zip").list())
    assert "Doe" not in refused.value.message


def test_a_damaged_member_fails_and_the_rest_go_on(tmp_path: Path) -> None:
    path = _zip(tmp_path / "x.zip", {"bad": make_small(), "good": make_small()}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[5000] ^= 0xFF
    path.write_bytes(data)
    bad, good = _open(path).list()
    with pytest.raises(DianaError, match="damaged"):
        _read(bad)
    assert _read(good) == make_small()


def test_a_method_whose_output_is_not_bounded_is_refused_for_the_member_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("lzma", make_small(), zipfile.ZIP_LZMA)
        archive.writestr("stored", make_small(), zipfile.ZIP_STORED)
    lzma, stored = _open(path).list()
    assert lzma.failure is not None
    assert lzma.content is None
    assert _read(stored) == make_small()


def test_an_encrypted_member_is_refused_for_itself_alone(tmp_path: Path) -> None:
    path = _zip(tmp_path / "x.zip", {"one": make_small()}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    data[6] |= 1
    data[directory + 8] |= 1
    path.write_bytes(data)
    [item] = _open(path).list()
    assert item.failure is not None
    assert item.failure.reason == "FILE_UNREADABLE"


def test_a_member_is_got_by_its_name(tmp_path: Path) -> None:
    source = _open(_zip(tmp_path / "x.zip", {"a": make_small(), "b": make_small(PatientID="2")}))
    [item] = source.get(Item({"path": "b"}))
    assert _read(item) == make_small(PatientID="2")
    with pytest.raises(DianaError):
        list(source.get(Item({"path": "c"})))


def test_any_damage_is_a_typed_refusal_or_an_items_failure(tmp_path: Path) -> None:
    whole = _zip(tmp_path / "x.zip", {"a": make_small(), "b": b"text", "c": make_small()}).read_bytes()
    dice = random.Random(7)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            data[dice.choice((dice.randrange(len(data)), len(data) - 1 - dice.randrange(180)))] = dice.randrange(256)
        path = tmp_path / "y.zip"
        path.write_bytes(data)
        source = _open(path)
        try:
            for item in source.list():
                if item.content:
                    _read(item)
        except DianaError as error:
            assert error.message
        source.close()


def test_what_is_put_becomes_a_new_file_that_every_medium_can_name(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.zip"
    data = [make_small(), make_small(sop_uid="1.2"), make_small(sop_uid="1.3", series_uid="1.9"), b"no DICOM" * 40]
    target = _open(path)
    assert target.check().detail == "no file yet"
    results = list(target.put(Item(content=BytesContent(one)) for one in data))
    assert [item.failure.reason if item.failure else item.meta["outcome"] for item in results] == [
        *["stored"] * 3,
        "NOT_PART10",
    ]
    names = ["DICOM/ST000001/SE000001/IM000001", "DICOM/ST000001/SE000001/IM000002", "DICOM/ST000001/SE000002/IM000001"]
    assert [(item.meta["path"], _read(item)) for item in target.list()] == list(zip(names, data))
    assert [item.meta["id"] for item in results[:3]] == [item.meta["id"] for item in target.list()] == names
    assert [one.name for one in path.parent.iterdir()] == ["x.zip"]
    target.close()


def test_a_file_that_is_there_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = _zip(tmp_path / "x.zip", {"a": make_small()})
    with pytest.raises(DianaError, match="there already"):
        list(_open(path).put([]))
    assert [item.failure for item in _open(path, replace=True).put([Item(content=BytesContent(make_small()))])] == [
        None
    ]
    assert [item.meta["path"] for item in _open(path).list()] == ["DICOM/ST000001/SE000001/IM000001"]
    assert list(_open(path, replace=True).put([])) == []
    assert path.exists()


def test_of_two_who_write_one_file_at_a_time_the_later_is_refused(tmp_path: Path) -> None:
    def put(who: int) -> Iterator[Item]:
        data = [make_small(sop_uid=f"1.{who}.{number}") for number in (0, 1)]
        return iter(_open(tmp_path / "x.zip").put(Item(content=BytesContent(one)) for one in data))

    ours, theirs = put(1), put(2)
    assert [next(results).failure for results in (ours, theirs)] == [None, None]
    assert len(list(ours)) == 1
    with pytest.raises(DianaError) as refused:
        list(theirs)
    assert refused.value.reason is Reason.ITEM_EXISTS
    assert len(list(_open(tmp_path / "x.zip").list())) == 2
    assert len(list(_open(tmp_path / "x.zip").get(Item({"sop_instance_uid": "1.1.1"})))) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["x.zip"]


def test_what_was_put_is_in_the_file_though_its_taker_has_enough(tmp_path: Path) -> None:
    results = _open(tmp_path / "x.zip").put(Item(content=BytesContent(make_small(sop_uid=f"1.{n}"))) for n in range(9))
    assert isinstance(results, Generator)
    next(results)
    results.close()
    assert len(list(_open(tmp_path / "x.zip").list())) == 1


def test_members_are_got_by_name_or_uid(tmp_path: Path) -> None:
    source = _open(_zip(tmp_path / "x.zip", {"a": make_small(), "b": make_small(sop_uid="1.2"), "c": _blank(9)}))
    for wanted, found in (
        ({"id": "b"}, ["b"]),
        ({"path": "a"}, ["a"]),
        ({"sop_instance_uid": "1.2"}, ["b"]),
        ({"id": "of another endpoint", "sop_instance_uid": "1.2"}, ["b"]),
        ({"study_uid": f"{ROOT}.2.1"}, ["a", "b"]),
    ):
        assert [item.meta["path"] for item in source.get(Item(dict(wanted)))] == found
    for absent in ({"id": "z"}, {"sop_instance_uid": "9.9"}):
        with pytest.raises(DianaError, match="not a DICOM member"):
            list(source.get(Item(dict(absent))))


def test_a_member_that_was_written_in_part_is_not_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(source: BinaryIO, member: BinaryIO, size: int) -> None:
        member.write(secrets.token_bytes(200_000))
        raise OSError(errno.ENOSPC, "full")

    whole = make_small(sop_uid="1.2.1")
    path = tmp_path / "a.zip"
    putting = Zip(ZipSettings(path)).put([Item(content=BytesContent(whole)), Item(content=BytesContent(make_small()))])
    first = next(putting)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", cut)
        (second,) = putting
    assert first.failure is None
    assert second.failure and second.failure.reason == "DISK_FULL"
    with zipfile.ZipFile(path) as made:
        assert [made.read(info) for info in made.infolist()] == [whole]
    assert path.stat().st_size < 200_000
