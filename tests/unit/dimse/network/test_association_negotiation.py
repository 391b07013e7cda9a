"""What a request for an association proposes, and what it is answered (PS3.8 section 9.3, PS3.7 Annex D)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from diana_common.implementation import IMPLEMENTATION_CLASS_UID
from diana_dimse.network.faults import ProtocolFault, Rejected, TurnedAway
from diana_dimse.network.negotiation import (
    Agreed,
    Context,
    Proposal,
    ProposedContext,
    Roles,
    accept,
    encode_proposal,
    read_acceptance,
    read_proposal,
)
from diana_dimse.network.opening import Remote, request
from diana_dimse.network.pdus import Rejection
from tests.unit.dimse.network.upper_layer import (
    COMMAND,
    CT,
    EXPLICIT,
    IMPLICIT,
    LAST,
    SECONDS,
    VERIFICATION,
    Offering,
    Port,
    RecordingDoor,
    associate_rq,
    context_item,
    echo,
    extended_item,
    item,
    listening,
    message,
    pdu,
    role_item,
    user_item,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of UIDs that are none

ACCEPTED, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = 0, 3, 4
JPEG = "1.2.840.10008.1.2.4.50"


@pytest.fixture
def door() -> RecordingDoor:
    return RecordingDoor()


@pytest.fixture
def port(door: RecordingDoor) -> Iterator[Port]:
    with listening(door) as port:
        yield port


def items(data: bytes) -> list[tuple[int, bytes]]:
    found, place = [], 0
    while place < len(data):
        kind, length = struct.unpack_from(">BxH", data, place)
        found.append((kind, data[place + 4 : place + 4 + length]))
        place += 4 + length
    return found


def results(body: bytes) -> list[tuple[int, int, str]]:
    """Of an acceptance: context ID, result and transfer syntax of each context."""
    found = []
    for kind, data in items(body[68:]):
        if kind == 0x21:
            ((_, syntax),) = items(data[4:])
            found.append((data[0], data[2], syntax.rstrip(b"\0").decode()))
    return found


def information(body: bytes) -> list[tuple[int, bytes]]:
    """Of an acceptance: its User Information's sub-items."""
    return next(items(data) for kind, data in items(body[68:]) if kind == 0x50)


def test_128_presentation_contexts_are_answered_each(port: Port) -> None:
    contexts = [context_item(one, f"1.2.3.{one}", JPEG, EXPLICIT, IMPLICIT) for one in range(1, 257, 2)]
    peer = port.call()
    body = peer.associate(associate_rq(*contexts))
    assert results(body) == [(one, ACCEPTED, EXPLICIT) for one in range(1, 257, 2)]
    peer.send(message(255, echo()))
    assert peer.pdu()[1][4:6] == bytes((255, COMMAND | LAST))
    peer.close()


def test_each_context_gets_its_own_result(port: Port, door: RecordingDoor) -> None:
    door.support = Offering(refused=["1.2.9"])
    peer = port.call()
    asked = [context_item(1, VERIFICATION, IMPLICIT), context_item(3, "1.2.9", IMPLICIT), context_item(5, CT, JPEG)]
    found = results(peer.associate(associate_rq(*asked)))
    assert [one[:2] for one in found] == [(1, ACCEPTED), (3, NO_ABSTRACT_SYNTAX), (5, NO_TRANSFER_SYNTAX)]
    peer.close()


def test_an_association_without_any_accepted_context_is_one(port: Port, door: RecordingDoor) -> None:
    peer = port.call()
    assert results(peer.associate(associate_rq(context_item(1, CT, JPEG))))[0][1] == NO_TRANSFER_SYNTAX
    peer.send(pdu(5))
    assert peer.pdu()[0] == 6
    peer.close()
    assert door.await_end() is None


def test_titles_are_given_back_and_come_without_padding(port: Port, door: RecordingDoor) -> None:
    peer = port.call()
    body = peer.associate(associate_rq(called=b"  DIANA", calling=b"A PEER"))
    assert (door.proposals[0].called, door.proposals[0].calling) == ("DIANA", "A PEER")
    assert body[:4] == b"\0\1\0\0"
    assert (body[4:20].strip(), body[20:36].strip()) == (b"DIANA", b"A PEER")
    peer.close()


