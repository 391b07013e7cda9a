"""Studies one after the other: a bad one does not keep the others, and a crash only what it cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Profile
from diana_anon.core.reports.counts import Counts
from diana_anon.core.studies.cohort import CohortCheckpoint, CohortOutcome
from diana_common.errors import DianaError, Reason
from diana_common.header import scan
from diana_common.uidmap import map_uid
from tests.support.dicom_files import make_small
from tests.unit.anon.study_bench import KEY, STUDY, Cancelled, MemoryWork, StudyBench, cohort, instance, job, sop_uid

STUDIES = [f"{STUDY}.{number}" for number in (1, 2, 3)]


def put(bench: StudyBench, study_uid: str, count: int = 2, **overrides: str) -> None:
    """A study of one series."""
    for number in range(1, count + 1):
        uids = {"study_uid": study_uid, "series_uid": f"{study_uid}.1", "sop_uid": f"{study_uid}.1.{number}"}
        bench.archive.put(make_small(**{**uids, **overrides}))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[StudyBench]:
    bench = StudyBench(tmp_path)
    for uid in STUDIES:
        put(bench, uid)
    yield bench
    bench.close()


def test_every_study_becomes_a_complete_one_in_order(bench: StudyBench) -> None:
    work = MemoryWork()
    outcome = bench.cohorts.run(cohort(*STUDIES, attributes={"trial": "atlas"}), work)
    assert outcome == CohortOutcome(position="position-2", key_version=1)
    assert bench.counts(work) == Counts(studies=3, instances=6)
    assert bench.archive.completed == [(map_uid(KEY, uid), 2) for uid in STUDIES]
    assert work.told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert {bench.archive.attributes[map_uid(KEY, uid)]["trial"] for uid in STUDIES} == {"atlas"}
    assert len(list(bench.ledger.instances(work.operation))) == 6


def test_a_study_that_is_not_there_fails_and_the_others_go_on(bench: StudyBench) -> None:
    work = MemoryWork()
    bench.cohorts.run(cohort(STUDIES[0], "1.2.3", STUDIES[2]), work)
    assert bench.counts(work) == Counts(studies=2, failed_studies=1, instances=4)
    assert work.failures == [("1.2.3", Reason.STUDY_NOT_FOUND)]


def test_what_was_stored_of_a_study_that_ended_with_an_error_is_counted(bench: StudyBench) -> None:
    def vanish(count: int) -> None:
        if count == 3:
            for number in (1, 2):
                del bench.archive.stores["default"][f"{STUDIES[1]}.1.{number}"]

    bench.archive.after_upload = vanish
    work = MemoryWork()
    bench.cohorts.run(cohort(*STUDIES), work)
    assert (STUDIES[1], Reason.STUDY_NOT_FOUND) in work.failures
    assert bench.counts(work).instances == len(bench.archive.stores["deid"])
    assert (bench.counts(work).studies, bench.counts(work).failed_studies) == (2, 1)


def test_a_study_of_which_an_instance_is_refused_is_not_whole(bench: StudyBench) -> None:
    put(bench, STUDIES[1], 1, patient_id="")
    work = MemoryWork()
    bench.cohorts.run(cohort(*STUDIES), work)
    assert bench.counts(work) == Counts(studies=2, failed_studies=1, instances=5, refused=1)
    assert work.failures == [(f"{STUDIES[1]}.1.1", Reason.SUBJECT_INVALID)]


@pytest.mark.parametrize("reason", [Reason.STORE_UNKNOWN, Reason.DISK_FULL])
def test_what_the_next_study_would_fail_by_too_ends_the_operation(bench: StudyBench, reason: Reason) -> None:
    def refuse(count: int) -> None:
        raise DianaError(reason, "No.")

    bench.archive.after_upload = refuse
    work = MemoryWork()
    with pytest.raises(DianaError) as caught:
        bench.cohorts.run(cohort(*STUDIES), work)
    assert caught.value.reason is reason
    assert not work.failures


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5])
def test_after_a_crash_anywhere_the_end_is_the_same_and_nothing_is_done_twice(bench: StudyBench, cut: int) -> None:
    put(bench, STUDIES[1], 1, patient_id="")
    work = MemoryWork()

    def crash(count: int) -> None:
        work.stop = count == cut

    bench.archive.after_upload = crash
    with pytest.raises(Cancelled):
        bench.cohorts.run(cohort(*STUDIES, "1.2.3"), work)
        work.raise_if_cancelled()
    bench.archive.downloads.clear()
    again = work.again()
    bench.cohorts.run(cohort(*STUDIES, "1.2.3"), again)
    assert bench.counts(again) == Counts(studies=2, failed_studies=2, instances=5, refused=1)
    assert again.failures == [(f"{STUDIES[1]}.1.1", Reason.SUBJECT_INVALID), ("1.2.3", Reason.STUDY_NOT_FOUND)]
    assert len(bench.archive.stores["deid"]) == 5
    receipts = [one.said["sop_instance_uid"] for one in bench.ledger.instances(work.operation)]
    assert sorted(receipts) == sorted(bench.archive.stores["deid"])
    assert sum(map(len, bench.archive.downloads)) <= 8 - cut


def test_what_a_crash_and_a_cancel_left_is_known_to_be_of_a_study_that_is_not_whole(bench: StudyBench) -> None:
    work = MemoryWork()

    def crash(uid: str) -> None:
        raise Cancelled

    bench.archive.after_store = crash
    with pytest.raises(Cancelled):
        bench.cohorts.run(cohort(*STUDIES), work)
    bench.archive.after_store = lambda uid: None
    again = MemoryWork(stop=True)  # the crash left no checkpoint
    with pytest.raises(Cancelled):
        bench.cohorts.run(cohort(*STUDIES), again)
    bench.arrivals.settle()
    assert bench.counts(again) == Counts(failed_studies=1, instances=1)
    assert [one.source_study_uid for one in bench.book.entries(work.operation)] == [STUDIES[0]]


def test_a_study_that_failed_just_before_a_crash_is_not_told_twice(bench: StudyBench) -> None:
    failures = [("1.2.3", Reason.STUDY_NOT_FOUND)]
    work = MemoryWork(failures=failures, last_checkpoint=CohortCheckpoint(done=1).to_bytes())
    bench.cohorts.run(cohort(STUDIES[0], "1.2.3", STUDIES[2]), work)
    assert bench.archive.completed == [(map_uid(KEY, STUDIES[2]), 2)]
    assert work.failures == failures


def test_a_name_that_one_series_has_is_struck_from_the_texts_of_all(tmp_path: Path) -> None:
    bench = StudyBench(tmp_path, Profile("default", frozenset({Option.CLEAN_DESCRIPTORS})))
    first = instance(1, 1, SeriesDescription="Thorax for Whittington native")
    bench.archive.put(first, instance(2, 1), instance(1, 2, ReferringPhysicianName="Whittington^Richard"))
    bench.studies.run(job(), MemoryWork())
    made = bench.archive.stores["deid"][map_uid(KEY, sop_uid(1, 1))]
    assert b"Whittington" not in made
    assert json.loads(scan(made).dicom_json)["0008103E"]["Value"] == ["Thorax for native"]
    bench.close()
