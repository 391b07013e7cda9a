"""The study operation: what it does with a good study, with a bad instance, and with a bad day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from diana_anon.core.chunks import gathered
from diana_anon.core.ports import InstanceKey, Piece
from diana_anon.core.proof.receipts import Result
from diana_anon.core.studies.study import StudyOutcome
from diana_anon.core.studies.tally import Checkpoint, Tally
from diana_common.errors import DianaError, Reason
from diana_common.uidmap import map_uid
from tests.unit.anon.study_bench import (
    KEY,
    STUDY,
    Cancelled,
    MemoryWork,
    StudyBench,
    instance,
    job,
    series_uid,
    sop_uid,
)

NEW_STUDY = map_uid(KEY, STUDY)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[StudyBench]:
    bench = StudyBench(tmp_path)
    bench.archive.put(*(instance(number, series) for series in (1, 2) for number in (1, 2, 3)))
    yield bench
    bench.close()


def test_a_study_becomes_a_complete_one_of_as_many_instances(bench: StudyBench) -> None:
    work = MemoryWork()
    outcome = bench.studies.run(job(), work)
    assert outcome == StudyOutcome(NEW_STUDY, 6, 0, True, "position-2", key_version=1)
    assert bench.archive.completed == [(NEW_STUDY, 6)]
    assert work.told[0] == (0, 6)
    assert work.told[-1] == (6, 6)
    new_uids = {map_uid(KEY, sop_uid(number, series)) for series in (1, 2) for number in (1, 2, 3)}
    assert set(bench.archive.stores["deid"]) == new_uids


def test_a_patient_is_asked_for_once_and_each_instance_is_its_own_patients(bench: StudyBench) -> None:
    bench.archive.put(instance(4, patient_id="ANOTHER"))
    bench.studies.run(job(), MemoryWork())
    assert sorted(bench.mint.asked) == ["ANOTHER", "PHANTOM01"]


def test_given_attributes_win_over_copied_ones_and_absent_ones_are_left_out(bench: StudyBench) -> None:
    bench.archive.attributes[STUDY] = {"trial": "atlas", "site": "north", "reader": "a person"}
    bench.studies.run(job(attributes={"site": "s1"}, copied_attributes=["trial", "site", "none"]), MemoryWork())
    assert bench.archive.attributes[NEW_STUDY] == {"trial": "atlas", "site": "s1"}


def test_more_attributes_than_a_study_can_have_are_refused_before_anything_is_stored(bench: StudyBench) -> None:
    bench.archive.attributes[STUDY] = {f"a{number}": "" for number in range(64)}
    with pytest.raises(DianaError) as caught:
        bench.studies.run(
            job(attributes={"b": ""}, copied_attributes=list(bench.archive.attributes[STUDY])), MemoryWork()
        )
    assert caught.value.reason is Reason.INVALID_FIELD
    assert not bench.archive.uploaded


def test_an_instance_that_is_refused_fails_alone_and_nothing_is_declared(bench: StudyBench) -> None:
    bench.archive.put(instance(2, patient_id=""))
    work = MemoryWork()
    outcome = bench.studies.run(job(), work)
    assert outcome == StudyOutcome(NEW_STUDY, 5, 1, False, "position-1", key_version=1)
    assert work.failures == [(sop_uid(2), Reason.SUBJECT_INVALID)]
    assert not bench.archive.completed
    assert work.told[-1] == (6, 6)


def test_a_study_of_which_nothing_is_left_sets_no_attributes(bench: StudyBench) -> None:
    bench.archive.stores["default"].clear()
    bench.archive.put(instance(1, patient_id=""))
    assert bench.studies.run(job(attributes={"a": "b"}), MemoryWork()) == StudyOutcome(
        "", 0, 1, False, "", key_version=1
    )
    assert not bench.archive.attributes


def test_another_data_set_under_the_same_uid_is_a_failure(bench: StudyBench) -> None:
    bench.studies.run(job(), MemoryWork())
    bench.archive.put(instance(3, Manufacturer="ANOTHER"))
    work = MemoryWork()
    assert bench.studies.run(job(), work).failed == 1
    assert work.failures == [(sop_uid(3), Reason.INSTANCE_CONFLICT)]


@pytest.mark.parametrize("fault", ["damaged", "vanished"])
def test_an_instance_that_cannot_be_fetched_does_not_keep_the_others(bench: StudyBench, fault: str) -> None:
    getattr(bench.archive, fault).add(sop_uid(2))
    work = MemoryWork()
    assert bench.studies.run(job(), work).stored == 5
    reason = Reason.STORE_DAMAGED if fault == "damaged" else Reason.INSTANCE_NOT_FOUND
    assert work.failures == [(sop_uid(2), reason)]


def test_a_peer_that_is_away_is_waited_for_and_the_work_goes_on_where_it_was(bench: StudyBench) -> None:
    def leave(count: int) -> None:
        bench.archive.away = 3 if count == 4 else 0

    bench.archive.after_upload = leave
    outcome = bench.studies.run(job(), MemoryWork())
    assert (outcome.stored, outcome.completed) == (6, True)
    assert set(bench.archive.uploaded) == {sop_uid(number, series) for series in (1, 2) for number in (1, 2, 3)}
    assert len(bench.sleeps) == 3


@pytest.mark.parametrize("moment", ["before anything is stored", "in the middle"])
def test_a_key_that_is_rotated_meanwhile_parts_no_study(bench: StudyBench, moment: str) -> None:
    def rotate(count: int) -> None:
        if bench.mint.version == 1:
            bench.mint.version, bench.archive.away = 2, 3

    if moment == "in the middle":
        bench.archive.after_upload = lambda count: rotate(count) if count == 4 else None
    else:
        bench.mint.after_keys = lambda: rotate(0)
    outcome = bench.studies.run(job(), MemoryWork())
    assert (outcome.study_uid, outcome.stored, outcome.completed) == (NEW_STUDY, 6, True)
    assert bench.mint.minted_with == {1}


def test_after_a_crash_a_study_goes_on_with_the_key_it_began_with(bench: StudyBench) -> None:
    work = MemoryWork()

    def crash(count: int) -> None:
        raise Cancelled

    bench.archive.after_upload = crash
    with pytest.raises(Cancelled):
        bench.studies.run(job(), work)
    bench.archive.after_upload = lambda count: None
    bench.mint.version = 2
    assert bench.studies.run(job(), work.again()).study_uid == NEW_STUDY
    assert bench.mint.minted_with == {1}
    assert set(bench.archive.stores["deid"]) == {map_uid(KEY, uid) for uid in bench.archive.stores["default"]}


def test_a_mint_that_stays_away_ends_the_operation_in_the_end(bench: StudyBench) -> None:
    bench.mint.away = 10**6
    work = MemoryWork()
    with pytest.raises(DianaError) as caught:
        bench.studies.run(job(), work)
    assert caught.value.reason is Reason.PEER_UNAVAILABLE
    assert 10 < len(bench.sleeps) < 100
    assert max(bench.sleeps) <= 5
    assert not work.failures


def test_after_a_crash_only_the_rest_is_done_and_a_failure_is_not_told_twice(bench: StudyBench) -> None:
    bench.archive.put(instance(1, patient_id=""), instance(1, 2, patient_id=""))
    work = MemoryWork()

    def crash(count: int) -> None:
        work.stop = count == 3

    bench.archive.after_upload = crash
    with pytest.raises(Cancelled):
        bench.studies.run(job(), work)
    again = work.again()
    outcome = bench.studies.run(job(), again)
    assert (outcome.stored, outcome.failed) == (4, 2)
    assert sorted(again.failures) == [(sop_uid(1), Reason.SUBJECT_INVALID), (sop_uid(1, 2), Reason.SUBJECT_INVALID)]


def test_an_attempt_begins_after_the_last_that_is_settled(bench: StudyBench) -> None:
    mark = Checkpoint(series_uid(2), sop_uid(1, 2), stored=4, study_uid=NEW_STUDY)
    assert bench.studies.run(job(), MemoryWork(last_checkpoint=mark.to_bytes())).stored == 6
    downloaded = {uid for batch in bench.archive.downloads for uid in batch}
    assert downloaded == {sop_uid(2, 2), sop_uid(3, 2)}


def test_an_operation_that_is_cancelled_stops_between_two_instances(bench: StudyBench) -> None:
    work = MemoryWork()

    def cancel(count: int) -> None:
        work.stop = True

    bench.archive.after_upload = cancel
    with pytest.raises(Cancelled):
        bench.studies.run(job(), work)
    assert len(bench.archive.uploaded) == 1


def test_what_breaks_while_the_server_stops_is_left_to_the_next_attempt(bench: StudyBench) -> None:
    work = MemoryWork()

    def stop(count: int) -> None:
        work.stop = True
        raise ValueError("the channel is closed")

    bench.archive.after_upload = stop
    with pytest.raises(Cancelled):
        bench.studies.run(job(), work)
    bench.archive.after_upload = lambda count: None
    assert bench.studies.run(job(), work.again()).completed


def test_running_again_stores_nothing_twice(bench: StudyBench) -> None:
    bench.studies.run(job(), MemoryWork())
    before = dict(bench.archive.stores["deid"])
    assert bench.studies.run(job(), MemoryWork()).completed
    assert bench.archive.stores["deid"] == before


def test_what_the_target_has_from_before_is_counted_too(bench: StudyBench) -> None:
    bench.studies.run(job(), MemoryWork())
    del bench.archive.stores["default"][sop_uid(1)]
    outcome = bench.studies.run(job(), MemoryWork())
    assert (outcome.stored, outcome.completed) == (5, True)
    assert bench.archive.completed[-1] == (NEW_STUDY, 6)


def test_a_study_that_grew_meanwhile_is_not_declared_complete(bench: StudyBench) -> None:
    def grow(count: int) -> None:
        bench.archive.put(instance(0))

    bench.archive.after_upload = grow
    outcome = bench.studies.run(job(), MemoryWork())
    assert (outcome.stored, outcome.completed) == (6, False)


def test_a_target_that_loses_instances_meanwhile_is_not_declared_complete(bench: StudyBench) -> None:
    def lose(count: int) -> None:
        if count == 6:
            bench.archive.stores["deid"].popitem()

    bench.archive.after_upload = lose
    outcome = bench.studies.run(job(), MemoryWork())
    assert (outcome.stored, outcome.completed, outcome.position) == (6, False, "position-1")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"study_uid": "1.2.9"}, Reason.STUDY_NOT_FOUND), ({"profile": "none"}, Reason.PROFILE_UNKNOWN)],
)
def test_what_is_not_there_ends_the_operation(bench: StudyBench, changes: dict[str, str], reason: Reason) -> None:
    with pytest.raises(DianaError) as caught:
        bench.studies.run(job(**changes), MemoryWork())
    assert caught.value.reason is reason


class Nobody:
    """Answers that nobody waits for."""

    def arrived(self, results: Sequence[Result]) -> None: ...

    def refused(self, results: Sequence[Result]) -> None: ...


def keys(*numbers: int) -> list[InstanceKey]:
    return [InstanceKey(series_uid(1), sop_uid(number)) for number in numbers]


def test_the_mark_waits_for_the_first_that_is_not_settled() -> None:
    tally = Tally(MemoryWork(), Checkpoint(), [], Nobody())
    tally.begin(keys(1, 2, 3, 4))
    tally.settle(sop_uid(3))
    tally.settle(sop_uid(1))
    assert tally.close() == Checkpoint(series_uid(1), sop_uid(1), 1)


def test_what_settles_after_the_end_is_left_to_the_next_attempt() -> None:
    work = MemoryWork()
    tally = Tally(work, Checkpoint(), [], Nobody())
    tally.begin(keys(1, 2))
    tally.settle(sop_uid(1))
    kept = tally.close()
    tally.settle(sop_uid(2), DianaError(Reason.INTERNAL, "late"))
    assert Checkpoint.from_bytes(work.kept) == kept
    assert not work.failures


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_pieces_are_gathered_to_one_size(size: int) -> None:
    pieces: list[Piece] = [b"abc", memoryview(b"defghij"), b"", b"k"]
    made = list(gathered(pieces, size))
    assert b"".join(made) == b"abcdefghijk"
    assert {len(one) for one in made[:-1]} <= {size}
    assert 0 < len(made[-1]) <= size