@pytest.mark.parametrize("calling", [b"", b"A\\B", b"\xc4\xd6\xdc", b"TAB\tTAB", b"LF\nLF"])
def test_titles_that_cannot_be_are_answered_and_harm_nobody(port: Port, calling: bytes) -> None:
    peer = port.call()
    peer.send(associate_rq(calling=calling))
    assert peer.pdu()[0] == 7
    peer.close()
    assert isinstance(port.complaint(), ProtocolFault)


def test_the_answer_names_the_implementation_and_the_longest_pdu(port: Port) -> None:
    peer = port.call()
    found = dict(information(peer.associate()))
    assert struct.unpack(">L", found[0x51])[0] >= 16384
    assert found[0x52].rstrip(b"\0").decode() == IMPLEMENTATION_CLASS_UID
    peer.close()


def test_roles_are_granted_where_the_sop_class_is(port: Port, door: RecordingDoor) -> None:
    door.support = Offering(refused=["1.2.9"])
    user = user_item(role_item(CT, 1, 1), role_item("1.2.9", 1, 1), role_item("1.2.10", 0, 1))
    asked = associate_rq(context_item(1, CT, EXPLICIT), context_item(3, "1.2.9", EXPLICIT), user=user)
    peer = port.call()
    granted = [data for kind, data in information(peer.associate(asked)) if kind == 0x54]
    assert [one[2:].rstrip(b"\0") for one in granted] == [CT.encode() + b"\1\1"]
    assert door.proposals[0].roles["1.2.10"] == Roles(requestor_is_scu=False, requestor_is_scp=True)
    peer.close()


def test_extended_negotiation_is_answered_in_kind(port: Port, door: RecordingDoor) -> None:
    peer = port.call()
    user = user_item(extended_item(CT, b"\1\0\1"), extended_item("1.2.10", b"\1"))
    found = [data for kind, data in information(peer.associate(associate_rq(user=user))) if kind == 0x56]
    assert found == [struct.pack(">H", len(CT)) + CT.encode() + b"\1\0\1"]
    assert door.proposals[0].extended == {CT: b"\1\0\1", "1.2.10": b"\1"}
    peer.close()


ASYNCHRONOUS = item(0x53, struct.pack(">HH", 8, 8))
COMMON_EXTENDED = item(0x57, b"\0\5" + b"1.2.3" + b"\0\5" + b"1.2.4" + b"\0\0")
PASSWORD = item(0x58, b"\2\1" + b"\0\4user" + b"\0\6secret")
TOKEN = item(0x58, b"\5\0" + struct.pack(">H", 9000) + bytes(9000) + b"\0\0")


@pytest.mark.parametrize("more", [ASYNCHRONOUS, COMMON_EXTENDED, PASSWORD, TOKEN], ids=["53", "57", "58", "58-long"])
def test_what_is_not_done_is_left_out_of_the_answer(port: Port, more: bytes) -> None:
    peer = port.call()
    kinds = [kind for kind, _ in information(peer.associate(associate_rq(user=user_item(more))))]
    assert kinds == [0x51, 0x52, 0x55]
    peer.send(message(1, echo()))
    assert peer.pdu()[0] == 4
    peer.close()


@pytest.mark.parametrize("rejection", list(Rejection))
def test_a_rejection_says_why_and_the_connection_ends(port: Port, door: RecordingDoor, rejection: Rejection) -> None:
    door.support = rejection
    peer = port.call()
    peer.send(associate_rq())
    assert peer.pdu() == (3, b"\0" + rejection.to_bytes(3, "big"))
    assert peer.is_over()
    peer.close()
    why = port.complaint()
    assert isinstance(why, TurnedAway) and str(why) == rejection.name.lower().replace("_", " ")


