"""A study as an operation: how it is asked for, what it answers, and how it fails."""

from __future__ import annotations

from io import BytesIO
from itertools import count

import pytest
from pydicom import dcmread

from diana.anon.v1 import anon_service_pb2 as pb
from diana.operation.v1.operation_service_pb2 import Operation
from diana_anon.config import ProfileConfig
from diana_client import Conflict, HealthClient, MeshError, Serving, connect, raise_if_failed, study_result
from diana_client.errors import from_status
from diana_common.hierarchical_uid import diana2_uid
from diana_server.config import PeerConfig
from tests.contract.anon.conftest import NOWHERE, Bench, Serve
from tests.contract.guid.refusals import refused
from tests.support.dicom_files import ROOT, make_small

STUDY = f"{ROOT}.2.1"


def put(bench: Bench, *numbers: int) -> None:
    files = [make_small(sop_uid=f"{ROOT}.4.{number}") for number in numbers]
    assert [one.error for one in bench.archive.upload(files)] == [None] * len(files)


def failure_of(bench: Bench, operation: Operation) -> str:
    """The reason that the operation ends with."""
    with pytest.raises(MeshError) as caught:
        raise_if_failed(bench.operations.wait(operation.name, timeout=60))
    return caught.value.reason


def test_a_study_arrives_in_the_other_store(bench: Bench) -> None:
    put(bench, 1, 2, 3)
    started = bench.anon.anonymize_study(STUDY, "deid", attributes={"trial": "atlas"})
    assert (started.kind, started.store) == ("anon.study", "deid")
    result = study_result(bench.operations.wait(started.name, timeout=60))
    assert (result.target_store, result.instance_count, result.failed_count) == ("deid", 3, 0)
    study = bench.archive.study(result.study_uid, store="deid")
    assert (study.instance_count, study.complete, dict(study.attributes)) == (3, True, {"trial": "atlas"})


def test_one_instance_alone_becomes_what_it_becomes_in_its_study(bench: Bench) -> None:
    put(bench, 1)
    bench.operations.wait(bench.anon.anonymize_study(STUDY, "deid").name, timeout=60)
    alone = bench.anon.anonymize_instance(make_small(sop_uid=f"{ROOT}.4.1"))
    assert b"".join(bench.archive.read(alone.instance.sop_instance_uid, store="deid")) == alone.read()


def put_people(bench: Bench) -> None:
    """Three instances of one study: of Ada, of Charles with her Patient ID, and of Ada with another."""
    ada, charles = ("Lovelace^Ada", "18151210"), ("Babbage^Charles", "17911226")
    for number, (patient_id, (name, born)) in enumerate([("A-1", ada), ("A-1", charles), ("B-2", ada)]):
        person = {"PatientID": patient_id, "PatientName": name, "PatientBirthDate": born, "PatientSex": "F"}
        file = make_small(sop_uid=f"{ROOT}.4.{number}", **person)
        assert [one.error for one in bench.archive.upload([file])] == [None]


def test_a_second_person_under_a_pseudonym_is_refused_without_a_crosswalk_too(bench: Bench) -> None:
    put_people(bench)
    for _ in range(2):
        ended = bench.operations.wait(bench.anon.anonymize_study(STUDY, "deid").name, timeout=60)
        (failure,) = bench.operations.failures(ended.name)
        assert "share this Patient ID" in failure.status.message
        assert study_result(ended).instance_count == 2
    assert (bench.state / "persons.key").stat().st_mode & 0o777 == 0o600


def test_people_who_share_a_patient_id_pass_where_the_configuration_lets_them(serve: Serve) -> None:
    bench = serve(shared_patient_ids=True)
    put_people(bench)
    ended = bench.operations.wait(bench.anon.anonymize_study(STUDY, "deid").name, timeout=60)
    assert study_result(ended).instance_count == 3


def test_two_people_whom_scheme_diana2_gives_one_id_are_not_merged_and_one_with_two_patient_ids_is_one(
    serve: Serve,
) -> None:
    bench = serve(profiles={"default": ProfileConfig(domain="old")})
    counts = []
    for number, (patient_id, name) in enumerate([("1", "Öß"), ("2", "Öß"), ("3", "Äß")]):
        study = f"{ROOT}.2.{number}"
        person = {"PatientID": patient_id, "PatientName": name, "PatientBirthDate": "19700101"}
        file = make_small(study_uid=study, sop_uid=f"{ROOT}.4.{number}", **person)
        assert [one.error for one in bench.archive.upload([file])] == [None]
        ended = bench.operations.wait(bench.anon.anonymize_study(study, "deid").name, timeout=60)
        counts.append((study_result(ended).instance_count, study_result(ended).failed_count))
    assert counts == [(1, 0), (1, 0), (0, 1)]


