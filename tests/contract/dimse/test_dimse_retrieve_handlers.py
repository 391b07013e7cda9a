"""C-MOVE and C-GET over associations: counts, statuses, cancellation, destinations that fail. The archive is a fake."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace

import pytest

from diana_common.errors import DianaError, Reason
from diana_dimse.core.entities import Directory, LocalEntity, PeerEntity
from diana_dimse.core.intake.receiving import Piece
from diana_dimse.core.outbound.peering import Correspondent
from diana_dimse.core.sending.selection import Selecting, StoredInstance
from diana_dimse.core.sending.sender import Converted, Sender
from diana_dimse.core.sop_classes import PATIENT_ROOT_GET, PATIENT_ROOT_MOVE, VERIFICATION
from diana_dimse.handlers.getting import GetHandler
from diana_dimse.handlers.moving import MoveHandler
from diana_dimse.handlers.session import Session
from diana_dimse.network.commands import CommandSet, Operation, request, response
from diana_dimse.network.faults import AssociationEnded
from diana_dimse.network.opening import Remote
from diana_dimse.network.storing import StorageCaller
from tests.contract.dimse.finding_door import TITLE, open_door
from tests.contract.dimse.retrieving_door import (
    MESSAGE_ID,
    Destination,
    ask,
    cancel,
    destination_door,
    get,
    getting,
    move,
    moving,
    send_identifier,
    study,
)
from tests.support.kept_instances import CT, EXPLICIT, IMPLICIT, MR, KeptInstances, Places, data_set_of, stored

STUDY = [f"1.{number}" for number in range(6)]


class NoTranscoder:
    """Converts nothing."""

    def convert(
        self, instance: StoredInstance, pieces: Iterable[Piece], transfer_syntax: str
    ) -> AbstractContextManager[Converted]:
        raise DianaError(Reason.PIXELS_UNREADABLE, "cannot be done")


@dataclass
class Doors:
    """The door that is asked, what it reads from, and where it sends to."""

    port: int
    reading: KeptInstances
    destination: Destination

    def reset(self) -> None:
        """As they were made."""
        kept = [*map(stored, STUDY), stored("9.1", MR, study="9"), stored("9.2", study="9")]
        self.reading.kept, self.reading.refusal = kept, None
        self.reading.damaged, self.reading.deleted = {}, set()
        self.destination.__init__()  # type: ignore[misc]


@pytest.fixture(scope="module")
def opened() -> Iterator[Doors]:
    reading, destination = KeptInstances([]), Destination()
    with destination_door(destination) as port:
        peers = [
            PeerEntity("dest", "DEST", "127.0.0.1", port),
            PeerEntity("stranger", "STRANGER", "127.0.0.1", port),
            PeerEntity("closed", "CLOSED", "127.0.0.1", 1),
            PeerEntity("caller", "TESTER"),
        ]
        remotes = {one.name: Remote(one.host, one.port, network_seconds=2) for one in peers if one.host}
        correspondents = {one.name: Correspondent(one, "OURSELVES") for one in peers}
        selecting = Selecting(reading, Places({"P1": ["9"]}, {"9.1": "9"}))
        sender = Sender(reading, NoTranscoder())
        directory = Directory([LocalEntity(TITLE)], peers)
        mover = MoveHandler(selecting, sender, StorageCaller(remotes), directory, correspondents)
        with open_door({Operation.C_GET: GetHandler(selecting, sender), Operation.C_MOVE: mover}) as asked:
            yield Doors(asked, reading, destination)


@pytest.fixture
def doors(opened: Doors) -> Doors:
    opened.reset()
    return opened


def test_a_study_is_got_over_the_same_association(doors: Doors) -> None:
    with getting(doors.port, {CT: [EXPLICIT]}) as association:
        result = get(association, study("1.2"))
        assert (result.status, result.completed, result.failed, result.warnings) == (0, 6, 0, 0)
        assert result.remaining is None and result.failed_uids == []
        assert result.got == {uid: data_set_of(uid) for uid in STUDY}
        assert get(association, study("1.2")).completed == 6  # and again


def test_nothing_that_matches_is_a_success_without_sub_operations(doors: Doors) -> None:
    with getting(doors.port, {CT: [EXPLICIT]}) as association:
        result = get(association, study("7"))
    assert (result.status, result.completed, result.failed) == (0, 0, 0)


def test_what_the_requestor_refuses_is_counted_and_listed(doors: Doors) -> None:
    def answer(command: CommandSet, data: bytes) -> int:
        return {"1.1": 0xA700, "1.3": 0xB000}.get(command.affected_sop_instance_uid or "", 0)

    with getting(doors.port, {CT: [EXPLICIT]}) as association:
        result = get(association, study("1.2"), answer)
    assert (result.status, result.completed, result.failed, result.warnings) == (0xB000, 4, 1, 1)
    assert result.failed_uids == ["1.1"]


def test_where_all_fail_the_status_says_so(doors: Doors) -> None:
    with getting(doors.port, {CT: [EXPLICIT]}) as association:
        result = get(association, study("1.2"), lambda command, data: 0xC000)
    assert (result.status, result.completed, result.failed) == (0xA702, 0, 6)
    assert result.comment == "refused with status C000"
    assert sorted(result.failed_uids) == STUDY


def test_classes_and_syntaxes_without_a_context_fail_alone(doors: Doors) -> None:
    with getting(doors.port, {CT: [EXPLICIT]}) as association:
        result = get(association, study("9"))
        assert (result.status, result.completed, result.failed_uids) == (0xB000, 1, ["9.1"])
        assert result.comment == "SOP Class not accepted"
    with getting(doors.port, {CT: [IMPLICIT], MR: [EXPLICIT]}) as association:
        result = get(association, study("9"))
        assert (result.status, result.completed, result.failed_uids) == (0xB000, 1, ["9.2"])


def test_a_get_can_be_cancelled(doors: Doors) -> None:
    with getting(doors.port, {CT: [EXPLICIT]}) as association:
        result = get(association, study("1.2"), cancel_after=2)
        assert (result.status, result.completed, result.remaining) == (0xFE00, 2, 4)
        assert get(association, study("1.2")).status == 0


def test_what_the_archive_cannot_read_fails_alone(doors: Doors) -> None:
    doors.reading.damaged, doors.reading.deleted = {"1.2": 0}, {"1.4"}
    with getting(doors.port, {CT: [EXPLICIT]}) as association:
        result = get(association, study("1.2"))
    assert (result.status, result.completed, sorted(result.failed_uids)) == (0xB000, 4, ["1.2", "1.4"])


def test_an_archive_that_does_not_answer_is_told_of(doors: Doors) -> None:
    doors.reading.refusal = Reason.PEER_UNAVAILABLE
    with getting(doors.port, {CT: [EXPLICIT]}) as association:
        result = get(association, study("1.2"))
        assert (result.status, result.comment) == (0xA701, "PEER_UNAVAILABLE")
        doors.reading.refusal = None
        assert get(association, study("1.2")).status == 0


def test_identifiers_that_do_not_match_the_model_are_refused(doors: Doors) -> None:
    with getting(doors.port, {CT: [EXPLICIT]}) as association:
        for wrong in (study("1.2", level=["PATIENT"]), study(level=["SERIES"], series=["9.1"]), study()):
            assert get(association, wrong).status == 0xA900
        assert get(association, study("1.2")).status == 0


def test_relational_retrieval_where_it_was_negotiated(doors: Doors) -> None:
    with getting(doors.port, {CT: [EXPLICIT]}, extended=b"\1") as association:
        assert get(association, study(level=["IMAGE"], image=["1.1", "9.2"])).completed == 2
        assert get(association, study(level=["SERIES"], series=["9.1"])).completed == 1


def test_the_patient_root_model(doors: Doors) -> None:
    with getting(doors.port, {CT: [EXPLICIT]}, PATIENT_ROOT_GET) as association:
        assert get(association, study(level=["PATIENT"], patient=["P1"])).completed == 1
        assert get(association, study("1.2", patient=["P1"])).completed == 0
    with moving(doors.port, PATIENT_ROOT_MOVE) as association:
        assert move(association, study(level=["PATIENT"], patient=["P1"])).completed == 2


def test_a_study_is_moved_and_each_instance_waited_for(doors: Doors) -> None:
    with moving(doors.port) as association:
        result = move(association, study("1.2"))
    assert (result.status, result.completed, result.failed, result.warnings) == (0, 6, 0, 0)
    sent = doors.destination.commands
    assert sorted(one.affected_sop_instance_uid or "" for one in sent) == STUDY
    assert {(one.move_originator_title, one.move_originator_message_id) for one in sent} == {("TESTER", MESSAGE_ID)}
    assert doors.destination.calling == {"OURSELVES"}


@pytest.mark.parametrize("title", ["NOWHERE", "TESTER", ""])
def test_a_destination_that_cannot_be_called_is_unknown(doors: Doors, title: str) -> None:
    with moving(doors.port) as association:
        result = move(association, study("1.2"), title)
        assert result.status == 0xA801
        assert move(association, study("1.2")).status == 0


@pytest.mark.parametrize("title", ["STRANGER", "CLOSED"])
def test_a_destination_that_refuses_us_or_is_not_there_fails_all(doors: Doors, title: str) -> None:
    with moving(doors.port) as association:
        result = move(association, study("1.2"), title)
    assert (result.status, result.completed, result.failed) == (0xA702, 0, 6)
    assert sorted(result.failed_uids) == STUDY


def test_a_destination_that_aborts_at_one_instance_gets_the_others(doors: Doors) -> None:
    def act(session: Session, command: CommandSet) -> int:
        if command.affected_sop_instance_uid == "1.3":
            session.association.abort()
        return 0

    doors.destination.act = act
    with moving(doors.port) as association:
        result = move(association, study("1.2"))
    assert (result.status, result.completed, result.failed_uids) == (0xB000, 5, ["1.3"])


def answers_something_else(session: Session, command: CommandSet) -> None:
    wrong = replace(command, message_id=(command.message_id or 0) + 1)
    session.association.send(1, response(wrong, 0))


def asks_in_turn(session: Session, command: CommandSet) -> None:
    session.association.send(1, request(Operation.C_ECHO, 1, affected_sop_class_uid=VERIFICATION))


def releases(session: Session, command: CommandSet) -> None:
    with suppress(AssociationEnded):
        session.association.release()


@pytest.mark.parametrize("misdeed", [answers_something_else, asks_in_turn, releases])
def test_a_destination_that_does_not_answer_properly_gets_the_others(
    doors: Doors, misdeed: Callable[[Session, CommandSet], None]
) -> None:
    def act(session: Session, command: CommandSet) -> int:
        if command.affected_sop_instance_uid == "1.3":
            misdeed(session, command)
        return 0

    doors.destination.act = act
    with moving(doors.port) as association:
        result = move(association, study("1.2"))
    assert (result.status, result.completed, result.failed_uids) == (0xB000, 5, ["1.3"])


@pytest.mark.parametrize("identifier", [b"", b"nothing of the kind", bytes(1000)])
def test_identifiers_that_are_none_are_refused(doors: Doors, identifier: bytes) -> None:
    with moving(doors.port) as association:
        send_identifier(association, identifier)
        answer = association.receive(10)
        assert answer is not None and answer.command.status in (0xA900, 0xC000)
        assert move(association, study("1.2")).status == 0


def test_a_destination_that_hangs_is_waited_for_only_so_long(doors: Doors) -> None:
    go = threading.Event()

    def act(session: Session, command: CommandSet) -> int:
        if command.affected_sop_instance_uid == "1.1":
            go.wait(20)
        return 0

    doors.destination.act = act
    try:
        with moving(doors.port) as association:
            result = move(association, study("1.2"))
    finally:
        go.set()
    assert (result.status, result.completed, result.failed_uids) == (0xB000, 5, ["1.1"])
    assert 5 in {one.remaining_suboperations for one in result.pending}


def test_a_move_can_be_cancelled_while_its_destination_hangs(doors: Doors) -> None:
    go = threading.Event()

    def act(session: Session, command: CommandSet) -> int:
        if command.affected_sop_instance_uid == "1.2":
            go.wait(20)
        return 0

    doors.destination.act = act
    try:
        with moving(doors.port) as association:
            result = move(association, study("1.2"), on_pending=lambda: cancel(association))
    finally:
        go.set()
    assert (result.status, result.completed, result.remaining) == (0xFE00, 2, 4)


def test_a_requestor_that_leaves_ends_the_sending(doors: Doors) -> None:
    going, left = threading.Event(), threading.Event()
    doors.reading.kept = [stored(f"1.{number}") for number in range(500)]
    doors.reading.ended.clear()

    def act(session: Session, command: CommandSet) -> int:
        going.set()
        left.wait(20)
        return 0

    doors.destination.act = act
    with suppress(AssociationEnded), moving(doors.port) as association:
        ask(association, Operation.C_MOVE, study("1.2"), "DEST")
        assert going.wait(20)
        association.abort()
    left.set()
    assert doors.reading.ended.wait(20)
    assert len(doors.destination.commands) < 500
    with moving(doors.port) as association:
        assert move(association, study("7")).status == 0
