"""What an operation proves: a receipt for each instance that is stored, and a place for each that is held back."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from diana_anon.core.planning.tables import EDITION, Option
from diana_anon.core.ports import InstanceKey, ReceiptKey
from diana_anon.core.profile import PixelPolicy, Profile
from diana_anon.core.proof.quarantine import Entry, Why
from diana_anon.core.proof.receipts import Receipt
from diana_common.errors import DianaError, Reason
from diana_common.uidmap import map_uid
from tests.unit.anon.study_bench import KEY, STUDY, Cancelled, MemoryWork, StudyBench, instance, job, sop_uid

CLEANING = Profile("default", frozenset({Option.CLEAN_PIXEL_DATA}))
NEW_STUDY = map_uid(KEY, STUDY)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[StudyBench]:
    bench = StudyBench(tmp_path, CLEANING)
    bench.archive.put(*(instance(number) for number in (1, 2, 3)))
    yield bench
    bench.close()


def receipts(bench: StudyBench, operation: str = "operations/anon-1") -> dict[str, Receipt]:
    """An operation's receipts by the SOP Instance UIDs they are about."""
    return {one.said["sop_instance_uid"]: one for one in bench.ledger.instances(operation)}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_every_instance_that_is_stored_has_a_receipt_of_what_was_done(bench: StudyBench) -> None:
    bench.studies.run(job(), MemoryWork())
    found = receipts(bench)
    stored = bench.archive.stores["deid"]
    assert set(found) == set(stored)
    source = bench.archive.stores["default"][sop_uid(2)]
    receipt = found[map_uid(KEY, sop_uid(2))]
    said = receipt.said
    assert (said["source_sha256"], said["result_sha256"]) == (sha256(source), sha256(stored[said["sop_instance_uid"]]))
    assert said["study_uid"] == NEW_STUDY
    assert (said["profile"], said["profile_sha256"]) == ("default", bench.procedure.digest)
    assert (said["type"], said["standard"]) == ("diana.deidentification.v1", f"PS3.15 {EDITION}")
    assert "113100" in said["methods"]
    assert (said["pixels"], said["scan"]) == (None, "clean")
    assert said["actions_sha256"] == sha256(receipt.actions)
    assert ["(0010,0020)", "identity"] in json.loads(receipt.actions)
    assert receipt.signature == hashlib.sha512(receipt.statement).digest()
    assert receipt.statement == json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def test_a_receipt_says_nothing_of_what_the_values_were(bench: StudyBench) -> None:
    bench.studies.run(job(), MemoryWork())
    for receipt in receipts(bench).values():
        for text in (b"PHANTOM", STUDY.encode()):
            assert text not in receipt.statement + receipt.actions


def test_receipts_are_durable_before_the_mark_says_that_their_instances_are_done(bench: StudyBench) -> None:
    work, seen = MemoryWork(), []

    def check(state: bytes) -> None:
        seen.append((json.loads(state)["stored"], len(receipts(bench))))

    work.checkpoint = check  # type: ignore[method-assign]
    bench.studies.run(job(), work)
    assert seen
    assert all(stored <= kept for stored, kept in seen)
    assert seen[-1] == (3, 3)


def pending(bench: StudyBench) -> set[str]:
    return {one.sop_instance_uid for shipment in bench.ledger.on_the_way() for one in shipment.results}


def test_a_receipt_is_durable_before_its_instance_is_sent(bench: StudyBench, tmp_path: Path) -> None:
    def check(uid: str) -> None:
        with closing(sqlite3.connect(tmp_path / "proof.sqlite")) as other:
            found = other.execute("SELECT bound_for FROM receipt WHERE sop_instance_uid = ?", (uid,)).fetchall()
        assert found == [("deid",)]

    bench.archive.after_store = check
    bench.studies.run(job(), MemoryWork())
    assert len(bench.archive.stores["deid"]) == 3
    assert not pending(bench)


def test_what_is_on_its_way_when_the_work_is_cancelled_is_heard_of_to_the_end(bench: StudyBench) -> None:
    work = MemoryWork()

    def cancel(count: int) -> None:
        work.stop = True

    bench.archive.after_upload = cancel
    with pytest.raises(Cancelled):
        bench.studies.run(job(), work)
    assert set(bench.archive.stores["deid"]) == set(receipts(bench))
    assert len(receipts(bench)) == 1


def killed_after(bench: StudyBench, count: int) -> MemoryWork:
    """An operation whose process dies when so many instances are stored, of the last of which it does not hear."""
    work = MemoryWork()

    def die(uid: str) -> None:
        if len(bench.archive.stores["deid"]) == count:
            raise Cancelled

    bench.archive.after_store = die
    with pytest.raises(Cancelled):
        bench.studies.run(job(), work)
    bench.archive.after_store = lambda uid: None
    return work