BAD_REQUESTS = {
    "no context": pdu(1, associate_rq()[6:74] + item(0x10, b"1.2.840.10008.3.1.1.1") + user_item()),
    "no items": pdu(1, associate_rq()[6:74]),
    "no fields": pdu(1, b"\0\1\0\0"),
    "nothing": pdu(1, b""),
    "an even context ID": associate_rq(context_item(2, CT, EXPLICIT)),
    "a context without syntaxes": associate_rq(context_item(1, CT)),
    "a context without a name": associate_rq(item(0x20, b"\1\0\0\0" + item(0x40, EXPLICIT.encode()))),
    "a name of 65 digits": associate_rq(context_item(1, "1" * 65, EXPLICIT)),
    "an item past the end": associate_rq(item(0x20, b"\1\0\0\0", length=60000)),
    "a sub-item past its item": associate_rq(item(0x20, b"\1\0\0\0" + item(0x30, b"1.2", length=999))),
    "an unknown item": associate_rq(context_item(1, CT, EXPLICIT), user=item(0x99, b"abcd")),
    "half an item": associate_rq(context_item(1, CT, EXPLICIT), user=b"\x50\0\0"),
    "too many contexts": associate_rq(*[context_item(1 + one % 250 // 2 * 2, CT, EXPLICIT) for one in range(129)]),
    "100,000 empty items": associate_rq(item(0x50, b"") * 60_000),
    "100,000 roles": associate_rq(context_item(1, CT, EXPLICIT), user=user_item(role_item("1", 1, 1) * 5900) * 10),
    "half a megabyte": pdu(1, b"", length=512 * 1024),
    "four gigabytes": pdu(1, b"", length=0xFFFFFFFF),
    "an acceptance": pdu(2, associate_rq()[6:]),
    "a release": pdu(5),
    "an abort": pdu(7),
    "data": message(1, echo()),
    "HTTP": b"GET /studies HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(100),
}


@pytest.mark.parametrize("bad", BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_a_request_that_cannot_be_is_aborted_and_the_next_is_served(
    port: Port, door: RecordingDoor, bad: bytes
) -> None:
    peer = port.call()
    peer.send(bad)
    source_and_reason = peer.aborted()
    assert source_and_reason is None or source_and_reason[0] == 2
    peer.close()
    again = port.call()
    again.associate()
    again.send(pdu(5))
    assert again.pdu()[0] == 6
    again.close()
    assert len(door.proposals) == 1
    assert isinstance(port.complaint(), ProtocolFault)


def test_a_proposal_comes_back_as_it_was_made() -> None:
    contexts = (ProposedContext(1, CT, (EXPLICIT, IMPLICIT)), ProposedContext(3, VERIFICATION, (IMPLICIT,)))
    proposal = Proposal("CALLED", "CALLING", contexts, 4096, {CT: Roles(True, True)}, {CT: b"\1"})
    assert read_proposal(encode_proposal(proposal)) == proposal
    agreed, answer = accept(proposal, Offering(refused=[VERIFICATION]))
    read = read_acceptance(proposal, answer)
    assert read.contexts == agreed.contexts == {1: Context(1, CT, EXPLICIT, Roles(True, True))}
    assert (read.called, read.calling, read.extended) == ("CALLED", "CALLING", {CT: b"\1"})


def test_a_context_is_found_by_its_sop_class_and_transfer_syntax() -> None:
    one, other = Context(1, CT, IMPLICIT), Context(3, CT, EXPLICIT)
    agreed = Agreed("A", "B", {1: one, 3: other}, 0)
    assert [agreed.context_for(CT), agreed.context_for(CT, EXPLICIT)] == [one, other]
    assert [agreed.context_for(CT, JPEG), agreed.context_for(VERIFICATION)] == [None, None]


PROPOSAL = Proposal("DIANA", "PEER", (ProposedContext(1, VERIFICATION, (IMPLICIT,)),))


def test_two_ends_of_ours_understand_each_other(port: Port, door: RecordingDoor) -> None:
    association = request(Remote(*port.listener.address, network_seconds=SECONDS), PROPOSAL)
    assert [one.abstract_syntax for one in association.agreed.contexts.values()] == [VERIFICATION]
    association.release()
    assert door.await_end() is None


def test_whoever_is_rejected_is_told_why(port: Port, door: RecordingDoor) -> None:
    door.support = Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED
    with pytest.raises(Rejected) as raised:
        request(Remote(*port.listener.address, network_seconds=SECONDS), PROPOSAL)
    assert (raised.value.result, raised.value.source, raised.value.reason) == (1, 1, 7)


def test_a_proposal_whose_titles_cannot_be_is_none() -> None:
    with pytest.raises(ValueError, match="Title"):
        encode_proposal(Proposal("A" * 17, "B", PROPOSAL.contexts))
