"""C-ECHO, C-FIND, C-MOVE and C-GET as user, of a peer on a real socket that behaves well, oddly or badly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_dimse.adapters import calling, pacs
from diana_dimse.adapters.pacs import DicomPacs
from diana_dimse.adapters.spool import DiskSpool
from diana_dimse.core.intake.receiving import Budget, Kept, Limits, Origin, Receiving
from diana_dimse.core.outbound.arrivals import Arrivals
from diana_dimse.core.outbound.asking import Found, Inquiry, Match, found_study, inquiry
from diana_dimse.core.outbound.peering import Outcome
from diana_dimse.core.queries.finding import Level
from diana_dimse.core.sop_classes import STUDY_ROOT_FIND, VERIFICATION
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import CommandSet, Operation, request, response
from diana_dimse.network.faults import AssociationEnded
from diana_dimse.network.opening import Remote
from diana_dimse.network.pdus import Rejection
from diana_dimse.wire.datasets import decode, encode
from tests.support.dicom_files import ROOT, make_small
from tests.unit.dimse.scripted_peer import Script, ScriptedPeer

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDIES = inquiry(Level.STUDY, [Match("PatientName", ("Müller*",))])


def never() -> bool:
    return False


class FakeArchive:
    """Keeps what comes."""

    takes_files = False

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.origins: set[Origin] = set()
        self.refuses = False

    def upload(self, origin: Origin, data: bytes) -> Kept:
        if self.refuses:
            raise DianaError(Reason.DISK_FULL, "full")
        self.origins.add(origin)
        self.kept[f"{ROOT}.1.{len(self.kept)}"] = data
        return Kept("1.2", CT, "1.2.3")

    def upload_file(self, origin: Origin, name: str) -> Kept:
        raise NotImplementedError

    def adopt(self, origin: Origin, name: str) -> Kept:
        raise NotImplementedError


class Site:
    """What asks, and the archive behind it."""

    def __init__(self, folder: Path) -> None:
        self.archive, self.arrivals = FakeArchive(), Arrivals()
        limits = Limits(held_bytes=1 << 20, instance_bytes=1 << 20)
        self.receiving = Receiving(self.archive, DiskSpool(folder), Budget(1 << 24), Budget(1 << 24), limits)

    def pacs(self, peer: ScriptedPeer) -> DicomPacs:
        return DicomPacs({"pacs": peer.remote}, self.receiving, self.arrivals)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def answering(*data_sets: Mapping[str, Any], status: int = 0, pending: int = 0xFF00) -> Script:
    """A C-FIND's provider."""

    def script(association: Association, message: Message) -> None:
        context = message.context
        message.drain()
        for one in data_sets:
            data = encode(one, context.transfer_syntax, "ISO_IR 100")
            association.send(context.context_id, response(message.command, pending, has_data_set=True), [data])
        association.send(context.context_id, response(message.command, status))

    return script


def study(number: int) -> Mapping[str, Any]:
    return {
        "0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]},
        "00100010": {"vr": "PN", "Value": [_name("Müller^Jörg")]},
    }


def _name(text: str) -> Mapping[str, str]:
    return {"Alphabetic": text}


def echoed(status: int) -> Script:
    return lambda association, message: association.send(message.context.context_id, response(message.command, status))


def test_an_echo_is_answered_and_the_association_released(site: Site) -> None:
    with ScriptedPeer(c_echo=echoed(0)) as peer:
        assert 0 < site.pacs(peer).echo(peer.correspondent()) < 10
        peer.ended.acquire()
        assert peer.released == 1
        assert (peer.proposals[0].called, peer.proposals[0].calling) == ("PACS", "DIANA")


def test_an_echo_that_fails_tells_the_status(site: Site) -> None:
    with ScriptedPeer(c_echo=echoed(0x0122)) as peer, pytest.raises(DianaError) as refused:
        site.pacs(peer).echo(peer.correspondent())
    assert (refused.value.reason, refused.value.metadata["status"]) == (Reason.PEER_REFUSED, "0122")