def test_what_a_crash_left_stored_has_its_receipt_and_is_settled_by_asking_the_target(bench: StudyBench) -> None:
    killed_after(bench, 2)
    stored = set(bench.archive.stores["deid"])
    assert len(stored) == 2
    assert stored <= set(receipts(bench)) | pending(bench)
    assert pending(bench) & stored
    assert all(bench.ledger.newest(uid).pending for uid in pending(bench))
    bench.arrivals.settle()
    assert set(receipts(bench)) == stored
    assert not pending(bench) & stored


def test_a_target_that_is_away_or_has_other_bytes_leaves_receipts_pending(bench: StudyBench) -> None:
    killed_after(bench, 1)
    before = pending(bench)
    bench.archive.away = 10**6
    bench.archive.instances = failing  # type: ignore[method-assign]
    with pytest.raises(DianaError):
        bench.arrivals.settle()
    del bench.archive.instances
    (uid,) = bench.archive.stores["deid"]
    bench.archive.stores["deid"][uid] += bytes(2)
    bench.arrivals.settle()
    assert pending(bench) == before
    bench.archive.stores["deid"].clear()
    bench.arrivals.settle()
    assert pending(bench) == before


def failing(store: str, study_uid: str) -> Iterator[InstanceKey]:
    raise DianaError(Reason.PEER_UNAVAILABLE, "The archive does not answer.")


def test_after_a_crash_the_receipt_of_what_is_stored_outlives_another_source_under_its_uid(bench: StudyBench) -> None:
    work = killed_after(bench, 1)
    (stored,) = bench.archive.stores["deid"]
    bench.archive.put(*(instance(number, Manufacturer="ANOTHER") for number in (1, 2, 3)))
    bench.studies.run(job(), work.again())
    bench.arrivals.settle()
    assert set(receipts(bench)) == set(bench.archive.stores["deid"])
    result = receipts(bench)[stored].said["result_sha256"]
    assert result == sha256(bench.archive.stores["deid"][stored])


def test_an_instance_that_the_target_refuses_has_none(bench: StudyBench) -> None:
    bench.studies.run(job(), MemoryWork())
    bench.archive.put(instance(3, Manufacturer="ANOTHER"))
    bench.studies.run(job(), MemoryWork(operation="operations/anon-2"))
    assert len(receipts(bench, "operations/anon-2")) == 2


def test_of_several_receipts_the_newest_is_answered_and_each_result_has_its_own(bench: StudyBench) -> None:
    bench.studies.run(job(), MemoryWork())
    bench.archive.stores["deid"].clear()
    bench.archive.put(instance(3, Manufacturer="ANOTHER"))
    bench.studies.run(job(), MemoryWork(operation="operations/anon-2"))
    uid = map_uid(KEY, sop_uid(3))
    first, second = receipts(bench)[uid], receipts(bench, "operations/anon-2")[uid]
    assert bench.ledger.newest(uid) == second != first
    assert bench.ledger.of_result(first.said["result_sha256"]) == first
    with pytest.raises(DianaError) as caught:
        bench.ledger.newest("1.2.3")
    assert caught.value.reason is Reason.RECEIPT_NOT_FOUND
    by_study = bench.ledger.receipts(NEW_STUDY, "", ReceiptKey(), 100)
    assert [key.sop_instance_uid for key, _ in by_study] == sorted([*receipts(bench)] * 2)


def test_an_instance_done_again_in_the_same_operation_has_one_receipt(bench: StudyBench) -> None:
    bench.studies.run(job(), MemoryWork())
    bench.studies.run(job(), MemoryWork())
    assert len(list(bench.ledger.instances("operations/anon-1"))) == 3


def test_doubtful_pixels_go_to_quarantine_and_the_others_go_out(bench: StudyBench) -> None:
    in_doubt(bench, sop_uid(2))
    work = MemoryWork()
    outcome = bench.studies.run(job(), work)
    assert (outcome.stored, outcome.failed, outcome.quarantined, outcome.completed) == (2, 1, 1, False)
    assert work.failures == [(sop_uid(2), Reason.INSTANCE_QUARANTINED)]
    (entry,) = entries(bench)
    assert (entry.held.why, entry.held.detail) == (Why.DOUBTFUL_PIXELS, "frame 1: columns 0-9")
    assert (entry.held.source_store, entry.held.study_uid, entry.held.sop_instance_uid) == (
        "default",
        STUDY,
        sop_uid(2),
    )
    assert entry.held.source_sha256 == sha256(bench.archive.stores["default"][sop_uid(2)])


