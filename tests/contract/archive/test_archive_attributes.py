"""What stands beside a study: attributes, seals, completeness."""

from __future__ import annotations

import json
from typing import Any

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import feed_pb2
from diana.type.v1.origin_pb2 import Origin
from diana_common.errors import Reason
from tests.contract.archive.harness import QUIET, STUDY, Clock, Rig, entries, kinds, make, put, refused
from tests.contract.archive.test_archive_upload import statistics

SECRET = {"accession": "ACC-4711", "patient": "Doe^Jane"}


def update(door: Any, remove: tuple[str, ...] = (), study_uid: str = STUDY, **to_set: str) -> Any:
    return door.UpdateStudyAttributes(pb.UpdateStudyAttributesRequest(study_uid=study_uid, set=to_set, remove=remove))


def seal(door: Any, attributes: dict[str, str], study_uid: str = STUDY) -> Any:
    return door.SealStudyAttributes(pb.SealStudyAttributesRequest(study_uid=study_uid, attributes=attributes))


def unseal(door: Any, study_uid: str = STUDY) -> dict[str, str]:
    return dict(door.UnsealStudyAttributes(pb.UnsealStudyAttributesRequest(study_uid=study_uid)).attributes)


def complete(door: Any, expected: int | None = None, reason: int = feed_pb2.COMPLETION_REASON_DECLARED) -> Any:
    request = pb.CompleteStudyRequest(study_uid=STUDY, expected_instance_count=expected)
    request.reason = feed_pb2.CompletionReason.ValueType(reason)
    return door.CompleteStudy(request)


def is_complete(door: Any) -> bool:
    return bool(door.GetStudy(pb.GetStudyRequest(study_uid=STUDY)).study.complete)


def test_attributes_are_set_removed_and_told(door: Any) -> None:
    put(door, make(1))
    assert update(door, trial="t1", site="s1").study.attributes == {"trial": "t1", "site": "s1"}
    answer = update(door, remove=("site", "unknown"), trial="t2")
    assert answer.study.attributes == {"trial": "t2"}
    last = entries(door)[-1]
    assert last.position == answer.position
    assert last.study_attributes_changed.attributes == {"trial": "t2"}


def test_setting_what_is_set_tells_nothing(door: Any) -> None:
    put(door, make(1))
    first = update(door, trial="t1")
    assert update(door, remove=("site",), trial="t1").position == first.position
    assert kinds(door) == ["instance_stored", "study_attributes_changed"]


def test_attributes_of_what_is_not_there_are_refused(door: Any) -> None:
    for call in (
        lambda: update(door, trial="t"),
        lambda: seal(door, SECRET),
        lambda: unseal(door),
        lambda: complete(door),
    ):
        with refused(Reason.STUDY_NOT_FOUND):
            call()


def test_a_study_takes_no_more_attributes_than_it_may(door: Any) -> None:
    put(door, make(1))
    attributes = {f"a{number}": "x" for number in range(64)}
    door.UpdateStudyAttributes(pb.UpdateStudyAttributesRequest(study_uid=STUDY, set=attributes))
    with refused(Reason.INVALID_FIELD):
        update(door, one_more="x")
    seal(door, attributes)
    with refused(Reason.INVALID_FIELD):
        seal(door, {"one_more": "x"})


def test_sealed_attributes_show_their_keys_alone_and_open_again(door: Any) -> None:
    put(door, make(1))
    answer = seal(door, SECRET)
    assert list(answer.study.sealed_keys) == ["accession", "patient"]
    assert not answer.study.attributes
    assert unseal(door) == SECRET
    assert list(entries(door)[-1].study_attributes_changed.sealed_keys) == ["accession", "patient"]
    assert b"ACC-4711" not in entries(door)[-1].SerializeToString()


def test_sealing_adds_to_what_is_sealed_and_is_idempotent(door: Any) -> None:
    put(door, make(1))
    seal(door, SECRET)
    again = seal(door, {"accession": "ACC-4711"})
    assert again.position == statistics(door).head_position
    assert kinds(door).count("study_attributes_changed") == 1
    seal(door, {"accession": "NEW", "time": "0900"})
    assert unseal(door) == {**SECRET, "accession": "NEW", "time": "0900"}
    update(door, trial="t1")
    assert unseal(door)["time"] == "0900"


def test_nothing_sealed_is_told_from_a_broken_seal(door: Any) -> None:
    put(door, make(1))
    with refused(Reason.SEAL_MISSING):
        unseal(door)
    update(door, trial="t1")
    with refused(Reason.SEAL_MISSING):
        unseal(door)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda document: document["sealed"].update(box=document["sealed"]["box"][4:]),
        lambda document: document["sealed"].update(box="AAAA" + document["sealed"]["box"][4:]),
        lambda document: document["sealed"].update(nonce="AAAAAAAAAAAAAAAA"),
        lambda document: document["sealed"].update(nonce=""),
        lambda document: document["sealed"].update(key_id="another"),
        lambda document: document["sealed"].update(key_id=[1]),
        lambda document: document.update(sealed="text"),
        lambda document: document.pop("sealed"),
    ],
)
def test_an_altered_seal_does_not_open_nor_take_more(door: Any, rig: Rig, tamper: Any) -> None:
    put(door, make(1))
    seal(door, SECRET)
    document = json.loads(rig.sidecars.read("default", STUDY) or b"")
    tamper(document)
    rig.sidecars.write("default", STUDY, json.dumps(document).encode())
    with refused(Reason.SEAL_BROKEN):
        unseal(door)
    with refused(Reason.SEAL_BROKEN):
        seal(door, {"more": "x"})


