"""One instance, stream in and stream out: what comes back, and what is refused with which words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from io import BytesIO

import pytest
from pydicom import dcmread

from diana.anon.v1 import anon_service_pb2 as pb
from diana_anon.config import ProfileConfig
from diana_client import MeshError
from diana_server.config import PeerConfig
from tests.contract.anon.conftest import NOWHERE, Bench, Serve
from tests.contract.guid.refusals import refused
from tests.support.dicom_files import make_ct, make_small

MIB = 1 << 20


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def requests(file: bytes, profile: str = "", step: int = MIB) -> Iterator[pb.AnonymizeInstanceRequest]:
    for offset in range(0, len(file), step):
        yield pb.AnonymizeInstanceRequest(profile=profile if not offset else "", data=file[offset : offset + step])


def reason(bench: Bench, file: bytes, profile: str = "") -> str:
    with pytest.raises(MeshError) as caught:
        bench.anon.anonymize_instance(file, profile=profile).read()
    return caught.value.reason


def test_the_answer_says_first_what_it_is_and_then_gives_the_bytes(bench: Bench) -> None:
    file = make_ct(1200, 1200)
    first, *rest = bench.stub.AnonymizeInstance(requests(file))
    assert first.WhichOneof("part") == "instance"
    assert {one.WhichOneof("part") for one in rest} == {"data"}
    assert max(len(one.data) for one in rest) <= MIB
    data = b"".join(one.data for one in rest)
    made = dcmread(BytesIO(data))
    receipt = json.loads(first.instance.receipt.statement)
    assert (receipt["source_sha256"], receipt["result_sha256"]) == (sha256(file), sha256(data))
    first.instance.ClearField("receipt")
    assert first.instance == pb.AnonymizedInstance(
        study_uid=made.StudyInstanceUID,
        series_uid=made.SeriesInstanceUID,
        sop_instance_uid=made.SOPInstanceUID,
        sop_class_uid=made.SOPClassUID,
        transfer_syntax_uid=made.file_meta.TransferSyntaxUID,
        size_bytes=len(data),
    )
    assert made.PixelData == dcmread(BytesIO(file)).PixelData
    assert (made.PatientIdentityRemoved, "InstitutionName" in made) == ("YES", False)


@pytest.mark.parametrize("step", [1_000, 65_537])
def test_it_does_not_matter_how_the_file_is_cut(bench: Bench, step: int) -> None:
    file = make_small()
    whole = bench.anon.anonymize_instance(file).read()
    answers = list(bench.stub.AnonymizeInstance(requests(file, step=step)))
    assert b"".join(one.data for one in answers) == whole


def test_a_large_instance_goes_over_the_disk_and_leaves_nothing_there(serve: Serve) -> None:
    bench = serve()
    file = make_ct(2048, 4096)
    assert bench.anon.anonymize_instance(file).instance.size_bytes > 16 * MIB
    assert not list((bench.state / "work").iterdir())


def test_an_instance_over_the_limit_is_refused(serve: Serve) -> None:
    bench = serve(max_instance_bytes=20_000)
    assert bench.anon.anonymize_instance(make_small()).read()
    assert reason(bench, make_ct(128, 128)) == "INSTANCE_TOO_LARGE"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (b"", "NOT_PART10"),
        (b"hello" * 100, "NOT_PART10"),
        (make_small()[:-100], "DATA_SET_TRUNCATED"),
        (make_small(StudyInstanceUID=None), "UID_MISSING"),
        (make_small(patient_id=""), "SUBJECT_INVALID"),
    ],
)
def test_what_cannot_be_read_or_says_too_little_is_refused(bench: Bench, file: bytes, expected: str) -> None:
    assert reason(bench, file) == expected


def test_a_subject_that_is_refused_is_named_by_its_field_and_not_by_its_value(bench: Bench) -> None:
    file = make_small(patient_id="", PatientName="Secret^Sandra")
    refusal = refused(lambda asked: list(bench.stub.AnonymizeInstance(asked)), requests(file))
    assert (refusal.code, refusal.fields) == (3, ["subject.patient_id"])
    assert "Secret" not in refusal.text


def test_a_stream_without_a_message_is_no_instance(bench: Bench) -> None:
    refusal = refused(lambda asked: list(bench.stub.AnonymizeInstance(asked)), iter(()))
    assert refusal.reason == "NOT_PART10"


@pytest.mark.parametrize(("profile", "expected"), [("none", "PROFILE_UNKNOWN"), ("No Name", "INVALID_FIELD")])
def test_a_profile_that_is_not_there_is_refused(bench: Bench, profile: str, expected: str) -> None:
    assert reason(bench, make_small(), profile) == expected


@pytest.mark.parametrize(
    ("domain", "expected"),
    [("none", "DOMAIN_UNKNOWN"), ("lost", "DOMAIN_KEY_MISSING")],
)
def test_a_domain_that_gives_no_identities_is_refused(serve: Serve, domain: str, expected: str) -> None:
    assert reason(serve(profiles={"default": ProfileConfig(domain=domain)}), make_small()) == expected


def test_without_the_mint_nothing_is_answered(serve: Serve) -> None:
    assert reason(serve(guid=PeerConfig(NOWHERE)), make_small()) == "PEER_UNAVAILABLE"


def test_profiles_are_listed_with_what_they_do(serve: Serve) -> None:
    bench = serve(profiles={"longitudinal": ProfileConfig("research-longitudinal", domain="trial")})
    default, longitudinal = bench.anon.profiles()
    assert (default.name, default.domain, default.dates) == ("default", "default", pb.DATES_REMOVED)
    assert (longitudinal.name, longitudinal.domain, longitudinal.dates) == ("longitudinal", "trial", pb.DATES_SHIFTED)
    assert {default.standard_edition, longitudinal.standard_edition} == {"2026c"}
    assert (list(default.method_codes), list(longitudinal.method_codes)) == (
        ["113100"],
        sorted(longitudinal.method_codes),
    )
    assert "113107" in longitudinal.method_codes
