"""A real Orthanc as an endpoint: what goes in comes out, is found, named, changed, sent, retrieved and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_endpoints.headers import data_of, fill_header
from diana_endpoints.items import BytesContent, FileContent, Item, chunks
from diana_endpoints.orthanc import Orthanc
from diana_endpoints.orthanc_settings import OrthancSettings
from diana_endpoints.protocol.items import Deleter, Finder, Getter, Handler, Lister, Putter, Updater
from diana_endpoints.protocol.proxy import Proxy
from diana_endpoints.protocol.query import Query
from diana_endpoints.protocol.study_metadata import MetadataKeeper
from tests.support.dicom_files import ROOT, make_ct, make_small
from tests.support.orthanc import SIGNATURE, Served, needs_orthanc

pytestmark = needs_orthanc


@pytest.fixture
def orthanc(pacs: Served) -> Iterator[Orthanc]:
    endpoint = Orthanc(OrthancSettings(url=pacs.url))
    yield endpoint
    endpoint.close()


def files(number: int, count: int = 2, **tags: Any) -> list[bytes]:
    """A study's instances in two series."""
    study = f"{ROOT}.70.{number}"
    named = {"PatientID": f"P70{number}", "AccessionNumber": f"A70{number}", **tags}
    return [
        make_small(
            StudyInstanceUID=study,
            SeriesInstanceUID=f"{study}.{index % 2}",
            SOPInstanceUID=f"{study}.{index % 2}.{index}",
            **named,
        )
        for index in range(count)
    ]


def put(orthanc: Orthanc, number: int, count: int = 2, **tags: Any) -> list[Item]:
    return list(orthanc.put([Item(content=BytesContent(data)) for data in files(number, count, **tags)]))


def study(number: int) -> Item:
    return Item({"study_uid": f"{ROOT}.70.{number}"})


def test_it_plays_its_roles_and_says_what_it_holds(orthanc: Orthanc) -> None:
    for role in (Lister, Getter, Finder, Putter, Updater, Deleter, Handler, MetadataKeeper, Proxy):
        assert isinstance(orthanc, role)
    health = orthanc.check()
    assert health.ok
    assert health.detail.startswith("Orthanc 1.")


def test_what_is_put_comes_back_byte_for_byte_under_each_of_its_names(orthanc: Orthanc) -> None:
    stored = put(orthanc, 1, 3)
    assert [item.meta["outcome"] for item in stored] == ["stored"] * 3
    assert [item.meta["outcome"] for item in put(orthanc, 1, 3)] == ["already_stored"] * 3
    names = [
        {"study_uid": f"{ROOT}.70.1"},
        {"id": f"{ROOT}.70.1"},
        {"id": "A701"},
        {"id": "A701", "level": "studies"},
        {"id": stored[0].meta["study_id"]},
        {"id": "P701", "level": "patient"},
    ]
    for name in names:
        found = {item.meta["sop_instance_uid"]: item for item in orthanc.get(Item(name))}
        assert {uid: _bytes(item) for uid, item in found.items()} == {
            item.meta["sop_instance_uid"]: data for item, data in zip(stored, files(1, 3), strict=True)
        }
    [one] = orthanc.get(Item(dict(stored[1].meta)))
    assert {key: one.meta[key] for key in ("study_uid", "series_uid", "sop_instance_uid")} == {
        "study_uid": f"{ROOT}.70.1",
        "series_uid": f"{ROOT}.70.1.1",
        "sop_instance_uid": f"{ROOT}.70.1.1.1",
    }
    series = orthanc.get(Item({"study_uid": f"{ROOT}.70.1", "series_uid": f"{ROOT}.70.1.0"}))
    assert [item.meta["sop_instance_uid"] for item in series] == [f"{ROOT}.70.1.0.0", f"{ROOT}.70.1.0.2"]