@pytest.mark.parametrize(
    ("source", "target"), [("", ""), ("", "default"), ("default", "default"), ("deid", "deid"), ("", "x" * 64)]
)
def test_the_target_is_another_store(bench: Bench, source: str, target: str) -> None:
    request = pb.AnonymizeStudyRequest(source_store=source, study_uid=STUDY, target_store=target)
    refusal = refused(bench.stub.AnonymizeStudy, request)
    assert (refusal.reason, refusal.fields) == ("INVALID_FIELD", ["target_store"])


def test_a_profile_that_is_not_there_is_refused_at_once(bench: Bench) -> None:
    request = pb.AnonymizeStudyRequest(study_uid=STUDY, target_store="deid", profile="none")
    assert refused(bench.stub.AnonymizeStudy, request).reason == "PROFILE_UNKNOWN"


def test_what_the_archive_does_not_have_fails_the_operation(bench: Bench) -> None:
    put(bench, 1)
    assert failure_of(bench, bench.anon.anonymize_study("1.2.3", "deid")) == "STUDY_NOT_FOUND"
    assert failure_of(bench, bench.anon.anonymize_study(STUDY, "elsewhere")) == "STORE_UNKNOWN"
    unknown_source = bench.anon.anonymize_study(STUDY, "deid", source_store="elsewhere")
    assert failure_of(bench, unknown_source) == "STORE_UNKNOWN"


def test_the_same_request_id_is_the_same_operation(bench: Bench) -> None:
    put(bench, 1)
    attributes = {f"key{number}": "x" for number in range(20)}
    first = bench.anon.anonymize_study(STUDY, "deid", attributes=attributes, request_id="mine")
    again = bench.anon.anonymize_study(STUDY, "deid", attributes=dict(reversed(attributes.items())), request_id="mine")
    assert first.name == again.name
    with pytest.raises(Conflict) as caught:
        bench.anon.anonymize_study("1.2.3", "deid", request_id="mine")
    assert caught.value.reason == "REQUEST_ID_REUSED"


def test_a_failed_item_says_why(bench: Bench) -> None:
    put(bench, 1)
    assert next(bench.archive.upload([make_small(sop_uid=f"{ROOT}.4.2", patient_id="")])).error is None
    operation = bench.operations.wait(bench.anon.anonymize_study(STUDY, "deid").name, timeout=60)
    assert operation.progress.failed == 1
    (failure,) = bench.operations.failures(operation.name)
    assert failure.item == f"{ROOT}.4.2"
    assert "subject.patient_id" in failure.status.message
    assert not study_result(operation).completed


def test_an_operation_that_waits_for_a_peer_can_be_cancelled(serve: Serve) -> None:
    bench = serve(archive=PeerConfig(NOWHERE))
    name = bench.anon.anonymize_study(STUDY, "deid").name
    bench.operations.cancel(name)
    assert bench.operations.wait(name, timeout=60).state == Operation.STATE_CANCELLED


def test_it_is_ready_without_its_peers(serve: Serve) -> None:
    bench = serve(archive=PeerConfig(NOWHERE), guid=PeerConfig(NOWHERE))
    with connect(bench.address) as channel:
        assert HealthClient(channel).check("diana.anon.v1.AnonService") is Serving.SERVING


def test_a_domain_that_continues_an_old_project_refuses_two_uids_that_become_one(serve: Serve) -> None:
    bench = serve(profiles={"old": ProfileConfig(domain="old")})
    series, other = f"{STUDY}.1", f"{STUDY}.2"
    files = [make_small(series_uid=series, sop_uid=f"{series}.{number}") for number in (1, 2, 3)]
    assert [one.error for one in bench.archive.upload(files)] == [None] * 3
    operation = bench.operations.wait(bench.anon.anonymize_study(STUDY, "deid", profile="old").name, timeout=60)
    result = study_result(operation)
    assert (result.instance_count, result.completed) == (3, True)
    patient, made = "", []
    for one in bench.archive.download(result.study_uid, store="deid"):
        data_set = dcmread(BytesIO(one.read()))
        patient = data_set.PatientID
        made.append((data_set.SeriesInstanceUID, data_set.SOPInstanceUID))
    assert sorted(made) == sorted(
        (diana2_uid([patient, STUDY, series]), diana2_uid([patient, STUDY, series, f"{series}.{number}"]))
        for number in (1, 2, 3)
    )

    first, second = _same_last_digits(other)
    files = [make_small(series_uid=other, sop_uid=uid) for uid in (first, second)]
    assert [one.error for one in bench.archive.upload(files)] == [None] * 2
    operation = bench.operations.wait(bench.anon.anonymize_study(STUDY, "deid", profile="old").name, timeout=60)
    assert study_result(operation).failed_count == 5
    failures = list(bench.operations.failures(operation.name))
    assert {from_status(one.status).reason for one in failures} == {"UID_COLLISION"}


def _same_last_digits(series_uid: str) -> tuple[str, str]:
    """Two instances that diana2 gives one UID."""
    seen: dict[str, str] = {}
    uids = (f"{series_uid}.{number}" for number in count(1))
    pairs = ((seen.setdefault(diana2_uid(["", "", "x", uid]), uid), uid) for uid in uids)
    return next((first, second) for first, second in pairs if first != second)