@pytest.mark.parametrize("document", [b"", b"\xff", b"[1, 2]", b"[" * 100_000])
def test_a_spoilt_sidecar_is_a_broken_seal(door: Any, rig: Rig, document: bytes) -> None:
    put(door, make(1))
    seal(door, SECRET)
    rig.sidecars.write("default", STUDY, document)
    with refused(Reason.SEAL_BROKEN):
        unseal(door)
    with refused(Reason.SEAL_BROKEN):
        update(door, trial="t1")


def test_a_seal_moved_to_another_study_does_not_open(door: Any, rig: Rig) -> None:
    put(door, make(1), make(2, study_uid="1.2.3", series_uid="1.2.3.4"))
    seal(door, SECRET)
    seal(door, {"accession": "OTHER"}, study_uid="1.2.3")
    rig.sidecars.write("default", "1.2.3", rig.sidecars.read("default", STUDY) or b"")
    with refused(Reason.SEAL_BROKEN):
        unseal(door, study_uid="1.2.3")
    assert unseal(door) == SECRET


def test_a_study_is_declared_complete_once_with_its_reason(door: Any) -> None:
    put(door, make(1), make(2))
    update(door, trial="t1")
    position = complete(door).position
    assert complete(door, reason=feed_pb2.COMPLETION_REASON_ASSOCIATION_RELEASED).position == position
    last = entries(door)[-1]
    assert last.position == position
    assert last.study_completed.reason == feed_pb2.COMPLETION_REASON_DECLARED
    assert last.study_completed.instance_count == 2
    assert last.study_completed.attributes == {"trial": "t1"}
    assert is_complete(door)


def test_a_count_that_is_not_there_leaves_the_study_incomplete(door: Any) -> None:
    put(door, make(1))
    counted = feed_pb2.COMPLETION_REASON_COUNTED_AGAINST_SOURCE
    with refused(Reason.STUDY_INCOMPLETE):
        complete(door, 2, counted)
    assert not is_complete(door)
    put(door, make(2))
    complete(door, 2, counted)
    assert entries(door)[-1].study_completed.reason == counted


def test_a_later_arrival_makes_a_study_incomplete_and_a_duplicate_does_not(door: Any) -> None:
    put(door, make(1))
    complete(door)
    put(door, make(1))
    assert is_complete(door)
    put(door, make(2))
    assert not is_complete(door)


def test_a_quiet_study_completes_by_itself_and_each_arrival_begins_the_period_anew(
    door: Any, rig: Rig, clock: Clock
) -> None:
    put(door, make(1))
    clock.advance(QUIET // 2)
    put(door, make(2))
    clock.advance(QUIET // 2 + 1)
    rig.archive.upkeep.look()
    assert not is_complete(door)
    clock.advance(QUIET // 2)
    rig.archive.upkeep.look()
    assert is_complete(door)
    rig.archive.upkeep.look()
    told = [entry.study_completed for entry in entries(door) if entry.HasField("study_completed")]
    assert [(one.reason, one.instance_count) for one in told] == [(feed_pb2.COMPLETION_REASON_QUIET_PERIOD, 2)]
    put(door, make(3))
    clock.advance(2 * QUIET)
    rig.archive.upkeep.look()
    assert kinds(door).count("study_completed") == 2


def test_a_store_without_a_quiet_period_never_completes_by_itself(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, make(1), store="patient")
    clock.advance(1000 * QUIET)
    rig.archive.upkeep.look()
    assert kinds(door) == ["instance_stored"]


def test_the_origin_of_a_change_is_told(door: Any) -> None:
    origin = Origin(door="dimse", source="CT01", rule="r", operation="o")
    messages = [pb.UploadInstancesRequest(origin=origin, chunks=[pb.UploadChunk(data=make(1), finish=True)])]
    list(door.UploadInstances(iter(messages)))
    door.CompleteStudy(
        pb.CompleteStudyRequest(study_uid=STUDY, reason=feed_pb2.COMPLETION_REASON_DECLARED, origin=origin)
    )
    assert [entry.origin for entry in entries(door)] == [origin, origin]
    for bad in (Origin(door="x" * 64), Origin(source="x" * 256), Origin(door="A b")):
        with refused(Reason.INVALID_FIELD):
            list(door.UploadInstances(iter([pb.UploadInstancesRequest(origin=bad)])))
