"""DICOMweb servers as the standard allows them, and as it does not: what is asked, and what is made of the answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_endpoints.dicomweb import DicomWeb
from diana_endpoints.dicomweb_settings import DicomWebSettings
from diana_endpoints.items import BytesContent, Item, chunks
from diana_endpoints.protocol.query import Matches, Query
from diana_endpoints.services import Services
from tests.support.dicom_files import ROOT, make_small
from tests.support.http_server import Asked, Told, serving

STUDY = f"{ROOT}.72"


@dataclass
class Web:
    """A server that answers what it was given, and remembers what it was asked."""

    told: list[Told] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, asked: Asked) -> Told:
        self.asked.append(asked)
        return self.told.pop(0) if self.told else Told(204)

    @property
    def last(self) -> Asked:
        return self.asked[-1]


@contextmanager
def endpoint(*told: Told) -> Iterator[tuple[DicomWeb, Web]]:
    web = Web(list(told))
    with serving(web.answer) as url:
        client = DicomWeb(DicomWebSettings(url=f"{url}/root", page_size=2, timeout=5))
        yield client, web
        client.close()


def record(**uids: str) -> dict[str, Any]:
    tags = {"study": "0020000D", "series": "0020000E", "sop": "00080018"}
    return {tags[name]: {"vr": "UI", "Value": [uid]} for name, uid in uids.items()}


def page(*records: dict[str, Any]) -> Told:
    return Told(200, json.dumps(records).encode(), {"Content-Type": "application/dicom+json"})


def stowed(status: int, **sequences: list[dict[str, Any]]) -> Told:
    tags = {"stored": "00081199", "failed": "00081198"}
    answer = {tags[name]: {"vr": "SQ", "Value": items} for name, items in sequences.items()}
    return Told(status, json.dumps(answer).encode())


def about(sop: str, **codes: int) -> dict[str, Any]:
    tags = {"failure": "00081197", "warning": "00081196"}
    return {"00081155": {"vr": "UI", "Value": [sop]}} | {
        tags[name]: {"vr": "US", "Value": [code]} for name, code in codes.items()
    }


def instances(count: int) -> list[Item]:
    uids = [f"{STUDY}.1.{number}" for number in range(count)]
    return [Item(content=BytesContent(make_small(StudyInstanceUID=STUDY, SOPInstanceUID=uid))) for uid in uids]


def test_a_question_is_asked_page_by_page_until_one_is_empty() -> None:
    pages = [page(record(study="1.1"), record(study="1.2")), page(record(study="1.3")), Told(204)]
    with endpoint(*pages) as (client, web):
        query = Query("study", {"PatientName": ["Doe^J*"], "StudyDate": ["20260101-"]}, ["00081030"], fuzzy_names=True)
        assert [item.meta["study_uid"] for item in client.find(query)] == ["1.1", "1.2", "1.3"]
    assert [one.query["offset"] for one in web.asked] == [["0"], ["2"], ["3"]]
    assert web.last.path == "/root/studies"
    asked = {name: value for name, value in web.last.query.items() if name not in ("offset", "limit")}
    assert asked == {
        "PatientName": ["Doe^J*"],
        "StudyDate": ["20260101-"],
        "includefield": ["StudyDescription"],
        "fuzzymatching": ["true"],
    }


def test_items_of_sequences_and_lists_of_uids_are_asked_as_qido_has_them() -> None:
    with endpoint() as (client, web):
        matches: Matches = {
            "RequestAttributesSequence": {"ScheduledProcedureStepID": ["7"]},
            "SOPInstanceUID": ["1.1", "1.2"],
        }
        assert list(client.find(Query("instance", matches))) == []
    assert web.last.query["RequestAttributesSequence.ScheduledProcedureStepID"] == ["7"]
    assert web.last.query["SOPInstanceUID"] == ["1.1,1.2"]


def test_a_server_that_ignores_offsets_is_asked_no_further() -> None:
    same = page(record(study="1.1"))
    with endpoint(same, same, same) as (client, web):
        assert len(list(client.find(Query("study", {})))) == 1
    assert len(web.asked) == 2


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"<html>"])
def test_an_answer_that_is_no_dicom_json_is_refused(body: bytes) -> None:
    with endpoint(Told(200, body)) as (client, _), pytest.raises(DianaError) as error:
        list(client.find(Query("study", {})))
    assert error.value.reason is Reason.ENDPOINT_REFUSED


def test_each_instance_gets_its_own_outcome_from_a_mixed_answer() -> None:
    sops = [f"{STUDY}.1.{number}" for number in range(4)]
    answer = stowed(
        202,
        stored=[about(sops[0]), about(sops[1], warning=0xB000)],
        failed=[about(sops[2], failure=0xA704)],
    )
    with endpoint(page(), answer) as (client, web):
        items = list(client.put(instances(4)))
    assert [item.meta.get("outcome") for item in items] == ["stored", "stored", None, None]
    assert items[1].meta["warning"] == "B000"
    assert items[2].failure
    assert "A704, out of resources" in items[2].failure.message
    assert items[3].failure
    assert "did not say" in items[3].failure.message
    assert web.last.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
    assert web.last.body.count(b"DICM") == 4


def test_a_batch_that_is_refused_as_a_whole_is_sent_one_by_one() -> None:
    sops = [f"{STUDY}.1.{number}" for number in range(3)]
    answers = [page(), Told(413), stowed(200, stored=[about(sops[0])]), Told(400, b"bad"), Told(409, b"")]
    with endpoint(*answers) as (client, _):
        items = list(client.put(instances(3)))
    assert [bool(item.failure) for item in items] == [False, True, True]


def test_a_server_that_goes_away_in_the_middle_ends_the_whole() -> None:
    with endpoint(page(), Told(503)) as (client, _), pytest.raises(DianaError) as error:
        list(client.put(instances(2)))
    assert error.value.reason is Reason.PEER_UNAVAILABLE


def test_no_more_is_taken_than_fits_into_a_request() -> None:
    taken = 0

    def source() -> Iterator[Item]:
        nonlocal taken
        for item in instances(250):
            taken += 1
            yield item

    everything = [about(f"{STUDY}.1.{number}") for number in range(250)]
    with endpoint(page(), *[stowed(200, stored=everything)] * 3) as (client, web):
        answered = client.put(source())
        next(answered)
        assert taken == 100
        assert len(list(answered)) == 249
    assert len(web.asked) == 4


def test_a_single_file_and_parts_are_both_taken_and_other_kinds_refused() -> None:
    data = make_small()
    with endpoint(Told(200, data, {"Content-Type": "application/dicom"})) as (client, _):
        [item] = client.get(Item({"study_uid": STUDY}))
        assert item.content
        assert b"".join(chunks(item.content)) == data
    for body, kind in ((b"PK", "application/zip"), (b"--b\r\nContent-Type: image/jpeg\r\n\r\nx\r\n--b--", "")):
        headers = {"Content-Type": kind or "multipart/related; boundary=b"}
        with endpoint(Told(200, body, headers)) as (client, _), pytest.raises(DianaError):
            list(client.get(Item({"study_uid": STUDY})))


def test_a_study_is_deleted_where_that_is_offered_and_its_instances_counted() -> None:
    listed = [page(record(sop="1.1"), record(sop="1.2")), page(record(sop="1.3")), Told(204), Told(204)]
    with endpoint(*listed) as (client, web):
        assert client.delete(Item({"study_uid": STUDY})) == 3
    assert (web.last.method, web.last.path) == ("DELETE", f"/root/studies/{STUDY}")


@pytest.mark.parametrize("meta", [{}, {"study_uid": ".."}, {"study_uid": "1/2"}, {"id": "A*"}, {"level": "volume"}])
def test_what_names_nothing_or_might_name_too_much_is_never_deleted(meta: dict[str, str]) -> None:
    with endpoint() as (client, web):
        with pytest.raises(DianaError):
            client.delete(Item(dict(meta)))
        assert all(one.method == "GET" for one in web.asked)


def test_it_is_described_by_url_with_what_the_environment_says() -> None:
    web = Web()
    with serving(web.answer) as url, Services({}, {"DICOMWEB_TOKEN": "abc"}) as services:
        client = services.endpoint(f"dicomweb+{url}/root")
        assert isinstance(client, DicomWeb)
        assert client.check().ok
        assert web.last.headers["authorization"] == "Bearer abc"
        assert web.last.path == "/root/studies"
        for wrong in ("dicomweb:", f"dicomweb+{url.replace('//', '//u:p@')}"):
            with pytest.raises(DianaError) as error:
                services.endpoint(wrong)
            assert "u:p" not in error.value.message


def test_the_modality_of_a_study_is_that_of_its_series_and_other_lower_keys_are_refused() -> None:
    with endpoint() as (client, web):
        assert list(client.find(Query("study", {"Modality": ["CT"]}))) == []
        assert web.last.query["ModalitiesInStudy"] == ["CT"]
        assert list(client.find(Query("series", {"00080060": ["CT"]}))) == []
        assert web.last.query["Modality"] == ["CT"]
        with pytest.raises(DianaError) as refused:
            list(client.find(Query("study", {"SeriesNumber": ["1"]})))
    assert refused.value.reason is Reason.KEY_UNSUPPORTED
