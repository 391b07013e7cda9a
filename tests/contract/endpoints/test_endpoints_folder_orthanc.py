"""The nested folders in which a real Orthanc keeps its files, read as a DICOM folder while it is stopped."""

from __future__ import annotations

from pathlib import Path
from urllib.request import Request, urlopen

from diana_endpoints.folder import Folder, FolderSettings
from diana_endpoints.headers import fill_header
from diana_endpoints.items import Item, chunks
from diana_endpoints.protocol.query import Query
from tests.support.dicom_files import make_small
from tests.support.orthanc import needs_orthanc, serving


@needs_orthanc
def test_what_an_orthanc_keeps_is_read_without_it(tmp_path: Path) -> None:
    kept = [make_small(sop_uid=f"1.2.{number}", AccessionNumber=f"A{number}") for number in range(3)]
    with serving(tmp_path) as pacs:
        for data in kept:
            urlopen(Request(f"{pacs.url}/instances", data), timeout=30).close()

    folder = Folder(FolderSettings(tmp_path))
    found = {item.meta["sop_instance_uid"]: item for item in map(_with_header, folder.list())}
    assert sorted(found) == ["1.2.0", "1.2.1", "1.2.2"]
    for number, data in enumerate(kept):
        content = found[f"1.2.{number}"].content
        assert content
        assert b"".join(chunks(content)) == data
        assert len(Path(found[f"1.2.{number}"].meta["path"]).parts) >= 3
    assert [item.meta["sop_instance_uid"] for item in folder.find(Query("instance", {"AccessionNumber": ["A1"]}))] == [
        "1.2.1"
    ]
    assert [item.meta["size_bytes"] for item in folder.get(Item({"sop_instance_uid": "1.2.2"}))] == [len(kept[2])]


def _with_header(item: Item) -> Item:
    fill_header(item)
    return item
