"""A real DICOMweb server, Orthanc's plugin, as an endpoint: store, search, retrieve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_endpoints.dicomweb import DicomWeb
from diana_endpoints.dicomweb_settings import DicomWebSettings
from diana_endpoints.headers import data_of
from diana_endpoints.items import BytesContent, Content, FileContent, Item, chunks
from diana_endpoints.protocol.items import Deleter, Finder, Getter, Lister, Putter
from diana_endpoints.protocol.query import Query
from tests.support.dicom_files import ROOT, make_ct, make_small
from tests.support.orthanc import Served, needs_dicomweb

pytestmark = needs_dicomweb


@pytest.fixture
def web(pacs: Served) -> Iterator[DicomWeb]:
    endpoint = DicomWeb(DicomWebSettings(url=f"{pacs.url}/dicom-web/", page_size=2))
    yield endpoint
    endpoint.close()


def files(number: int, count: int = 3, **tags: Any) -> list[bytes]:
    study = f"{ROOT}.71.{number}"
    named = {"StudyInstanceUID": study, "PatientID": f"P71{number}", "AccessionNumber": f"A71{number}", **tags}
    uids = [(f"{study}.{index % 2}", f"{study}.{index % 2}.{index}") for index in range(count)]
    return [make_small(SeriesInstanceUID=series, SOPInstanceUID=sop, **named) for series, sop in uids]


def put(web: DicomWeb, number: int, count: int = 3, **tags: Any) -> list[Item]:
    return list(web.put([Item(content=BytesContent(data)) for data in files(number, count, **tags)]))


def test_it_plays_its_roles_and_answers(web: DicomWeb) -> None:
    for role in (Lister, Getter, Finder, Putter, Deleter):
        assert isinstance(web, role)
    assert web.check().ok


def test_what_is_stored_comes_back_byte_for_byte_under_each_of_its_names(web: DicomWeb) -> None:
    assert [item.meta["outcome"] for item in put(web, 1)] == ["stored"] * 3
    study = f"{ROOT}.71.1"
    for name in ({"study_uid": study}, {"id": study}, {"id": "A711"}):
        assert sorted(_bytes(item) for item in web.get(Item(name))) == sorted(files(1))
    series = list(web.get(Item({"study_uid": study, "series_uid": f"{study}.0"})))
    assert sorted(item.meta["sop_instance_uid"] for item in series) == [f"{study}.0.0", f"{study}.0.2"]
    for name in ({"sop_instance_uid": f"{study}.1.1"}, dict(series[0].meta)):
        [one] = web.get(Item(name))
        assert one.meta["study_uid"] == study
    assert len(list(web.get(Item({**series[0].meta, "level": "study"})))) == 3


def test_a_large_instance_goes_in_pieces_and_comes_by_a_temporary_file(web: DicomWeb, tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    path.write_bytes(make_ct(rows=2048, cols=2048, StudyInstanceUID=f"{ROOT}.71.2", SOPInstanceUID=f"{ROOT}.71.2.1"))
    [stored] = web.put([Item(content=FileContent(path, path.stat().st_size))])
    assert stored.failure is None
    [found] = web.get(Item({"study_uid": f"{ROOT}.71.2"}))
    assert not isinstance(found.content, BytesContent)
    assert _bytes(found) == path.read_bytes()


def test_one_that_is_refused_does_not_keep_the_others(web: DicomWeb, tmp_path: Path) -> None:
    contents: list[Content | None] = [
        FileContent(tmp_path / "gone.dcm", 9),
        BytesContent(b"no DICOM"),
        None,
        BytesContent(files(3)[0]),
    ]
    answered = list(web.put(Item(content=content) for content in contents))
    reasons = {item.failure.reason if item.failure else item.meta["outcome"] for item in answered}
    assert reasons == {"FILE_UNREADABLE", "NOT_PART10", "INVALID_FIELD", "stored"}


def test_each_level_is_searched_page_by_page(web: DicomWeb) -> None:
    put(web, 4, 5, PatientName="Müller^Jörg")
    study = f"{ROOT}.71.4"
    [found] = web.find(Query("study", {"PatientName": ["M*"], "StudyInstanceUID": [study]}, ["PatientAge"]))
    assert data_of(found)["PatientName"] == "Müller^Jörg"
    assert found.meta["study_uid"] == study
    series = list(web.find(Query("series", {"StudyInstanceUID": [study]})))
    assert sorted(item.meta["series_uid"] for item in series) == [f"{study}.0", f"{study}.1"]
    instances = list(web.find(Query("instance", {"StudyInstanceUID": [study]})))
    assert len({item.meta["sop_instance_uid"] for item in instances}) == 5
    assert list(web.find(Query("study", {"PatientID": ["nobody"]}))) == []


def test_all_instances_are_listed_and_opened_one_by_one(web: DicomWeb) -> None:
    put(web, 5)
    ours = [item for item in web.list() if item.meta["study_uid"] == f"{ROOT}.71.5"]
    assert sorted(_bytes(item) for item in ours) == sorted(files(5))


def test_what_it_calls_its_things_gets_them_again(web: DicomWeb) -> None:
    put(web, 7)
    [study] = web.find(Query("study", {"StudyInstanceUID": [f"{ROOT}.71.7"]}))
    found = [
        item
        for level in ("series", "instance")
        for item in web.find(Query(level, {"StudyInstanceUID": [study.meta["id"]]}))
    ]
    listed = [item for item in web.list() if item.meta["study_uid"] == study.meta["id"]]
    for one in (study, *found, *listed):
        got = list(web.get(Item({"id": one.meta["id"]})))
        assert got
        assert {item.meta["study_uid"] for item in got} == {study.meta["id"]}
        assert all(item.meta["id"] == item.meta["sop_instance_uid"] for item in got)


def test_what_the_server_does_not_offer_or_have_is_told(web: DicomWeb) -> None:
    put(web, 6)
    with pytest.raises(DianaError) as error:
        web.delete(Item({"study_uid": f"{ROOT}.71.6"}))
    assert error.value.reason is Reason.ENDPOINT_REFUSED
    assert "does not offer" in error.value.message
    for name in ({"study_uid": f"{ROOT}.71.99"}, {"id": "A7199"}, {"sop_instance_uid": f"{ROOT}.71.99"}):
        with pytest.raises(DianaError) as error:
            list(web.get(Item(name)))
        assert error.value.reason is Reason.ITEM_NOT_FOUND
    for query in (Query("patient", {}), Query("study", {"PatientID": ["A", "B"]}), Query("study", {}, where="x=1")):
        with pytest.raises(DianaError) as error:
            list(web.find(query))
        assert error.value.reason in (Reason.KEY_UNSUPPORTED, Reason.INVALID_FIELD)


def _bytes(item: Item) -> bytes:
    assert item.content
    return b"".join(chunks(item.content))