def test_a_peer_that_does_not_know_us_rejects_the_association(site: Site) -> None:
    with ScriptedPeer() as peer:
        peer.rejection = Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED
        with pytest.raises(DianaError) as refused:
            site.pacs(peer).echo(peer.correspondent())
        assert refused.value.reason is Reason.ASSOCIATION_REJECTED
        assert refused.value.metadata == {"result": "1", "source": "1", "reason": "3"}


def test_a_peer_that_has_no_room_now_is_unavailable(site: Site) -> None:
    with ScriptedPeer() as peer:
        peer.rejection = Rejection.LOCAL_LIMIT_EXCEEDED
        with pytest.raises(DianaError) as refused:
            site.pacs(peer).echo(peer.correspondent())
        assert refused.value.reason is Reason.AE_UNAVAILABLE


def test_a_peer_without_the_sop_class_refuses_us(site: Site) -> None:
    with ScriptedPeer() as peer:
        peer.refused = frozenset({VERIFICATION})
        with pytest.raises(DianaError) as refused:
            site.pacs(peer).echo(peer.correspondent())
        assert refused.value.reason is Reason.ASSOCIATION_REJECTED


def test_a_peer_that_is_not_there_or_has_no_address_is_unavailable(site: Site) -> None:
    with ScriptedPeer() as peer:
        remote = peer.remote
    for remotes in ({"pacs": remote}, {}):
        with pytest.raises(DianaError) as refused:
            DicomPacs(remotes, site.receiving, site.arrivals).echo(peer.correspondent())
        assert refused.value.reason is Reason.AE_UNAVAILABLE


def test_answers_come_as_they_are_sent_in_any_character_set(site: Site) -> None:
    asked: list[Mapping[str, Any]] = []

    def script(association: Association, message: Message) -> None:
        asked.append(decode(message.read(1 << 16), message.context.transfer_syntax))
        answering(study(1), study(2), pending=0xFF01)(association, message)

    with ScriptedPeer(c_find=script) as peer:
        found = list(site.pacs(peer).find(peer.correspondent(), STUDIES, never))
    assert [one["00100010"]["Value"] for one in found] == [[_name("Müller^Jörg")]] * 2
    assert asked[0]["00080005"]["Value"] == ["ISO_IR 100"]
    assert asked[0]["00100010"]["Value"] == [_name("Müller*")]


def test_a_query_that_breaks_before_its_first_answer_is_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacs, "_PAUSE_SECONDS", 0.01)
    breaks = [True, True, False]

    def script(association: Association, message: Message) -> None:
        if breaks.pop(0):
            association.abort()
            message.drain()
        answering(study(1))(association, message)

    with ScriptedPeer(c_find=script) as peer:
        assert len(list(site.pacs(peer).find(peer.correspondent(attempts=3), STUDIES, never))) == 1
        assert len(peer.proposals) == 3


def test_a_query_that_breaks_after_an_answer_is_not(site: Site) -> None:
    def script(association: Association, message: Message) -> None:
        context = message.context
        data = encode(study(1), context.transfer_syntax)
        association.send(context.context_id, response(message.command, 0xFF00, has_data_set=True), [data])
        association.abort()

    with ScriptedPeer(c_find=script) as peer:
        answers = site.pacs(peer).find(peer.correspondent(), STUDIES, never)
        next(answers)
        with pytest.raises(DianaError) as broken:
            next(answers)
        assert broken.value.reason is Reason.AE_UNAVAILABLE
        assert len(peer.proposals) == 1


def test_a_query_that_fails_tells_the_status(site: Site) -> None:
    with ScriptedPeer(c_find=answering(study(1), status=0xA900)) as peer:
        answers = site.pacs(peer).find(peer.correspondent(), STUDIES, never)
        next(answers)
        with pytest.raises(DianaError) as refused:
            next(answers)
    assert (refused.value.reason, refused.value.metadata["status"]) == (Reason.PEER_REFUSED, "A900")