def test_a_large_instance_is_sent_and_fetched_in_pieces(orthanc: Orthanc, tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    path.write_bytes(make_ct(rows=2048, cols=2048, StudyInstanceUID=f"{ROOT}.70.2", SOPInstanceUID=f"{ROOT}.70.2.1"))
    [stored] = orthanc.put([Item(content=FileContent(path, path.stat().st_size))])
    assert stored.failure is None
    [found] = orthanc.get(study(2))
    assert found.meta["size_bytes"] == path.stat().st_size
    assert _bytes(found) == path.read_bytes()


def test_what_cannot_be_stored_fails_and_the_rest_goes_on(orthanc: Orthanc, tmp_path: Path) -> None:
    good = files(3)[0]
    gone = FileContent(tmp_path / "gone.dcm", 9)
    contents = [BytesContent(b"PK\x03\x04 a zip"), None, gone, BytesContent(b"\0" * 128 + b"DICM?"), BytesContent(good)]
    answered = list(orthanc.put(Item(content=content) for content in contents))
    reasons = [item.failure.reason if item.failure else item.meta["outcome"] for item in answered]
    assert reasons == ["NOT_PART10", "INVALID_FIELD", "FILE_UNREADABLE", "ENDPOINT_REFUSED", "stored"]


def test_another_instance_under_the_same_uid_is_a_conflict(orthanc: Orthanc) -> None:
    put(orthanc, 12)
    [item] = put(orthanc, 12, 1, PatientName="Other^One")
    assert item.failure
    assert item.failure.reason == "INSTANCE_CONFLICT"
    assert sorted(map(_bytes, orthanc.get(study(12)))) == sorted(files(12))


def test_what_others_sent_under_another_file_meta_is_already_stored(orthanc: Orthanc) -> None:
    data = files(13, 1)[0]
    put(orthanc, 13, 1)
    [item] = orthanc.put([Item(content=BytesContent(b"x" * 128 + data[128:]))])
    assert item.meta["outcome"] == "already_stored"


def test_the_modality_of_a_study_is_that_of_its_series(orthanc: Orthanc) -> None:
    put(orthanc, 14)
    keys = {"StudyInstanceUID": [f"{ROOT}.70.14"]}
    assert len(list(orthanc.find(Query("study", {**keys, "Modality": ["CT"]})))) == 1
    assert list(orthanc.find(Query("study", {**keys, "Modality": ["MR"]}))) == []


def test_all_instances_are_listed_while_they_are_deleted(orthanc: Orthanc) -> None:
    for number in (4, 5, 6):
        put(orthanc, number)
    ours = {f"{ROOT}.70.{number}" for number in (4, 5, 6)}
    deleted = 0
    for item in orthanc.list():
        if item.meta["study_uid"] in ours:
            deleted += orthanc.delete(Item({"id": item.meta["id"]}))
    assert deleted == 6
    with pytest.raises(DianaError) as error:
        list(orthanc.get(study(4)))
    assert error.value.reason is Reason.ITEM_NOT_FOUND


def test_studies_series_and_instances_are_found_with_their_headers(orthanc: Orthanc) -> None:
    put(orthanc, 7, 3, PatientName="Möller^Jürg", StudyDate="20260107")
    keys = ("NumberOfStudyRelatedInstances", "ModalitiesInStudy", "PatientAge")
    [found] = orthanc.find(Query("study", {"PatientName": ["möller*"], "StudyDate": ["20260101-20260131"]}, keys))
    data = data_of(found)
    assert data["PatientName"] == "Möller^Jürg"
    assert (data["NumberOfStudyRelatedInstances"], data["ModalitiesInStudy"], data["PatientAge"]) == ("3", "CT", "064Y")
    assert found.meta["study_uid"] == f"{ROOT}.70.7"
    assert len(list(orthanc.get(found))) == 3

    series = list(orthanc.find(Query("series", {"StudyInstanceUID": [f"{ROOT}.70.7"]})))
    assert sorted(item.meta["series_uid"] for item in series) == [f"{ROOT}.70.7.0", f"{ROOT}.70.7.1"]
    assert {item.meta["study_uid"] for item in series} == {f"{ROOT}.70.7"}

    wanted = [f"{ROOT}.70.7.0.0", f"{ROOT}.70.7.1.1"]
    instances = list(orthanc.find(Query("instance", {"SOPInstanceUID": wanted}, ("PatientName", "SOPClassUID"))))
    assert sorted(item.meta["sop_instance_uid"] for item in instances) == wanted
    assert {data_of(item)["PatientName"] for item in instances} == {"Möller^Jürg"}


def test_what_orthanc_cannot_be_asked_is_refused(orthanc: Orthanc) -> None:
    for query in (
        Query("study", {"ProcedureCodeSequence": {"CodeValue": ["1"]}}),
        Query("study", {"PatientName": ["A*", "B*"]}),
        Query("study", {}, where="x = 1"),
        Query("study", {}, combined_date_times=True),
        Query("study", {}, store="other"),
        Query("volume", {}),
        Query("study", {"NoSuchThing": ["1"]}),
    ):
        with pytest.raises(DianaError) as error:
            list(orthanc.find(query))
        assert error.value.reason in (Reason.KEY_UNSUPPORTED, Reason.INVALID_FIELD)
    for name in ({}, {"id": "A7*"}, {"id": "../system"}, {"id": "x\n"}):
        with pytest.raises(DianaError) as error:
            list(orthanc.get(Item(dict(name))))
        assert error.value.reason in (Reason.INVALID_FIELD, Reason.ITEM_NOT_FOUND)


def test_metadata_of_a_study_is_set_read_and_taken_away(orthanc: Orthanc) -> None:
    put(orthanc, 8)
    updated = orthanc.update(study(8), {SIGNATURE: "gAAAA…"})
    assert updated.meta["metadata"][SIGNATURE] == "gAAAA…"
    assert orthanc.metadata(Item({"id": "A708"}), [SIGNATURE]) == {SIGNATURE: "gAAAA…"}
    orthanc.update(study(8), {SIGNATURE: None})
    assert SIGNATURE not in orthanc.metadata(study(8))
    with pytest.raises(DianaError, match="UserMetadata"):
        orthanc.update(study(8), {"unknown": "1"})


def test_orthanc_anonymizes_a_study_and_keeps_the_source(orthanc: Orthanc) -> None:
    put(orthanc, 9)
    [made] = orthanc.handle("anonymize", [f"{ROOT}.70.9"], {"replace": {"PatientName": "Trial^One"}})
    assert made.meta["instances"] == 2
    item, _ = orthanc.get(made)
    fill_header(item)
    assert data_of(item)["PatientName"] == "Trial^One"
    assert len(list(orthanc.get(study(9)))) == 2


def test_a_modality_is_asked_retrieved_from_and_sent_to(orthanc: Orthanc) -> None:
    put(orthanc, 10, PatientName="Müller^Jörg")
    [peer] = orthanc.handle("modalities", [], {})
    assert (peer.meta["peer"], peer.meta["ae_title"]) == ("itself", "ORTHANC")
    [echo] = orthanc.handle("echo", ["itself"], {})
    assert echo.meta["milliseconds"] > 0
    [found] = orthanc.find_through("itself", Query("study", {"AccessionNumber": ["A7010"]}, ["StudyID"]))
    assert found.meta["study_uid"] == f"{ROOT}.70.10"
    assert data_of(found)["PatientName"] == "Müller^Jörg"
    retrieved = orthanc.retrieve_through("itself", found)
    assert retrieved.meta["outcome"] == "retrieved"
    assert len(list(orthanc.get(retrieved))) == 2
    [sent] = orthanc.handle("send", ["itself"], {"id": "A7010"})
    assert sent.meta["instances"] == 2


def test_what_a_modality_does_not_have_or_is_not_known_is_told(orthanc: Orthanc) -> None:
    nowhere = orthanc.retrieve_through("itself", study(99))
    assert nowhere.failure
    assert nowhere.failure.reason == "ITEM_NOT_FOUND"
    unknown = orthanc.retrieve_through("nobody", study(99))
    assert unknown.failure
    for method, arguments in (("echo", ["nobody"]), ("drop", []), ("echo", []), ("changes", ["x"])):
        with pytest.raises(DianaError) as error:
            list(orthanc.handle(method, arguments, {}))
        assert error.value.reason in (Reason.ITEM_NOT_FOUND, Reason.INVALID_FIELD)


def test_changes_are_followed_and_counts_are_told(orthanc: Orthanc) -> None:
    put(orthanc, 11)
    changes = list(orthanc.handle("changes", [], {"since": 0}))
    assert {"NewStudy", "NewInstance"} <= {item.meta["change"] for item in changes}
    [counts] = orthanc.handle("statistics", [], {})
    assert data_of(counts)["CountInstances"] >= 2


def _bytes(item: Item) -> bytes:
    assert item.content
    return b"".join(chunks(item.content))
