"""C-ECHO and C-FIND as user, of a peer on a real socket that behaves well, oddly or badly."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_dimse.adapters import pacs
from diana_dimse.adapters.pacs import DicomPacs
from diana_dimse.core.outbound.asking import Found, Inquiry, Match, found_study, inquiry
from diana_dimse.core.queries.finding import Level
from diana_dimse.core.sop_classes import STUDY_ROOT_FIND, VERIFICATION
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import CommandSet, response
from diana_dimse.network.pdus import Rejection
from diana_dimse.wire.datasets import decode, encode
from tests.unit.dimse.scripted_peer import Script, ScriptedPeer
from tests.unit.dimse.site import STUDIES, Site, name, never, study


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
    assert [one["00100010"]["Value"] for one in found] == [[name("Müller^Jörg")]] * 2
    assert asked[0]["00080005"]["Value"] == ["ISO_IR 100"]
    assert asked[0]["00100010"]["Value"] == [name("Müller*")]


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
