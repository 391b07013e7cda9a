"""Studies that are deleted by the archive itself, because they are kept for long enough."""

from __future__ import annotations

from typing import Any

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.resources_pb2 import Selector
from diana.type.v1.origin_pb2 import Origin
from diana_archive.core import retiring
from tests.contract.archive.harness import (
    GRACE,
    QUIET,
    RETENTION,
    SECOND,
    STUDY,
    Clock,
    Rig,
    entries,
    make,
    put,
)
from tests.contract.archive.test_archive_upload import statistics

AGING = "aging"


def study(number: int) -> str:
    return f"{STUDY}.{number}"


def make_studies(*numbers: int) -> list[bytes]:
    return [make(number, StudyInstanceUID=study(number)) for number in numbers]


def hold(door: Any, number: int, store: str = AGING) -> None:
    request = pb.UpdateStudyAttributesRequest(store=store, study_uid=study(number), set={"hold": ""})
    door.UpdateStudyAttributes(request)


def studies(door: Any, store: str = AGING) -> list[str]:
    return [one.study_uid for one in door.ListStudies(pb.ListStudiesRequest(store=store)).studies]


def test_a_study_is_deleted_when_nothing_was_added_for_its_retention(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, *make_studies(1, 2), store=AGING)
    put(door, *make_studies(1), store="default")
    clock.advance(RETENTION // 2)
    put(door, make(3, StudyInstanceUID=study(2)), store=AGING)
    rig.archive.upkeep.look()
    clock.advance(RETENTION // 2 + SECOND)
    rig.archive.upkeep.look()
    assert studies(door) == [study(2)]
    assert studies(door, "default") == [study(1)]
    deleted = entries(door)[-1]
    assert deleted.instances_deleted.study_uid == study(1)
    assert deleted.origin == Origin(rule="retention")


def test_what_retention_deleted_can_come_back_within_the_grace_period_and_stays_when_held(
    door: Any, rig: Rig, clock: Clock
) -> None:
    put(door, *make_studies(1, 2), store=AGING)
    clock.advance(RETENTION + 1)
    rig.archive.upkeep.look()
    assert studies(door) == []
    request = pb.UndeleteInstancesRequest(store=AGING, selector=Selector(study_uid=study(1)))
    assert door.UndeleteInstances(request).restored_count == 1
    hold(door, 1)
    clock.advance(GRACE + QUIET)
    rig.archive.upkeep.look()
    assert studies(door) == [study(1)]
    counts = statistics(door, AGING)
    assert (counts.instance_count, counts.hidden_instance_count) == (1, 0)


def test_a_study_on_hold_is_kept_until_the_hold_is_removed(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, *make_studies(1, 2), store=AGING)
    hold(door, 1)
    clock.advance(2 * RETENTION)
    rig.archive.upkeep.look()
    assert studies(door) == [study(1)]
    request = pb.UpdateStudyAttributesRequest(store=AGING, study_uid=study(1), remove=["hold"])
    door.UpdateStudyAttributes(request)
    clock.advance(QUIET)
    rig.archive.upkeep.look()
    assert studies(door) == []


def test_more_studies_than_a_round_takes_are_deleted_round_by_round_past_those_on_hold(
    door: Any, rig: Rig, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retiring, "_A_ROUND", 3)
    monkeypatch.setattr(retiring, "_A_PAGE", 2)
    put(door, *make_studies(*range(1, 10)), store=AGING)
    for number in (1, 2, 3, 5):
        hold(door, number)
    clock.advance(RETENTION + QUIET + 1)
    rig.archive.upkeep.look()
    assert len(studies(door)) == 6
    rig.archive.upkeep.look()
    assert studies(door) == [study(number) for number in (1, 2, 3, 5)]


def test_an_instance_that_arrives_meanwhile_keeps_its_study(
    door: Any, rig: Rig, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(door, *make_studies(1), store=AGING)
    clock.advance(RETENTION + 1)
    delete = retiring.Retiring._delete

    def late(self: retiring.Retiring, *arguments: Any) -> None:
        put(door, make(2, StudyInstanceUID=study(1)), store=AGING)
        delete(self, *arguments)

    monkeypatch.setattr(retiring.Retiring, "_delete", late)
    rig.archive.upkeep.look()
    assert studies(door) == [study(1)]
