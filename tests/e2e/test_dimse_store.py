"""C-STORE to a live mesh: what is refused and how, who may send, and what is known of a study at the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from diana.archive.v1.feed_pb2 import CompletionReason
from diana_dimse.network.faults import Rejected
from tests.support.dicom_files import ROOT, make_small
from tests.support.dimse_door import PRIVATE_CLASS, SECONDS, Door, running_door, study_of
from tests.support.dimse_sender import SUCCESS, Object, Sender, data_set_of, send

CONFLICT, OTHER_INSTANCE, NO_UID, NOT_UNDERSTOOD = 0x0111, 0xA900, 0x0117, 0xC000


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with running_door(tmp_path_factory.mktemp("mesh")) as door:
        yield door


def test_another_data_set_under_the_same_uid_is_a_duplicate(door: Door) -> None:
    uid = f"{ROOT}.79.1"
    one, other = (make_small(SOPInstanceUID=uid, StudyID=text) for text in ("A", "B"))
    assert send(door.address, [one, one, other]) == [SUCCESS, SUCCESS, CONFLICT]
    assert door.stored(uid) == data_set_of(one)


def test_another_instance_than_the_command_says_is_not_stored(door: Door) -> None:
    one = Object.of(make_small(SOPInstanceUID=f"{ROOT}.79.2"))
    with Sender(door.address, [one]) as sender:
        assert sender.store(one, uid=f"{ROOT}.79.3") == OTHER_INSTANCE
        assert sender.store(replace(one, sop_instance_uid="no uid")) == NO_UID
        assert sender.store(one) == SUCCESS


@pytest.mark.parametrize("garbage", [b"", b"\0" * 1000, bytes(range(256)) * 300, b"no data set at all"])
def test_garbage_is_not_understood(door: Door, garbage: bytes) -> None:
    one = Object.of(make_small(SOPInstanceUID=f"{ROOT}.79.4"))
    with Sender(door.address, [one]) as sender:
        assert sender.store(one, data=[garbage]) == NOT_UNDERSTOOD
        cut = one.data_set[:-7]
        assert sender.store(one, data=[cut]) == NOT_UNDERSTOOD


def test_a_private_sop_class_is_stored_where_it_is_named(door: Door) -> None:
    file = make_small(SOPInstanceUID=f"{ROOT}.79.5", SOPClassUID=PRIVATE_CLASS)
    one = Object.of(file)
    with Sender(door.address, [one]) as sender:
        assert sender.context_for(one) is None
    assert send(door.address, [file], called="PRIVATE") == [SUCCESS]
    assert door.stored(f"{ROOT}.79.5") == one.data_set


@pytest.mark.parametrize(
    ("called", "calling", "reason"),
    [("NOBODY", "CT1", 7), ("TRIAL", "STRANGER", 3), ("TRIAL", "FAR", 3), ("DIANA", "FAR", 3)],
)
def test_unknown_titles_and_addresses_are_rejected(door: Door, called: str, calling: str, reason: int) -> None:
    with pytest.raises(Rejected) as raised:
        Sender(door.address, [Object.of(make_small())], called=called, calling=calling)
    assert (raised.value.result, raised.value.source, raised.value.reason) == (1, 1, reason)


def test_a_title_that_only_echoes_takes_nothing(door: Door) -> None:
    one = Object.of(make_small())
    with Sender(door.address, [one], called="ECHO") as sender:
        assert sender.context_for(one) is None


def test_a_study_is_complete_by_the_end_of_its_association_and_has_its_attributes(door: Door) -> None:
    files = study_of(7, 4)
    assert send(door.address, files, called="TRIAL", calling="CT1") == [SUCCESS] * 4
    completed = door.completed(f"{ROOT}.77.7", "trial")
    assert completed.reason == CompletionReason.COMPLETION_REASON_ASSOCIATION_RELEASED
    assert (completed.instance_count, dict(completed.attributes)) == (4, {"trial": "atlas"})
    [evidence] = [one.session_ended for one in completed.evidence if one.HasField("session_ended")]
    assert (evidence.released, evidence.instance_count) == (True, 4)


def test_a_study_whose_association_broke_is_complete_only_when_it_is_quiet(door: Door) -> None:
    objects = [Object.of(one) for one in study_of(8, 2)]
    sender = Sender(door.address, objects, called="BROKEN")
    assert sender.store(objects[0]) == SUCCESS
    sender.association.abort()
    completed = door.completed(f"{ROOT}.77.8", "broken")
    assert completed.reason == CompletionReason.COMPLETION_REASON_QUIET_PERIOD
    assert completed.instance_count == 1


def test_three_hundred_associations_overlap(door: Door) -> None:
    studies = [[Object.of(file) for file in study_of(5000 + one, 3)] for one in range(300)]
    everyone = threading.Barrier(len(studies))
    statuses: list[int] = []

    def work(objects: list[Object]) -> None:
        with Sender(door.address, objects) as sender:
            everyone.wait(SECONDS)
            statuses.extend(sender.store(one) for one in objects)

    workers = [threading.Thread(target=work, args=(one,)) for one in studies]
    for one in workers:
        one.start()
    for one in workers:
        one.join(2 * SECONDS)
    assert statuses == [SUCCESS] * 900
