"""Deleted, brought back, purged."""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import feed_pb2
from diana.archive.v1.resources_pb2 import Selector
from diana_archive.stores.files import FileObjects
from diana_common.errors import Reason
from tests.contract.archive.harness import (
    GRACE,
    SERIES,
    START,
    STUDY,
    Clock,
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
from tests.contract.archive.test_archive_upload import objects_left, statistics


def delete(door: Any, store: str = "", **selector: Any) -> pb.DeleteInstancesResponse:
    answer: pb.DeleteInstancesResponse = door.DeleteInstances(
        pb.DeleteInstancesRequest(store=store, selector=Selector(**selector))
    )
    return answer


def undelete(door: Any, store: str = "", **selector: Any) -> int:
    request = pb.UndeleteInstancesRequest(store=store, selector=Selector(**selector))
    return int(door.UndeleteInstances(request).restored_count)


def counts(door: Any, store: str = "") -> tuple[int, int, int, int]:
    found = statistics(door, store)
    return found.study_count, found.series_count, found.instance_count, found.hidden_instance_count


def test_a_deleted_study_answers_no_reads_and_comes_back_as_it_was(door: Any) -> None:
    files = [make(number, series_uid=f"{SERIES}.{number % 2}") for number in range(6)]
    put(door, *files)
    before = door.GetStudy(pb.GetStudyRequest(study_uid=STUDY)).study
    answer = delete(door, study_uid=STUDY)
    assert answer.deleted_count == 6
    assert answer.restorable_until.seconds * 1_000_000 >= START + GRACE
    assert counts(door) == (0, 0, 0, 6)
    with refused(Reason.INSTANCE_NOT_FOUND):
        get(door, 1)
    with refused(Reason.STUDY_NOT_FOUND):
        door.GetStudy(pb.GetStudyRequest(study_uid=STUDY))
    assert not door.ListStudies(pb.ListStudiesRequest()).studies
    assert undelete(door, study_uid=STUDY) == 6
    assert counts(door) == (1, 2, 6, 0)
    assert door.GetStudy(pb.GetStudyRequest(study_uid=STUDY)).study == before
    assert [get(door, number) for number in range(6)] == files


def test_deleting_is_by_series_and_by_instance_too(door: Any) -> None:
    put(door, *(make(number, series_uid=f"{SERIES}.{number % 2}") for number in range(6)))
    assert delete(door, study_uid=STUDY, series_uid=f"{SERIES}.1").deleted_count == 3
    assert counts(door) == (1, 1, 3, 3)
    assert delete(door, sop_instance_uids=[uid(0), uid(1)]).deleted_count == 1
    assert counts(door) == (1, 1, 2, 4)


def test_a_study_tells_when_it_was_stored_by_what_is_left(door: Any, clock: Clock) -> None:
    put(door, make(1))
    clock.advance(1_000_000_000)
    put(door, make(2))
    delete(door, sop_instance_uids=[uid(1)])
    study = door.GetStudy(pb.GetStudyRequest(study_uid=STUDY)).study
    assert study.first_store_time == study.last_store_time
    assert study.first_store_time.seconds * 1_000_000 >= START + 1_000_000_000


def test_deleting_twice_deletes_nothing_and_tells_nothing(door: Any) -> None:
    put(door, make(1))
    first = delete(door, study_uid=STUDY)
    second = delete(door, study_uid=STUDY)
    assert second.deleted_count == 0
    assert not second.HasField("restorable_until")
    assert second.position == first.position
    assert kinds(door) == ["instance_stored", "instances_deleted"]


def test_deleting_what_never_was_is_refused_and_deletes_nothing(door: Any) -> None:
    put(door, make(1))
    with refused(Reason.STUDY_NOT_FOUND):
        delete(door, study_uid="1.2")
    with refused(Reason.SERIES_NOT_FOUND):
        delete(door, study_uid=STUDY, series_uid="1.2")
    with refused(Reason.INSTANCE_NOT_FOUND):
        delete(door, sop_instance_uids=[uid(1), uid(2)])
    assert get(door, 1)


def test_undeleting_what_is_there_changes_nothing_and_what_never_was_is_refused(door: Any) -> None:
    put(door, make(1))
    assert undelete(door, study_uid=STUDY) == 0
    with refused(Reason.NOTHING_DELETED):
        undelete(door, study_uid="1.2")
    assert kinds(door) == ["instance_stored"]


def test_an_instance_uploaded_after_its_delete_is_stored_anew(door: Any) -> None:
    (first,) = put(door, make(1))
    delete(door, study_uid=STUDY)
    (second,) = put(door, make(1))
    assert second.outcome == pb.UploadResult.OUTCOME_STORED
    assert second.instance.version != first.instance.version
    assert undelete(door, study_uid=STUDY) == 0
    assert counts(door) == (1, 1, 1, 1)
    assert kinds(door) == ["instance_stored", "instances_deleted", "instance_stored"]


def test_another_data_set_stored_meanwhile_stays_current_when_the_deleted_one_comes_back(door: Any) -> None:
    old, new = make(1), make(1, AccessionNumber="OTHER")
    (first,) = put(door, old)
    delete(door, study_uid=STUDY)
    put(door, new)
    assert undelete(door, study_uid=STUDY) == 1
    assert get(door, 1) == new
    assert get(door, 1, version=first.instance.version) == old


def test_of_two_deleted_copies_of_one_data_set_one_comes_back(door: Any) -> None:
    for _ in range(2):
        put(door, make(1))
        delete(door, study_uid=STUDY)
    assert undelete(door, study_uid=STUDY) == 1
    assert counts(door) == (1, 1, 1, 1)


def test_all_versions_are_deleted_and_come_back_in_their_order(door: Any) -> None:
    old, new = make(1), make(1, AccessionNumber="OTHER", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4")
    (first,) = put(door, old, store="both")
    put(door, new, store="both")
    assert delete(door, "both", study_uid="1.2.3").deleted_count == 2
    assert counts(door, "both") == (0, 0, 0, 2)
    assert undelete(door, "both", study_uid="1.2.3") == 2
    assert counts(door, "both") == (1, 1, 1, 1)
    assert get(door, 1, store="both") == new
    assert get(door, 1, store="both", version=first.instance.version) == old
    moved = [entry.instances_deleted for entry in entries(door) if entry.HasField("instances_deleted")]
    assert sorted((one.study_uid, len(one.instances)) for one in moved) == [("1.2.3", 1), (STUDY, 1)]


def test_a_large_delete_makes_entries_of_a_thousand(door: Any) -> None:
    put(door, *(make(number, rows=1, cols=1) for number in range(1001)))
    position = statistics(door).head_position
    assert delete(door, study_uid=STUDY).deleted_count == 1001
    told = [entry.instances_deleted for entry in entries(door, position)]
    assert [len(one.instances) for one in told] == [1000, 1]
    assert {name.sop_instance_uid for one in told for name in one.instances} == {uid(number) for number in range(1001)}
    assert undelete(door, study_uid=STUDY) == 1001


def test_after_the_grace_period_nothing_comes_back_and_the_bytes_are_gone(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, make(1), make(2))
    delete(door, sop_instance_uids=[uid(1)])
    clock.advance(GRACE // 2)
    rig.archive.upkeep.look()
    assert objects_left(rig) == 2
    clock.advance(GRACE)
    with refused(Reason.NOTHING_DELETED):
        undelete(door, sop_instance_uids=[uid(1)])
    rig.archive.upkeep.look()
    assert objects_left(rig) == 1
    assert counts(door) == (1, 1, 1, 0)
    with refused(Reason.INSTANCE_NOT_FOUND):
        delete(door, sop_instance_uids=[uid(1)])
    stored = [entry.instance_stored for entry in entries(door) if entry.HasField("instance_stored")]
    omitted = {one.instance.sop_instance_uid: one.header_omitted for one in stored}
    assert omitted == {uid(1): feed_pb2.HEADER_OMITTED_PURGED, uid(2): feed_pb2.HEADER_OMITTED_UNSPECIFIED}
    assert not next(one for one in stored if one.instance.sop_instance_uid == uid(1)).dicom_json


def test_a_purged_study_leaves_no_attributes(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, make(1))
    door.SealStudyAttributes(pb.SealStudyAttributesRequest(study_uid=STUDY, attributes={"accession": "A1"}))
    door.UpdateStudyAttributes(pb.UpdateStudyAttributesRequest(study_uid=STUDY, set={"trial": "t"}))
    delete(door, study_uid=STUDY)
    clock.advance(2 * GRACE)
    rig.archive.upkeep.look()
    assert rig.sidecars.read("default", STUDY) is None
    put(door, make(1))
    study = door.GetStudy(pb.GetStudyRequest(study_uid=STUDY)).study
    assert not study.attributes
    assert not study.sealed_keys


def put_the_first_last(door: Any) -> tuple[Any, Any, bytes]:
    """Two versions of one instance: the one that began to come in first is committed last, and returned first."""
    slow, quick = make(1), make(1, AccessionNumber="OTHER")
    answers = send(door, [chunk(1, slow[:4000], 0, False), chunk(2, quick), chunk(1, slow[4000:], 4000)], "both")
    return answers[1].instance, answers[2].instance, slow


def test_the_version_that_was_committed_last_is_current_again_after_an_undelete(door: Any) -> None:
    last, _, data = put_the_first_last(door)
    assert get(door, 1, store="both") == data
    delete(door, "both", study_uid=STUDY)
    assert undelete(door, "both", study_uid=STUDY) == 2
    assert get(door, 1, store="both") == data
    assert get(door, 1, store="both", version=last.version) == data


def test_of_two_deleted_versions_that_are_the_same_the_one_committed_last_comes_back(door: Any, rig: Rig) -> None:
    data = make(1)
    put(door, data, store="both")
    delete(door, "both", study_uid=STUDY)
    (last,) = put(door, data, store="both")
    delete(door, "both", study_uid=STUDY)
    with rig.catalogue.transaction() as changes:
        # As if the bytes of the last had begun to come in before those of the first.
        changes._db.execute("UPDATE instance SET sequence = 100 - sequence")
    assert undelete(door, "both", study_uid=STUDY) == 1
    with refused(Reason.INSTANCE_NOT_FOUND):
        get(door, 1, store="both", version=last.instance.version)


def test_versions_are_listed_in_the_order_they_were_committed_in_whatever_the_page_size(door: Any) -> None:
    last, first, _ = put_the_first_last(door)
    found: list[str] = []
    token = ""
    while True:
        answer = door.ListInstances(
            pb.ListInstancesRequest(store="both", study_uid=STUDY, show_all=True, page_size=1, page_token=token)
        )
        found += [one.version for one in answer.instances]
        if not (token := answer.next_page_token):
            break
    assert found == [first.version, last.version]


def test_a_study_of_older_versions_alone_is_deleted_and_the_current_ones_elsewhere_stay(door: Any) -> None:
    new = make(1, AccessionNumber="OTHER", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4")
    (first,) = put(door, make(1), store="both")
    put(door, new, store="both")
    assert delete(door, "both", study_uid=STUDY).deleted_count == 1
    assert get(door, 1, store="both") == new
    with refused(Reason.INSTANCE_NOT_FOUND):
        get(door, 1, store="both", version=first.instance.version)
    assert undelete(door, "both", study_uid=STUDY) == 1
    assert get(door, 1, store="both") == new


def test_an_object_that_cannot_be_removed_holds_up_no_other(door: Any, rig: Rig, clock: Clock) -> None:
    put(door, make(1), make(2), make(3))
    delete(door, study_uid=STUDY)
    clock.advance(2 * GRACE)
    rig.objects.stuck = 1
    rig.archive.upkeep.look()
    assert objects_left(rig) == 1
    rig.objects.stuck = 0
    rig.archive.upkeep.look()
    assert objects_left(rig) == 0
    with rig.catalogue.snapshot() as snapshot:
        assert snapshot.unlinkable(0, 10) == []


def test_a_sidecar_that_cannot_be_removed_is_removed_later(
    door: Any, rig: Rig, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(store: str, study_uid: str) -> None:
        raise OSError(errno.EIO, "broken")

    put(door, make(1), make(2, StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4"))
    door.UpdateStudyAttributes(pb.UpdateStudyAttributesRequest(study_uid=STUDY, set={"trial": "t"}))
    delete(door, study_uid=STUDY)
    delete(door, study_uid="1.2.3")
    clock.advance(2 * GRACE)
    with monkeypatch.context() as patch:
        patch.setattr(rig.sidecars, "remove", fail)
        rig.archive.upkeep.look()
    assert objects_left(rig) == 0
    assert rig.sidecars.read("default", STUDY) is not None
    rig.archive.upkeep.look()
    assert rig.sidecars.read("default", STUDY) is None


def test_a_store_that_fails_in_upkeep_holds_up_no_other(
    door: Any, rig: Rig, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    purge = rig.archive.deleting.purge_expired

    def fail(policy: Any) -> int:
        if policy.name == "both":
            raise ZeroDivisionError
        return purge(policy)

    for name in ("both", "patient"):
        put(door, make(1), store=name)
        delete(door, name, study_uid=STUDY)
    clock.advance(2 * GRACE)
    monkeypatch.setattr(rig.archive.deleting, "purge_expired", fail)
    rig.archive.upkeep.look()
    assert counts(door, "both")[3] == 1
    assert counts(door, "patient")[3] == 0


def test_upkeep_drops_what_was_set_aside_at_a_start_a_week_ago(rig: Rig, tmp_path: Path, clock: Clock) -> None:
    orphan = tmp_path / "state" / "stores" / "default" / "orphans" / "000000000001.dcm"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"never committed")
    day = 86_400_000_000
    clock.now = time.time_ns() // 1000 + 6 * day
    rig.archive.upkeep.look()
    assert orphan.exists()
    clock.advance(2 * day)
    rig.archive.upkeep.look()
    assert orphan.exists() != (rig.state is not None and isinstance(rig.state.objects, FileObjects))


def test_upkeep_goes_on_even_if_its_failures_cannot_be_logged(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = threading.Semaphore(0)

    def fail(policy: Any, now_us: int) -> None:
        looked.release()
        raise ZeroDivisionError

    def full(error: Exception) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("diana_archive.core.upkeep._TICK_SECONDS", 0.001)
    monkeypatch.setattr(rig.archive.completing, "complete_quiet", fail)
    monkeypatch.setattr(rig.archive.upkeep._meter, "failed", full)
    rig.archive.upkeep.start()
    assert all(looked.acquire(timeout=30) for _ in range(3))
