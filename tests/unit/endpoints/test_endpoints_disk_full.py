"""A disk that is full: said as such, and nothing half written stays."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

from diana_endpoints.csv_table import CsvSettings, CsvTable
from diana_endpoints.failures import failure_of
from diana_endpoints.folder import Folder, FolderSettings
from diana_endpoints.images import Images, ImagesSettings
from diana_endpoints.items import BytesContent, Item
from diana_endpoints.reports import Reports, ReportsSettings
from diana_endpoints.whole_files import wrote
from diana_endpoints.zips import Zip, ZipSettings
from tests.support.dicom_files import make_small

FULL = Path("/dev/full")

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here, which every write fails on")


@pytest.fixture(autouse=True)
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """New files can be made, and not written to."""
    really = Path.open

    def opened(self: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if "x" not in mode:
            return really(self, mode, *args, **options)
        self.touch(exist_ok=False)
        return really(FULL, mode.replace("x", "r"), *args, **options)

    monkeypatch.setattr(Path, "open", opened)


def _instance() -> Item:
    return Item(content=BytesContent(make_small()))


def _image() -> Item:
    return Item(content=BytesContent(Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()))


def _left(path: Path) -> list[str]:
    return [name for _, _, names in os.walk(path) for name in names]


@pytest.mark.parametrize(
    ("put", "item"),
    [
        (lambda path: Folder(FolderSettings(path)).put, _instance),
        (lambda path: Images(ImagesSettings(path)).put, _image),
        (lambda path: Reports(ReportsSettings(path)).put, lambda: Item({"id": "a"}, data={"text": "Lungs clear."})),
    ],
    ids=["folder", "images", "reports"],
)
def test_what_has_no_room_fails_with_that_and_leaves_no_file(
    tmp_path: Path, put: Callable[[Path], Callable[[list[Item]], list[Item]]], item: Callable[[], Item]
) -> None:
    (failed,) = put(tmp_path)([item()])
    assert failed.failure is not None
    assert failed.failure.reason == "DISK_FULL"
    assert _left(tmp_path) == []


@pytest.mark.parametrize(
    ("put", "item"),
    [
        (lambda path: Zip(ZipSettings(path / "a.zip")).put, _instance),
        (lambda path: CsvTable(CsvSettings(path / "a.csv")).put, lambda: Item({"id": "a"}, data={"key": "a"})),
    ],
    ids=["zip", "csv"],
)
def test_a_file_of_many_items_that_has_no_room_is_not_there(
    tmp_path: Path, put: Callable[[Path], Callable[[list[Item]], list[Item]]], item: Callable[[], Item]
) -> None:
    with pytest.raises(OSError) as caught:
        list(put(tmp_path)([item()]))
    assert failure_of(caught.value).reason == "DISK_FULL"
    assert _left(tmp_path) == []


def test_a_file_that_is_written_once_is_not_left_in_part(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        wrote(tmp_path / "a.png", bytes(1 << 20))
    assert _left(tmp_path) == []


def test_a_used_up_quota_and_a_full_disk_of_temporary_tables_are_said_alike() -> None:
    table = sqlite3.OperationalError("database or disk is full")
    table.sqlite_errorname = "SQLITE_FULL"
    found = [failure_of(error).reason for error in (OSError(errno.EDQUOT, "quota"), table, OSError(errno.EIO, "gone"))]
    assert found == ["DISK_FULL", "DISK_FULL", "FILE_UNREADABLE"]