def endless(cancelled: list[int]) -> Script:
    """Answers until it is cancelled."""

    def script(association: Association, message: Message) -> None:
        context, command = message.context, message.command
        message.drain()
        data = encode(study(1), context.transfer_syntax)
        while not association.is_cancelled(command.message_id or 0):
            association.send(context.context_id, response(command, 0xFF00, has_data_set=True), [data])
        cancelled.append(1)
        association.send(context.context_id, response(command, 0xFE00))

    return script


def test_a_query_that_is_given_up_is_cancelled_and_the_association_released(site: Site) -> None:
    cancelled: list[int] = []
    with ScriptedPeer(c_find=endless(cancelled)) as peer:
        with closing(site.pacs(peer).find(peer.correspondent(), STUDIES, never)) as answers:
            assert [one for one, _ in zip(answers, range(3), strict=False)]
        peer.ended.acquire()
        assert (cancelled, peer.released) == ([1], 1)


def test_a_query_ends_when_it_is_to_be_cancelled(site: Site) -> None:
    cancelled: list[int] = []
    with ScriptedPeer(c_find=endless(cancelled)) as peer:
        some: list[object] = []
        for answer in site.pacs(peer).find(peer.correspondent(), STUDIES, lambda: len(some) >= 5):
            some.append(answer)
        peer.ended.acquire()
        assert (cancelled, peer.released) == ([1], 1)


def test_relational_queries_are_asked_for_only_where_they_are_needed(site: Site) -> None:
    hierarchical = inquiry(Level.SERIES, [Match("StudyInstanceUID", ("1.2",))])
    relational = inquiry(Level.SERIES, [Match("Modality", ("CT",))])
    with ScriptedPeer(c_find=answering()) as peer:
        for one in (hierarchical, relational):
            list(site.pacs(peer).find(peer.correspondent(), one, never))
        assert [one.extended for one in peer.proposals] == [{}, {STUDY_ROOT_FIND: b"\1"}]
        peer.takes_relational = False
        with pytest.raises(DianaError) as refused:
            list(site.pacs(peer).find(peer.correspondent(), relational, never))
        assert refused.value.reason is Reason.INVALID_FIELD


def test_several_queries_share_an_association(site: Site) -> None:
    inquiries: list[Inquiry] = [STUDIES] * 5
    with ScriptedPeer(c_find=answering(study(1), study(2))) as peer:
        found = list(site.pacs(peer).find_each(peer.correspondent(), inquiries, lambda _, one: found_study(one), never))
        assert found == [[Found("1.2.1"), Found("1.2.2")]] * 5
        assert len(peer.proposals) == 1


def test_more_answers_to_one_query_than_anybody_wants_are_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacs, "_MOST_ANSWERS", 10)
    cancelled: list[int] = []
    with ScriptedPeer(c_find=endless(cancelled)) as peer:
        with pytest.raises(DianaError) as refused:
            list(site.pacs(peer).find_each(peer.correspondent(), [STUDIES], lambda _, one: None, never))
        assert refused.value.reason is Reason.RESULT_TOO_LARGE
        peer.ended.acquire()
    assert cancelled == [1]


def test_what_answers_something_else_ends_the_association(site: Site) -> None:
    def script(association: Association, message: Message) -> None:
        message.drain()
        association.send(message.context.context_id, CommandSet(0x8020, message_id_being_responded_to=99, status=0))

    with ScriptedPeer(c_find=script) as peer, pytest.raises(DianaError) as broken:
        list(site.pacs(peer).find(peer.correspondent(attempts=1), STUDIES, never))
    assert broken.value.reason is Reason.AE_UNAVAILABLE


def test_an_answer_that_cannot_be_read_is_a_refusal(site: Site) -> None:
    def script(association: Association, message: Message) -> None:
        context = message.context
        message.drain()
        association.send(
            context.context_id, response(message.command, 0xFF00, has_data_set=True), [b"\x08\0\x50\0\xff\0\0\0"]
        )
        association.send(context.context_id, response(message.command, 0))

    with ScriptedPeer(c_find=script) as peer, pytest.raises(DianaError) as refused:
        list(site.pacs(peer).find(peer.correspondent(), STUDIES, never))
    assert refused.value.reason is Reason.PEER_REFUSED


