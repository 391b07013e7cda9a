"""C-MOVE and C-GET as user, of a peer on a real socket that behaves well, oddly or badly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_dimse.adapters import calling
from diana_dimse.adapters.pacs import DicomPacs
from diana_dimse.core.intake.receiving import Origin
from diana_dimse.core.outbound.arrivals import Arrivals
from diana_dimse.core.outbound.asking import Found
from diana_dimse.core.outbound.peering import Outcome
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import Operation, request, response
from diana_dimse.network.faults import AssociationEnded
from diana_dimse.network.opening import Remote
from diana_dimse.wire.datasets import encode
from tests.support.dicom_files import ROOT, make_small
from tests.unit.dimse.scripted_peer import Script, ScriptedPeer
from tests.unit.dimse.site import CT, STUDIES, Site, never, study


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
