"""Storage commitment as user and its reports, with a peer on a real socket that behaves well, oddly or badly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from diana_common.errors import DianaError, Reason
from diana_dimse.adapters.committing import CommitmentCaller
from diana_dimse.core.commitment.model import Asked, Reference, Result, read_action_information, read_event_information
from diana_dimse.core.commitment.provider import Transaction
from diana_dimse.core.commitment.user import Committer, Expected
from diana_dimse.core.entities import Directory
from diana_dimse.core.outbound.peering import Correspondent
from diana_dimse.core.sop_classes import STORAGE_COMMITMENT
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import response
from diana_dimse.network.negotiation import Roles
from diana_dimse.wire.commitment import send_event
from diana_dimse.wire.datasets import decode
from diana_dimse.wire.reading import DataSetReader
from tests.support.commitment_fakes import CT
from tests.unit.dimse.scripted_peer import Script, ScriptedPeer

REFERENCES = tuple(Reference(CT, f"1.2.{number}") for number in range(1, 4))
Tell = Callable[[Association, Message, Result], None]


def answering(tell: Tell, *, status: int = 0, failed: int | None = None, first: bool = False) -> Script:
    """Takes a request with a status, and tells the result, in which the first instance may have failed."""

    def script(association: Association, message: Message) -> None:
        asked = read_action_information(decode(message.read(1 << 20), message.context.transfer_syntax))
        bad = {asked.references[0]: failed} if failed else {}
        result = Result(asked.transaction_uid, tuple(one for one in asked.references if one not in bad), bad)
        if first:
            tell(association, message, result)
        association.send(message.context.context_id, response(message.command, status))
        if not first:
            tell(association, message, result)

    return script


def over_the_same(association: Association, message: Message, result: Result) -> None:
    send_event(association, message.context, result, 9)


def nothing(association: Association, message: Message, result: Result) -> None:
    pass


class Asker:
    """Asks a scripted peer."""

    def __init__(self, peer: ScriptedPeer, seconds: float = 20) -> None:
        self.expected = Expected()
        self.correspondent = replace(peer.correspondent(), commitment_seconds=seconds)
        self.caller = _caller(peer, self.correspondent)

    def ask(self, *references: Reference, cancelled: bool = False) -> dict[str, int]:
        committer = Committer(self.caller, self.expected)
        return committer.ask(self.correspondent, references or REFERENCES, lambda: cancelled)


def _caller(peer: ScriptedPeer, correspondent: Correspondent) -> CommitmentCaller:
    return CommitmentCaller(
        Directory([], [correspondent.entity]), {"pacs": correspondent}, {"pacs": peer.remote}, DataSetReader()
    )


@pytest.mark.parametrize("first", [False, True])
def test_a_peer_commits_itself_over_the_same_association(first: bool) -> None:
    with ScriptedPeer(n_action=answering(over_the_same, first=first)) as peer:
        assert Asker(peer).ask() == {}
        assert peer.ended.acquire(timeout=10)
        assert peer.released == 1


def test_what_it_will_not_keep_is_told_with_its_reason() -> None:
    with ScriptedPeer(n_action=answering(over_the_same, failed=0x0213)) as peer:
        assert Asker(peer).ask() == {"1.2.1": 0x0213}


@pytest.mark.parametrize("leaves", ["stays", "releases", "aborts"])
def test_the_result_may_come_over_another_association(leaves: str) -> None:
    later: list[threading.Timer] = []

    def elsewhere(association: Association, message: Message, result: Result) -> None:
        if leaves == "aborts":
            association.abort()
        if leaves == "releases":
            association.release()
        later.append(threading.Timer(0.05, asker.expected.settle, [result]))
        later[0].start()

    with ScriptedPeer(n_action=answering(elsewhere)) as peer:
        asker = Asker(peer)
        assert asker.ask() == {}
    later[0].join()


def test_what_a_result_leaves_out_has_failed() -> None:
    def half(association: Association, message: Message, result: Result) -> None:
        send_event(association, message.context, replace(result, committed=result.committed[1:]), 9)

    with ScriptedPeer(n_action=answering(half)) as peer:
        assert Asker(peer).ask() == {"1.2.1": 0x0110}


def test_many_instances_are_several_transactions() -> None:
    with ScriptedPeer(n_action=answering(over_the_same)) as peer:
        assert Asker(peer).ask(*(Reference(CT, f"1.2.{number}") for number in range(4_001))) == {}
        assert len(peer.proposals) == 3


def test_a_peer_that_refuses_is_said_to() -> None:
    with ScriptedPeer(n_action=answering(nothing, status=0x0213)) as peer, pytest.raises(DianaError) as refused:
        Asker(peer).ask()
    assert (refused.value.reason, refused.value.metadata["status"]) == (Reason.PEER_REFUSED, "0213")


def test_a_peer_without_the_service_is_said_to() -> None:
    with ScriptedPeer() as peer:
        peer.refused = frozenset({STORAGE_COMMITMENT})
        with pytest.raises(DianaError) as refused:
            Asker(peer).ask()
    assert refused.value.reason is Reason.ASSOCIATION_REJECTED


@pytest.mark.parametrize(("cancelled", "reason"), [(False, Reason.AE_UNAVAILABLE), (True, Reason.STOPPING)])
def test_a_result_that_does_not_come_is_not_waited_for_longer_than_wanted(cancelled: bool, reason: Reason) -> None:
    with ScriptedPeer(n_action=answering(nothing)) as peer, pytest.raises(DianaError) as refused:
        Asker(peer, seconds=20 if cancelled else 0.01).ask(cancelled=cancelled)
    assert refused.value.reason is reason


def test_a_result_that_nobody_waits_for_is_refused() -> None:
    assert not Expected().settle(Result("1.9"))


TRANSACTION = Transaction(1, "default", "OTHER", "PACS", Asked("1.9", REFERENCES), 0.0)


def test_a_report_is_made_as_the_provider_that_was_asked() -> None:
    heard: list[Result] = []

    def hear(association: Association, message: Message) -> None:
        heard.append(read_event_information(decode(message.read(1 << 20), message.context.transfer_syntax)))
        association.send(message.context.context_id, response(message.command, 0))

    result = Result("1.9", REFERENCES[:1], {REFERENCES[1]: 0x0112})
    with ScriptedPeer(n_event_report=hear) as peer:
        _caller(peer, peer.correspondent()).report(TRANSACTION, result)
    assert heard == [result]
    [proposal] = peer.proposals
    assert (proposal.called, proposal.calling) == ("PACS", "OTHER")
    assert proposal.roles == {STORAGE_COMMITMENT: Roles(requestor_is_scu=False, requestor_is_scp=True)}


def test_a_report_that_is_not_taken_is_said_to() -> None:
    def refuse(association: Association, message: Message) -> None:
        association.send(message.context.context_id, response(message.command, 0x0110))

    def release(association: Association, message: Message) -> None:
        association.release()

    for script, reason in ((refuse, Reason.PEER_REFUSED), (release, Reason.AE_UNAVAILABLE)):
        with ScriptedPeer(n_event_report=script) as peer, pytest.raises(DianaError) as refused:
            _caller(peer, peer.correspondent()).report(TRANSACTION, Result("1.9", REFERENCES))
        assert refused.value.reason is reason


def test_a_requestor_that_nobody_knows_cannot_be_told() -> None:
    with ScriptedPeer() as peer, pytest.raises(DianaError) as refused:
        stranger = replace(TRANSACTION, calling="STRANGER")
        _caller(peer, peer.correspondent()).report(stranger, Result("1.9", REFERENCES))
    assert refused.value.reason is Reason.AE_UNKNOWN
