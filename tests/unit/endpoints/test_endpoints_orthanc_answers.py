"""How an Orthanc is described, and one that does not answer as Orthanc does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_endpoints.items import BytesContent, Item
from diana_endpoints.orthanc import Orthanc
from diana_endpoints.orthanc_headers import header_of
from diana_endpoints.orthanc_settings import OrthancSettings, read_url
from diana_endpoints.protocol.query import Query
from diana_endpoints.services import Services
from tests.support.dicom_files import make_small
from tests.support.http_server import Asked, Told, serving

ID = "4631b268-4ea093c8-d5b3e41a-d55c6fb7-44da4a3c"


@contextmanager
def endpoint(answers: Mapping[str, Any], job_timeout: float = 60) -> Iterator[tuple[Orthanc, list[str]]]:
    """One that answers so, by method and path; else that it has no such thing."""
    asked: list[str] = []

    def answer(one: Asked) -> Told:
        asked.append(f"{one.method} {one.path}")
        found = answers.get(asked[-1])
        if isinstance(found, Told):
            return found
        return Told(404) if found is None else Told(200, json.dumps(found).encode())

    with serving(answer) as url:
        client = Orthanc(OrthancSettings(url=url, timeout=5, job_timeout=job_timeout))
        yield client, asked
        client.close()


def test_the_environment_says_where_orthanc_is_and_who_asks() -> None:
    env = {"ORTHANC_HOST": "pacs", "ORTHANC_PORT": "8043", "ORTHANC_USER": "ann", "ORTHANC_PASSWORD": "hush"}
    settings = OrthancSettings(**read_url("orthanc:", env))
    assert (settings.address, settings.user, settings.password) == ("http://pacs:8043", "ann", "hush")
    assert OrthancSettings(**read_url("orthanc:", {})).address == "http://localhost:8042"
    assert OrthancSettings(**read_url("https://pacs", {})).address == "https://pacs"


def test_a_password_on_the_command_line_is_refused_with_the_remedy_and_not_repeated() -> None:
    with Services({}, {}) as services:
        for url in ("orthanc:user,hush,host,8042", "orthanc:host", "orthanc+http://user:hush@host:8042"):
            with pytest.raises(DianaError) as error:
                services.endpoint(url)
            assert "hush" not in error.value.message
        with pytest.raises(DianaError, match="ORTHANC_PASSWORD"):
            services.endpoint("orthanc:user,hush,host,8042")


def test_the_older_description_still_makes_one() -> None:
    older = {"pacs": {"ctype": "Orthanc", "host": "h", "port": 8042, "user": "u", "password": "p"}}
    with Services(older, {}) as services:
        assert isinstance(services.endpoint("pacs"), Orthanc)
        assert services.endpoint("orthanc:") is not None


def test_an_orthanc_that_is_not_there_is_told_by_its_health() -> None:
    with serving(lambda _: Told()) as url:
        pass
    health = Orthanc(OrthancSettings(url=url)).check()
    assert not health.ok
    assert "does not answer" in health.detail


@pytest.mark.parametrize("body", [b"[]", b"null", b"<html>", b'{"Version": 1'])
def test_an_answer_of_something_else_is_told_by_its_health(body: bytes) -> None:
    with endpoint({"GET /system": Told(200, body), "GET /statistics": Told(200, body)}) as (client, _):
        assert not client.check().ok


def test_one_that_answers_nonsense_is_refused() -> None:
    answers = {"POST /tools/find": {"not": "a list"}, "POST /tools/lookup": [1], f"GET /studies/{ID}": ["x"]}
    with endpoint(answers) as (client, _):
        for asked in (client.find(Query("study", {})), client.get(Item({"id": "A1"})), client.get(Item({"id": ID}))):
            with pytest.raises(DianaError) as error:
                list(asked)
            assert error.value.reason is Reason.ENDPOINT_REFUSED


def test_a_filtered_instance_is_not_said_to_be_stored() -> None:
    answers = {"GET /system": {}, "POST /instances": {"ID": ID, "Status": "FilteredOut"}}
    with endpoint(answers) as (client, _):
        [item] = client.put([Item(content=BytesContent(make_small()))])
    assert item.failure
    assert item.failure.reason == "ENDPOINT_REFUSED"


def test_an_orthanc_that_is_full_or_gone_ends_the_whole() -> None:
    with endpoint({"GET /system": {}, "POST /instances": Told(503)}) as (client, _), pytest.raises(DianaError) as error:
        list(client.put([Item(content=BytesContent(make_small()))]))
    assert error.value.reason is Reason.PEER_UNAVAILABLE


@pytest.mark.parametrize("state", ["Failure", "Running"])
def test_a_job_that_fails_or_takes_too_long_is_told_and_cancelled(state: str) -> None:
    answers = {
        f"GET /studies/{ID}": {},
        f"POST /studies/{ID}/anonymize": {"ID": "7"},
        "GET /jobs/7": {"State": state, "ErrorCode": 9},
    }
    with endpoint(answers, job_timeout=0.05) as (client, asked), pytest.raises(DianaError) as error:
        list(client.handle("anonymize", [ID], {}))
    assert error.value.reason is Reason.ENDPOINT_REFUSED
    assert asked[-1] == "POST /jobs/7/cancel"


def test_several_studies_of_one_accession_number_are_not_changed_or_deleted_together() -> None:
    with endpoint({"POST /tools/lookup": [], "POST /tools/find": [ID, ID[::-1]]}) as (client, asked):
        for change in (lambda: client.delete(Item({"id": "A1"})), lambda: client.update(Item({"id": "A1"}), {"x": 1})):
            with pytest.raises(DianaError, match="several"):
                change()
        assert not [one for one in asked if one.startswith(("DELETE", "PUT"))]


@pytest.mark.parametrize("name", ["..", ".", "", "a\nb", "x" * 300])
def test_a_name_never_leads_to_another_place(name: str) -> None:
    with endpoint({f"GET /studies/{ID}": {}, f"DELETE /studies/{ID}": {}}) as (client, asked):
        for change in (
            lambda: client.update(Item({"id": ID}), {name: None}),
            lambda: list(client.handle("echo", [name], {})),
            lambda: list(client.find_through(name, Query("study", {}))),
        ):
            with pytest.raises(DianaError) as error:
                change()
            assert error.value.reason is Reason.INVALID_FIELD
        assert set(asked) == {f"GET /studies/{ID}"}


def test_orthancs_tags_become_dicom_json() -> None:
    tags = {
        "PatientName": "Yamada^Tarou=山田^太郎",
        "ImageOrientationPatient": "1\\0\\0",
        "SeriesNumber": "7",
        "StudyDescription": "",
        "0009,0010": "ACME",
        "NotATag": "x",
        "InstanceNumber": "seven",
        "ReferencedImageSequence": [],
    }
    assert header_of(tags) == {
        "00081030": {"vr": "LO"},
        "00090010": {"vr": "LO", "Value": ["ACME"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]},
        "00200011": {"vr": "IS", "Value": [7]},
        "00200013": {"vr": "IS", "Value": ["seven"]},
        "00200037": {"vr": "DS", "Value": [1.0, 0.0, 0.0]},
    }


def test_a_file_that_it_does_not_know_what_to_do_with_is_refused_rather_than_not_found() -> None:
    with endpoint({"GET /system": {}, "POST /instances": Told(404)}) as (client, _):
        [item] = client.put([Item(content=BytesContent(make_small()))])
    assert item.failure
    assert item.failure.reason == "ENDPOINT_REFUSED"


@pytest.mark.parametrize(
    ("level", "key"),
    [
        ("study", "SeriesDescription"),
        ("study", "0020000E"),
        ("study", "SOPInstanceUID"),
        ("series", "InstanceNumber"),
        ("patient", "StudyDate"),
        ("patient", "Modality"),
    ],
)
def test_what_belongs_to_a_lower_level_is_refused(level: str, key: str) -> None:
    with endpoint({"POST /tools/find": []}) as (client, asked):
        with pytest.raises(DianaError, match="cannot be asked at level") as error:
            list(client.find(Query(level, {key: ["x"]})))
        assert error.value.reason is Reason.KEY_UNSUPPORTED
        assert asked == []
        assert list(client.find(Query(level, {key: [""]}))) == []


def test_one_of_two_names_of_the_same_key_is_not_lost() -> None:
    with endpoint({}) as (client, _), pytest.raises(DianaError, match="asked about twice"):
        list(client.find(Query("study", {"Modality": ["CT"], "ModalitiesInStudy": ["MR"]})))