def test_what_somebody_has_looked_at_goes_out_next_time_and_its_receipt_says_so(bench: StudyBench) -> None:
    in_doubt(bench, sop_uid(2))
    bench.studies.run(job(), MemoryWork())
    (entry,) = entries(bench)
    (released,) = bench.quarantine.release([entry.id], "Dr. Look")
    assert (released.number, released.released_by) == (entry.number, "Dr. Look")
    assert not entries(bench)
    again = MemoryWork(operation="operations/anon-2")
    assert bench.studies.run(job(), again).completed
    scans = {uid: one.said["scan"] for uid, one in receipts(bench, "operations/anon-2").items()}
    assert scans.pop(map_uid(KEY, sop_uid(2))) == {"released": "Dr. Look"}
    assert set(scans.values()) == {"clean"}


def test_a_release_holds_for_these_bytes_only(bench: StudyBench) -> None:
    in_doubt(bench, sop_uid(2))
    bench.studies.run(job(), MemoryWork())
    bench.quarantine.release([entries(bench)[0].id], "Dr. Look")
    bench.archive.put(instance(2, Manufacturer="ANOTHER"))
    assert bench.studies.run(job(), MemoryWork(operation="operations/anon-2")).quarantined == 1


def test_pixels_that_cannot_be_read_are_held_back_for_that(bench: StudyBench) -> None:
    bench.pixels.refusals[sop_uid(1)] = lambda policy: DianaError(Reason.PIXELS_UNREADABLE, "the pixels are damaged")
    work = MemoryWork()
    bench.studies.run(job(), work)
    assert work.failures == [(sop_uid(1), Reason.PIXELS_UNREADABLE)]
    assert [one.held.why for one in entries(bench)] == [Why.PIXELS_UNREADABLE]
    bench.quarantine.release([entries(bench)[0].id], "Dr. Look")
    assert bench.studies.run(job(), MemoryWork(operation="operations/anon-2")).completed


def test_without_a_reader_of_text_nothing_is_quarantined(bench: StudyBench) -> None:
    bench.pixels.refusals[sop_uid(1)] = lambda policy: DianaError(Reason.OCR_MISSING, "is not installed")
    work = MemoryWork()
    bench.studies.run(job(), work)
    assert work.failures == [(sop_uid(1), Reason.OCR_MISSING)]
    assert not entries(bench)


def test_an_identifier_left_in_the_result_holds_it_back(bench: StudyBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diana_anon.core.studies.case.leaks", lambda *_: ("(0008,1030)",))
    work = MemoryWork()
    outcome = bench.studies.run(job(), work)
    assert (outcome.stored, outcome.quarantined) == (0, 3)
    assert not bench.archive.stores["deid"]
    assert {(one.held.why, one.held.detail) for one in entries(bench)} == {(Why.IDENTIFIER_LEFT, "(0008,1030)")}


def test_an_instance_held_back_twice_in_one_operation_is_one_entry(bench: StudyBench) -> None:
    in_doubt(bench, sop_uid(2))
    bench.studies.run(job(), MemoryWork())
    bench.studies.run(job(), MemoryWork())
    assert len(entries(bench)) == 1
    bench.studies.run(job(), MemoryWork(operation="operations/anon-2"))
    assert [one.held.operation for one in entries(bench)] == ["operations/anon-1", "operations/anon-2"]
    assert len(bench.quarantine.entries("operations/anon-2", True, 0, 10)) == 1


def test_an_entry_is_released_by_the_first_characters_of_its_id_if_no_other_begins_so(bench: StudyBench) -> None:
    for uid in (sop_uid(1), sop_uid(2)):
        in_doubt(bench, uid)
    bench.studies.run(job(), MemoryWork())
    one, other = (entry.id for entry in entries(bench))
    with pytest.raises(DianaError, match="2 entries begin with") as caught:
        bench.quarantine.release(["", other], "Dr. Look")
    assert caught.value.reason is Reason.INVALID_FIELD
    assert len(entries(bench)) == 2
    shared = next(length for length in range(1, 33) if one[:length] != other[:length])
    (released,) = bench.quarantine.release([one[:shared]], "Dr. Look")
    assert released.id == one
    assert [entry.id for entry in entries(bench)] == [other]


def test_an_unknown_entry_releases_none(bench: StudyBench) -> None:
    in_doubt(bench, sop_uid(2))
    bench.studies.run(job(), MemoryWork())
    with pytest.raises(DianaError) as caught:
        bench.quarantine.release([entries(bench)[0].id, "none"], "Dr. Look")
    assert caught.value.reason is Reason.QUARANTINE_ENTRY_NOT_FOUND
    assert len(entries(bench)) == 1


def in_doubt(bench: StudyBench, uid: str) -> None:
    """Text is in doubt on one instance, unless every confidence will do."""

    def refusal(policy: PixelPolicy) -> DianaError | None:
        if policy.quarantine_below == 0:
            return None
        detail = {"detail": "frame 1: columns 0-9"}
        return DianaError(Reason.INSTANCE_QUARANTINED, "the pixels are in doubt", metadata=detail)

    bench.pixels.refusals[uid] = refusal


def entries(bench: StudyBench) -> list[Entry]:
    return bench.quarantine.entries("", False, 0, 100)