def moving(*responses: Mapping[str, Any], failed: tuple[str, ...] = ()) -> Script:
    """A C-MOVE's provider that only tells."""

    def script(association: Association, message: Message) -> None:
        context = message.context
        message.drain()
        for parts in responses:
            association.send(context.context_id, response(message.command, **parts))
        if failed:
            data = encode({"00080058": {"vr": "UI", "Value": list(failed)}}, context.transfer_syntax)
            final = response(message.command, 0xB000, has_data_set=True, completed_suboperations=3,
                             failed_suboperations=2, warning_suboperations=1)  # fmt: skip
            association.send(context.context_id, final, [data])

    return script


PENDING = {"status": 0xFF00, "completed_suboperations": 2, "failed_suboperations": 0, "warning_suboperations": 1}


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (moving(PENDING, {"status": 0, "completed_suboperations": 5}), Outcome(5, 0, 1)),
        (moving(PENDING, {"status": 0}), Outcome(2, 0, 1)),
        (moving({"status": 0}), Outcome()),
        (moving(PENDING, failed=("1.2.3", "1.2.4")), Outcome(3, 2, 1, ("1.2.3", "1.2.4"))),
    ],
)
def test_a_move_comes_to_what_the_peer_counts(site: Site, script: Script, outcome: Outcome) -> None:
    with ScriptedPeer(c_move=script) as peer:
        found = site.pacs(peer).move(peer.correspondent(), "1.2", "DIANA", never)
    assert found == outcome


@pytest.mark.parametrize("status", [0xA801, 0xA702, 0xC001, 0x0122])
def test_a_move_that_is_refused_tells_the_status(site: Site, status: int) -> None:
    with ScriptedPeer(c_move=moving({"status": status})) as peer, pytest.raises(DianaError) as refused:
        site.pacs(peer).move(peer.correspondent(), "1.2", "DIANA", never)
    assert (refused.value.reason, refused.value.metadata["status"]) == (Reason.PEER_REFUSED, f"{status:04X}")


def test_a_move_is_cancelled(site: Site) -> None:
    def script(association: Association, message: Message) -> None:
        context, command = message.context, message.command
        message.drain()
        while not association.is_cancelled(command.message_id or 0):
            association.is_readable(1)
        association.send(context.context_id, response(command, 0xFE00, completed_suboperations=1))

    with ScriptedPeer(c_move=script) as peer:
        outcome = site.pacs(peer).move(peer.correspondent(), "1.2", "DIANA", lambda: True)
    assert outcome == Outcome(1, is_cancelled=True)


def getting(instances: int, statuses: list[int], uid_of: Callable[[int], str] = lambda n: f"{ROOT}.9.{n}") -> Script:
    """A C-GET's provider."""

    def script(association: Association, message: Message) -> None:
        message.drain()
        context = association.agreed.context_for(CT, "1.2.840.10008.1.2.1")
        assert context is not None and context.roles.requestor_is_scp
        for number in range(1, instances + 1):
            data = make_small(SOPInstanceUID=f"{ROOT}.9.{number}")[128:]
            command = request(
                Operation.C_STORE, number, has_data_set=True, affected_sop_class_uid=CT,
                affected_sop_instance_uid=uid_of(number), priority=0,
            )  # fmt: skip
            association.send(context.context_id, command, [_data_set(data)])
            answer = association.receive()
            assert answer is not None and answer.command.status is not None
            statuses.append(answer.command.status)
        done = statuses.count(0)
        final = response(message.command, 0, completed_suboperations=done, failed_suboperations=instances - done)
        association.send(message.context.context_id, final)

    return script


def _data_set(after_preamble: bytes) -> bytes:
    """What follows DICM and File Meta Information."""
    length = int.from_bytes(after_preamble[12:16], "little")
    return after_preamble[16 + length :]


class PlainPeer(ScriptedPeer):
    """Accepts Explicit VR Little Endian first."""

    def transfer_syntax(self, abstract_syntax: str, proposed: Any) -> str | None:
        return str(proposed[0])


