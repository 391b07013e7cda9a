"""The study leaves de-identified: from store to store, held against its source attribute by attribute, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator

from diana_cli.demo.storing import test_files
from diana_cli.demo.story import SITE, STORE, TRIAL, Demo, StepFailed
from diana_cli.text import attribute, clean
from diana_client import GuidClient, connect
from diana_common.dicomjson import texts, walk
from diana_common.tags import parse_tag, tag_hex
from diana_endpoints.anon import Anon
from diana_endpoints.archive import Archive
from diana_endpoints.headers import fill_header
from diana_endpoints.index import Index
from diana_endpoints.items import FileContent, Item, chunks
from diana_endpoints.protocol.anon import StudyOrder
from diana_endpoints.protocol.query import Query

_SHOWN = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "InstitutionName",
    "Manufacturer",
    "StudyDescription",
    "Modality",
    "PixelSpacing",
    "StudyInstanceUID",
    "SOPInstanceUID",
)
"""Attributes told of before and after."""
_ABSENT = "(absent)"
_FILE = "CT_small.dcm"
"""A file of pydicom's with an institution and private elements."""
_IDENTIFYING_VRS = ("PN", "DA", "DT", "UI")
_IDENTIFYING = ("PatientID", "AccessionNumber", "InstitutionName", "StudyTime", "SeriesTime", "ContentTime")
"""Further attributes whose values must not be found again."""
_STANDARD = "1.2.840.10008."
"""The root of the standard's own UIDs, which identify nobody (PS3.6 Annex A)."""
_SHORTEST = 4
"""Shorter values occur in any file by chance."""


def deidentify(demo: Demo) -> Iterator[str]:
    """De-identify the study into another store, with the attributes that choose who is told."""
    uid = str(demo.study.meta["study_uid"])
    anon = demo.endpoint("anon:", Anon)
    operation = anon.start_study(StudyOrder(uid, STORE, attributes={"trial": TRIAL, "site": SITE}))
    *refused, demo.new_study = anon.await_study(operation)
    for item in (*refused, demo.new_study):
        if item.failure:
            raise StepFailed(f"{item.name}: {item.failure.reason}: {item.failure.message}")
    made = demo.new_study.meta
    if (made["instances"], made["complete"]) != (demo.study.meta["instances"], True):
        raise StepFailed(f"{made['instances']} instances were de-identified of {demo.study.meta['instances']}")
    yield f"{uid} becomes"
    yield f"{made['study_uid']} in store {STORE}, {made['instances']} instances, complete"
    query = Query("instance", {"StudyInstanceUID": [made["study_uid"]]}, at_least_position=made["position"])
    yield f"the index of {STORE} knows {demo.endpoint(f'index:{STORE}', Index).count(query)} of them"


def compare(demo: Demo) -> Iterator[str]:
    """Show attributes of one instance before and after; the mint says which is which."""
    before = next(demo.endpoint("archive:", Archive).get(demo.study))
    with connect(demo.mesh.addresses["guid"]) as channel:
        [new_uid] = GuidClient(channel).map_identifiers([before.meta["sop_instance_uid"]]).uids
    after = next(demo.endpoint(f"archive:{STORE}", Archive).get(Item({"sop_instance_uid": new_uid})))
    yield from _rows(before, after)


def search(demo: Demo) -> Iterator[str]:
    """Look for every identifying value of the source in every byte of the new files."""
    values: set[str] = set()
    for item in demo.endpoint("archive:", Archive).get(demo.study):
        values |= _identifying(item)
    files, size = 0, 0
    for item in demo.endpoint(f"archive:{STORE}", Archive).get(demo.new_study):
        files, size = files + 1, size + _search(item, values)
    if files != demo.study.meta["instances"]:
        raise StepFailed(f"{files} new files were found")
    yield f"{len(values)} names, numbers, dates and UIDs of the source"
    yield f"none of them is in the {size:,} bytes of the {files} new files"


def pass_file(demo: Demo) -> Iterator[str]:
    """De-identify a file as it passes; nothing of it is stored."""
    path = test_files() / _FILE
    before = Item(content=FileContent(path, path.stat().st_size))
    [after] = demo.endpoint("anon:", Anon).anonymize([before])
    if after.failure:
        raise StepFailed(f"{after.failure.reason}: {after.failure.message}")
    values = _identifying(before)
    size = _search(after, values)
    yield f"{_FILE}, {before.content.size if before.content else 0:,} bytes, has become {size:,} bytes"
    yield from _rows(before, after)
    yield f"none of {len(values)} identifying values is in them"


def _rows(before: Item, after: Item) -> Iterator[str]:
    """A line for each attribute that one of them has; = marks what stayed."""
    for item in (before, after):
        fill_header(item)
    for name in _SHOWN:
        old, new = _told(before, name), _told(after, name)
        if (old, new) != (_ABSENT, _ABSENT):
            yield clean(f"{'=' if old == new else ' '} {name:<22} {old:<52} {new}")
    yield f"  {'private elements':<22} {_count_private(before):<52} {_count_private(after)}"


def _told(item: Item, name: str) -> str:
    if tag_hex(parse_tag(name)) not in (item.header or {}):
        return _ABSENT
    return attribute(item, name) or "(empty)"


def _count_private(item: Item) -> int:
    """How many elements are private, nested ones too: those of odd groups (PS3.5 section 7.8)."""
    return sum(int(path[-1][:4], 16) % 2 for path, _ in walk(item.header or {}))


def _identifying(item: Item) -> set[str]:
    """The values of an instance that must not be found again."""
    fill_header(item)
    named = {tag_hex(parse_tag(name)) for name in _IDENTIFYING}
    found: set[str] = set()
    for path, element in walk(item.header or {}):
        if element.get("vr") in _IDENTIFYING_VRS or path[-1] in named:
            found.update(texts({path[-1]: element}, path[-1]))
    return {value for value in found if len(value) >= _SHORTEST and not value.startswith(_STANDARD)}


def _search(item: Item, values: set[str]) -> int:
    """The size of an instance in bytes. Raises StepFailed if it holds one of the values."""
    data = b"".join(chunks(item.content)) if item.content else b""
    if found := sum(value.encode() in data for value in values):
        raise StepFailed(f"{found} values of the source are in {item.name}")
    return len(data)
