"""What a store may hold, and what becomes of what does not fit."""

from __future__ import annotations

from typing import Any

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.resources_pb2 import QUOTA_POLICY_DELETE_OLDEST, QUOTA_POLICY_REFUSE, Selector
from diana.type.v1.origin_pb2 import Origin
from tests.contract.archive.harness import (
    GRACE,
    RETENTION,
    SECOND,
    SETTLE,
    Clock,
    Rig,
    chunk,
    entries,
    get,
    make,
    put,
    send,
    uid,
)
from tests.contract.archive.test_archive_retention import hold, make_studies, studies, study
from tests.contract.archive.test_archive_upload import statistics
from tests.support.upload import reason_of

SMALL = "small"
ROLLING = "rolling"


def attempt(door: Any, store: str, *files: bytes) -> list[str]:
    """Upload one after the other; why each was refused, "" where it was not."""
    return [reason_of(send(door, [chunk(1, data)], store)[1]) for data in files]


def delete(door: Any, store: str, number: int) -> None:
    door.DeleteInstances(pb.DeleteInstancesRequest(store=store, selector=Selector(sop_instance_uids=[uid(number)])))


def used(door: Any, store: str) -> int:
    counts = statistics(door, store)
    return counts.size_bytes + counts.hidden_size_bytes


def test_what_would_pass_the_quota_is_refused_and_what_is_stored_stays_readable(door: Any) -> None:
    put(door, *(make(number) for number in range(4)), store=SMALL)
    assert attempt(door, SMALL, make(5)) == ["QUOTA_EXCEEDED"]
    assert get(door, 3, store=SMALL) == make(3)
    put(door, *(make(number) for number in range(6)), store="default")


def test_instances_of_one_stream_are_refused_one_by_one(door: Any) -> None:
    answers = send(door, [chunk(tag, make(tag)) for tag in range(7)], SMALL)
    assert sorted(reason_of(answer) for answer in answers.values()) == [""] * 4 + ["QUOTA_EXCEEDED"] * 3


def test_a_large_instance_is_refused_before_its_bytes_are_written(door: Any, rig: Rig) -> None:
    put(door, *(make(number) for number in range(4)), store=SMALL)
    data = make(9)
    rig.objects.full = True
    pieces = [chunk(1, data[:5000], finish=False), chunk(1, data[5000:], offset=5000)]
    assert reason_of(send(door, pieces, SMALL)[1]) == "QUOTA_EXCEEDED"


def test_a_resumable_upload_is_refused_at_its_first_byte(door: Any, rig: Rig) -> None:
    put(door, *(make(number) for number in range(4)), store=SMALL)
    data = make(9)
    first = pb.UploadChunk(tag=1, data=data[:5000], upload_id="u1")
    assert reason_of(send(door, [first], SMALL)[1]) == "QUOTA_EXCEEDED"


def test_what_is_stored_already_is_answered_in_a_full_store(door: Any) -> None:
    put(door, *(make(number) for number in range(4)), store=SMALL)
    assert attempt(door, SMALL, make(5)) == ["QUOTA_EXCEEDED"]
    (again,) = put(door, make(2), store=SMALL)
    assert again.outcome == pb.UploadResult.OUTCOME_ALREADY_STORED


def test_older_versions_and_deleted_instances_count_until_they_are_purged(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, make(1), make(1, AccessionNumber="ANOTHER"), make(2), make(3), store=SMALL)
    delete(door, SMALL, 1)
    assert attempt(door, SMALL, make(5)) == ["QUOTA_EXCEEDED"]
    clock.advance(GRACE + 1)
    rig.archive.upkeep.look()
    assert attempt(door, SMALL, make(5), make(6), make(7)) == ["", "", "QUOTA_EXCEEDED"]