def test_what_is_got_goes_to_the_archive_before_it_is_answered(site: Site) -> None:
    statuses: list[int] = []
    watched: list[int] = []
    with PlainPeer(c_get=getting(3, statuses)) as peer:
        study = Found("1.2", 3, (CT,))
        outcome = site.pacs(peer).get(peer.correspondent(), study, "raw", lambda: watched.append(len(statuses)), never)
    assert outcome == Outcome(3)
    assert watched == [0, 1, 2]
    assert len(site.archive.kept) == 3
    assert site.archive.origins == {Origin("raw", "PACS")}
    assert all(one[128:132] == b"DICM" for one in site.archive.kept.values())


def test_what_the_archive_does_not_take_is_answered_so(site: Site) -> None:
    statuses: list[int] = []
    site.archive.refuses = True
    with PlainPeer(c_get=getting(2, statuses)) as peer:
        outcome = site.pacs(peer).get(peer.correspondent(), Found("1.2"), "raw", lambda: None, never)
    assert statuses == [0xA700, 0xA700]
    assert outcome == Outcome(0, 2)


def test_an_instance_that_is_another_one_or_has_no_uid_is_not_taken(site: Site) -> None:
    statuses: list[int] = []
    with PlainPeer(c_get=getting(2, statuses, lambda number: ["", "1.2.3", "none"][number])) as peer:
        site.pacs(peer).get(peer.correspondent(), Found("1.2"), "raw", lambda: None, never)
    assert statuses == [0xA900, 0x0117]
    assert not site.archive.kept


def test_a_get_is_cancelled(site: Site) -> None:
    def script(association: Association, message: Message) -> None:
        message.drain()
        cancel = association.receive()
        assert cancel is not None and Association.cancels(cancel, message.command.message_id or 0)
        association.send(message.context.context_id, response(message.command, 0xFE00))

    with ScriptedPeer(c_get=script) as peer:
        outcome = site.pacs(peer).get(peer.correspondent(), Found("1.2"), "raw", lambda: None, lambda: True)
    assert outcome.is_cancelled


def test_a_silent_peer_is_given_up(site: Site) -> None:
    with ScriptedPeer(c_find=lambda association, message: message.drain()) as peer:
        patient = Remote(peer.remote.host, peer.remote.port, network_seconds=0.6)
        asking = DicomPacs({"pacs": patient}, site.receiving, site.arrivals)
        with pytest.raises(DianaError) as silent:
            list(asking.find(peer.correspondent(attempts=1), STUDIES, never))
    assert silent.value.reason is Reason.AE_UNAVAILABLE


def test_a_peer_that_is_silent_about_a_move_but_sends_is_waited_for(site: Site) -> None:
    goes_on = threading.Event()

    def script(association: Association, message: Message) -> None:
        message.drain()
        goes_on.wait(10)
        association.send(message.context.context_id, response(message.command, 0, completed_suboperations=4))

    class Busy(Arrivals):
        looks = 0

        def last(self, peer: str) -> float:
            self.looks += 1
            if self.looks > 3:
                goes_on.set()
            return time.monotonic()

    with ScriptedPeer(c_move=script) as peer:
        impatient = Remote(peer.remote.host, peer.remote.port, network_seconds=0.1)
        asking = DicomPacs({"pacs": impatient}, site.receiving, Busy())
        outcome = asking.move(peer.correspondent(), "1.2", "DIANA", never)
    assert outcome == Outcome(4)


def test_what_goes_on_after_it_was_cancelled_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "_CANCEL_SECONDS", 0.2)

    def script(association: Association, message: Message) -> None:
        context, command = message.context, message.command
        data = encode(study(1), context.transfer_syntax)
        with suppress(AssociationEnded):
            while True:
                association.send(context.context_id, response(command, 0xFF00, has_data_set=True), [data])

    with ScriptedPeer(c_find=script) as peer, pytest.raises(DianaError) as endless:
        list(site.pacs(peer).find(peer.correspondent(attempts=1), STUDIES, lambda: True))
    assert endless.value.reason is Reason.AE_UNAVAILABLE
