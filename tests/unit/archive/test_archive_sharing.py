"""Two archives over one database and one bucket, in step where the order matters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.resources_pb2 import Selector
from diana_common.errors import Reason
from tests.contract.archive.harness import (
    GRACE,
    QUIET,
    STUDY,
    Clock,
    DirectDoor,
    Rig,
    chunk,
    entries,
    get,
    kinds,
    make,
    put,
    refused,
    send,
    uid,
)
from tests.support import outside
from tests.support.upload import reason_of


@pytest.fixture(scope="module", autouse=True)
def servers() -> Iterator[None]:
    yield
    outside.stop_servers()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rigs(tmp_path: Path, clock: Clock) -> Iterator[list[Rig]]:
    first, second = tmp_path / "first" / "state", tmp_path / "second" / "state"
    with closing(Rig("postgres-s3", first, clock)) as one:
        outside.share(first, second)
        with closing(Rig("postgres-s3", second, clock)) as other:
            yield [one, other]


@pytest.fixture
def doors(rigs: list[Rig]) -> list[Any]:
    return [DirectDoor(rig) for rig in rigs]


def at_once(*actions: Callable[[], object]) -> None:
    """Do them in threads that begin together."""
    together = threading.Barrier(len(actions))
    failures: list[BaseException] = []

    def run(action: Callable[[], object]) -> None:
        together.wait()
        try:
            action()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_same_instances_put_into_both_at_once_are_stored_once(doors: list[Any]) -> None:
    files = [make(number) for number in range(20)]
    answers: list[Any] = []
    at_once(*(lambda door=door: answers.extend(put(door, *files)) for door in doors))
    assert kinds(doors[0]) == kinds(doors[1]) == ["instance_stored"] * 20
    outcomes = [answer.outcome for answer in answers]
    assert outcomes.count(pb.UploadResult.OUTCOME_STORED) == 20
    assert outcomes.count(pb.UploadResult.OUTCOME_ALREADY_STORED) == 20
    assert all(get(door, number) == files[number] for door in doors for number in range(20))


def test_of_two_data_sets_under_one_uid_one_is_stored_and_one_is_refused(doors: list[Any]) -> None:
    reasons: list[str] = []

    def offer(door: Any, patient_id: str) -> None:
        answers = send(door, [chunk(1, make(1, patient_id=patient_id))])
        reasons.append(reason_of(answers[1]))

    at_once(lambda: offer(doors[0], "A"), lambda: offer(doors[1], "B"))
    assert sorted(reasons) == ["", "INSTANCE_CONFLICT"]
    assert get(doors[0], 1) == get(doors[1], 1)
    assert len(entries(doors[0])) == 1


def test_a_quiet_study_is_declared_complete_once(rigs: list[Rig], doors: list[Any], clock: Clock) -> None:
    put(doors[0], make(1))
    clock.advance(2 * QUIET)
    at_once(*(rig.archive.upkeep.look for rig in rigs))
    assert kinds(doors[0]) == kinds(doors[1]) == ["instance_stored", "study_completed"]


def test_a_purge_is_made_once_and_frees_the_bytes(rigs: list[Rig], doors: list[Any], clock: Clock) -> None:
    put(doors[0], *[make(number) for number in range(5)])
    doors[1].DeleteInstances(pb.DeleteInstancesRequest(selector=Selector(study_uid=STUDY)))
    clock.advance(2 * GRACE)
    at_once(*(rig.archive.upkeep.look for rig in rigs))
    assert kinds(doors[0])[-1] == "instances_deleted"
    with rigs[0].catalogue.snapshot() as snapshot:
        assert snapshot.unlinkable(0, 10) == []
        assert snapshot.statistics("default").hidden_count == 0
    put(doors[1], make(1))
    assert get(doors[0], 1) == make(1)


def test_attributes_and_seals_of_one_are_those_of_the_other(doors: list[Any]) -> None:
    put(doors[0], make(1))
    doors[1].UpdateStudyAttributes(pb.UpdateStudyAttributesRequest(study_uid=STUDY, set={"a": "1"}))
    doors[0].UpdateStudyAttributes(pb.UpdateStudyAttributesRequest(study_uid=STUDY, set={"b": "2"}))
    assert doors[1].GetStudy(pb.GetStudyRequest(study_uid=STUDY)).study.attributes == {"a": "1", "b": "2"}
    doors[0].SealStudyAttributes(pb.SealStudyAttributesRequest(study_uid=STUDY, attributes={"c": "3"}))
    opened = doors[1].UnsealStudyAttributes(pb.UnsealStudyAttributesRequest(study_uid=STUDY))
    assert opened.attributes == {"c": "3"}


def test_a_position_of_one_is_a_position_of_the_other(doors: list[Any]) -> None:
    (result,) = put(doors[0], make(1))
    assert entries(doors[1], result.position) == []
    put(doors[1], make(2))
    (entry,) = entries(doors[0], result.position)
    assert entry.instance_stored.instance.sop_instance_uid == uid(2)
    with refused(Reason.POSITION_INVALID):
        entries(doors[0], entry.position[:-1] + "9")


def test_a_verification_of_one_spares_what_the_other_is_about_to_store(rigs: list[Rig], doors: list[Any]) -> None:
    put(doors[0], make(1))
    draft = rigs[0].objects.place("default", make(2))
    assert rigs[0].objects.make_durable([draft]) == [None]
    assert rigs[1].objects.settled("default", 0, 10) == []