def test_the_oldest_studies_make_room_without_a_grace_period(door: Any, rig: Rig, clock: Clock) -> None:
    for number in range(1, 12):
        put(door, *make_studies(number), store=ROLLING)
        clock.advance(SECOND)
    assert attempt(door, ROLLING, *make_studies(12)) == ["QUOTA_EXCEEDED"], "a tenth more than the quota is the most"
    rig.archive.upkeep.look()
    assert set(studies(door, ROLLING)) == {study(number) for number in range(3, 12)}
    assert statistics(door, ROLLING).hidden_instance_count == 0
    assert used(door, ROLLING) < 99_000
    told = [entry for entry in entries(door) if entry.HasField("instances_deleted")]
    assert [entry.instances_deleted.study_uid for entry in told] == [study(1), study(2)]
    assert all(entry.origin == Origin(rule="quota") for entry in told)
    put(door, *make_studies(12), store=ROLLING)


def test_the_study_that_was_added_to_last_goes_last(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, make(100, StudyInstanceUID=study(1)), store=ROLLING)
    clock.advance(SECOND)
    put(door, *make_studies(*range(2, 10)), store=ROLLING)
    clock.advance(SECOND)
    put(door, make(101, StudyInstanceUID=study(1)), make(102, StudyInstanceUID=study(1)), store=ROLLING)
    rig.archive.upkeep.look()
    assert len(studies(door, ROLLING)) == 7
    assert study(1) in studies(door, ROLLING)


def test_what_is_deleted_already_goes_before_any_study(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, *make_studies(*range(1, 12)), store=ROLLING)
    for number in (7, 8):
        delete(door, ROLLING, number)
    rig.archive.upkeep.look()
    assert set(studies(door, ROLLING)) == {study(number) for number in range(1, 12)} - {study(7), study(8)}


def test_studies_on_hold_are_kept_and_newcomers_refused_when_nothing_else_is_left(
    door: Any, rig: Rig, clock: Clock
) -> None:
    put(door, *make_studies(*range(1, 12)), store=ROLLING)
    for number in range(1, 12):
        hold(door, number, ROLLING)
    rig.archive.upkeep.look()
    assert len(studies(door, ROLLING)) == 11
    assert attempt(door, ROLLING, *make_studies(12)) == ["QUOTA_EXCEEDED"]


def test_a_refusal_within_the_quota_makes_room_too(door: Any, rig: Rig) -> None:
    put(door, *make_studies(*range(1, 11)), store=ROLLING)
    large = make(20, StudyInstanceUID=study(20), rows=96, cols=96)
    assert attempt(door, ROLLING, large) == ["QUOTA_EXCEEDED"]
    rig.archive.upkeep.look()
    assert attempt(door, ROLLING, large) == [""]


def test_a_store_below_its_quota_loses_nothing(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, *make_studies(*range(1, 11)), store=ROLLING)
    delete(door, ROLLING, 1)
    clock.advance(RETENTION // 100)
    rig.archive.upkeep.look()
    assert len(studies(door, ROLLING)) == 9
    assert statistics(door, ROLLING).hidden_instance_count == 1


def test_stores_are_listed_with_quota_and_periods(door: Any) -> None:
    stores = {store.name: store for store in door.ListStores(pb.ListStoresRequest()).stores}
    assert (stores[SMALL].quota_bytes, stores[SMALL].quota_policy) == (45_000, QUOTA_POLICY_REFUSE)
    assert (stores[ROLLING].quota_bytes, stores[ROLLING].quota_policy) == (110_000, QUOTA_POLICY_DELETE_OLDEST)
    assert stores["aging"].retention_seconds * SECOND == RETENTION
    assert stores["default"].settle_period_seconds * SECOND == SETTLE
    assert (stores["default"].retention_seconds, stores["default"].quota_bytes) == (0, 0)


def test_a_study_larger_than_the_quota_is_not_kept(door: Any, rig: Rig) -> None:
    put(door, *(make(one) for one in range(11)), store=ROLLING)
    rig.archive.upkeep.look()
    assert studies(door, ROLLING) == []
    assert used(door, ROLLING) == 0
