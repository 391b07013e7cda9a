"""Sending instances: a result for each, whatever the other side does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from diana_common.errors import DianaError, Reason
from diana_dimse.core.sending.contexts import Wish
from diana_dimse.core.sending.selection import StoredInstance
from diana_dimse.core.sending.sender import Answer, LinkEnded, Outcome, Sender, Sent
from diana_dimse.core.sending.suboperations import SubOperations
from tests.support.kept_instances import (
    BIG,
    CT,
    EXPLICIT,
    IMPLICIT,
    JPEG_2000,
    MR,
    KeptInstances,
    data_set_of,
    stored,
)

Rule = Callable[[StoredInstance], Answer]


@dataclass
class Peer:
    """The other side: opens associations, accepts syntaxes, answers by a rule."""

    rule: Rule = lambda instance: Answer(0)
    accepts: dict[str, list[str]] = field(default_factory=lambda: {CT: [EXPLICIT], MR: [EXPLICIT]})
    refusal: LinkEnded | None = None
    dialled: list[Sequence[Wish]] = field(default_factory=list)
    closed: int = 0
    got: list[tuple[str, str, bytes]] = field(default_factory=list)

    def dial(self, wishes: Sequence[Wish]) -> FakeLink:
        self.dialled.append(wishes)
        if self.refusal is not None:
            raise self.refusal
        return FakeLink(self)


class FakeLink:
    """The core's `Link` to it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def syntaxes(self, sop_class_uid: str) -> Sequence[str]:
        return self._peer.accepts.get(sop_class_uid, [])

    def store(
        self, instance: StoredInstance, transfer_syntax: str, data: Iterable[bytes | bytearray | memoryview]
    ) -> Answer:
        try:
            whole = b"".join(data)
        except DianaError as error:
            raise LinkEnded("in the midst", error.reason) from error
        self._peer.got.append((instance.sop_instance_uid, transfer_syntax, whole))
        return self._peer.rule(instance)

    def close(self) -> None:
        self._peer.closed += 1


class FakeTranscoder:
    """The core's `Transcoder`: says what it was asked for."""

    def __init__(self) -> None:
        self.fault: Reason | None = None

    @contextmanager
    def convert(
        self, instance: StoredInstance, pieces: Iterable[bytes | bytearray | memoryview], transfer_syntax: str
    ) -> Iterator[FakeConverted]:
        if self.fault is not None:
            raise DianaError(self.fault, "cannot be done")
        yield FakeConverted(transfer_syntax, len(b"".join(pieces)))


@dataclass
class FakeConverted:
    transfer_syntax: str
    size: int

    def __iter__(self) -> Iterator[bytes]:
        yield f"{self.size} bytes as {self.transfer_syntax}".encode()


def send(peer: Peer, reading: KeptInstances, transcoder: FakeTranscoder | None = None) -> dict[str, Sent]:
    sender = Sender(reading, transcoder or FakeTranscoder())
    results = list(sender.send_all("default", reading.kept, peer.dial))
    assert sorted(one.instance.sop_instance_uid for one in results) == sorted(
        one.sop_instance_uid for one in reading.kept
    )
    assert peer.closed == len(peer.dialled) or peer.refusal is not None
    return {one.instance.sop_instance_uid: one for one in results}


def kept(count: int, sop_class: str = CT, syntax: str = EXPLICIT) -> KeptInstances:
    return KeptInstances([stored(f"1.{number}", sop_class, syntax) for number in range(count)])


def failing(uids: str, times: int, fault: Callable[[], LinkEnded]) -> Rule:
    """Ends the association so often at one instance."""
    left = dict.fromkeys(uids.split(), times)

    def rule(instance: StoredInstance) -> Answer:
        if left.get(instance.sop_instance_uid, 0):
            left[instance.sop_instance_uid] -= 1
            raise fault()
        return Answer(0)

    return rule


def lost() -> LinkEnded:
    return LinkEnded("lost")


def test_all_go_over_one_association_as_they_are_kept() -> None:
    peer = Peer()
    results = send(peer, kept(5))
    assert [one.outcome for one in results.values()] == [Outcome.SUCCESS] * 5
    assert peer.got == [(f"1.{number}", EXPLICIT, data_set_of(f"1.{number}")) for number in range(5)]
    assert len(peer.dialled) == 1


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x0000, Outcome.SUCCESS),
        (0xB000, Outcome.WARNING),
        (0xB007, Outcome.WARNING),
        (0x0107, Outcome.WARNING),
        (0x0116, Outcome.WARNING),
        (0xA700, Outcome.FAILURE),
        (0xA900, Outcome.FAILURE),
        (0xC000, Outcome.FAILURE),
        (0x0110, Outcome.FAILURE),
        (0xFF00, Outcome.FAILURE),
    ],
)
def test_statuses_mean_what_the_standard_says(status: int, outcome: Outcome) -> None:
    result = send(Peer(lambda instance: Answer(status, "why")), kept(1))["1.0"]
    assert (result.status, result.outcome, result.comment) == (status, outcome, "why")
    assert result.reason is (Reason.PEER_REFUSED if outcome is Outcome.FAILURE else None)


def test_a_refused_instance_does_not_hold_up_the_others() -> None:
    results = send(Peer(lambda instance: Answer(0xA700 if instance.sop_instance_uid == "1.2" else 0)), kept(5))
    assert [uid for uid, one in results.items() if one.outcome is Outcome.FAILURE] == ["1.2"]


def test_an_instance_at_which_the_association_broke_is_tried_again() -> None:
    peer = Peer(failing("1.2", 1, lost))
    results = send(peer, kept(5))
    assert {one.outcome for one in results.values()} == {Outcome.SUCCESS}
    assert len(peer.dialled) == 2


def test_an_instance_that_breaks_associations_fails_and_the_others_arrive() -> None:
    peer = Peer(failing("1.2 1.4", 9, lost))
    results = send(peer, kept(7))
    assert {uid: one.reason for uid, one in results.items() if one.reason} == {
        "1.2": Reason.AE_UNAVAILABLE,
        "1.4": Reason.AE_UNAVAILABLE,
    }


def test_a_peer_that_breaks_every_association_is_given_up() -> None:
    def rule(instance: StoredInstance) -> Answer:
        raise lost()

    peer = Peer(rule)
    results = send(peer, kept(100))
    assert {one.reason for one in results.values()} == {Reason.AE_UNAVAILABLE}
    assert len(peer.dialled) == 3


def test_a_peer_that_hangs_is_not_asked_for_the_same_again() -> None:
    peer = Peer(failing("1.2", 9, lambda: LinkEnded("silent", is_silent=True)))
    results = send(peer, kept(5))
    assert [uid for uid, one in results.items() if one.reason] == ["1.2"]
    assert len(peer.dialled) == 2


def test_a_peer_that_refuses_us_fails_all_at_once() -> None:
    peer = Peer(refusal=LinkEnded("rejected", Reason.ASSOCIATION_REJECTED))
    results = send(peer, kept(5))
    assert {one.reason for one in results.values()} == {Reason.ASSOCIATION_REJECTED}
    assert len(peer.dialled) == 1


def test_what_cannot_be_read_fails_alone() -> None:
    reading = kept(5)
    reading.damaged, reading.deleted = {"1.1": 0}, {"1.3"}
    results = send(Peer(), reading)
    assert {uid: one.reason for uid, one in results.items() if one.reason} == {
        "1.1": Reason.STORE_DAMAGED,
        "1.3": Reason.INSTANCE_NOT_FOUND,
    }


def test_what_breaks_off_while_it_is_sent_fails_and_the_others_arrive() -> None:
    """However many they are: it is not the peer's fault."""
    reading = kept(9)
    reading.piece_bytes = 300
    broken = {f"1.{number}": 4 for number in range(1, 6)}
    reading.files = {uid: reading.file(reading.kept[1]) + bytes(2000) for uid in broken}
    reading.damaged = broken
    peer = Peer()
    results = send(peer, reading)
    assert {uid: one.reason for uid, one in results.items() if one.reason} == dict.fromkeys(
        broken, Reason.STORE_DAMAGED
    )
    assert len(peer.dialled) == 6


@pytest.mark.parametrize(
    ("accepted", "target"),
    [([IMPLICIT], IMPLICIT), ([IMPLICIT, EXPLICIT], EXPLICIT), ([BIG, IMPLICIT], IMPLICIT), ([BIG], BIG)],
)
def test_what_the_peer_does_not_accept_is_converted(accepted: list[str], target: str) -> None:
    peer = Peer(accepts={CT: accepted})
    reading = kept(2, syntax=JPEG_2000)
    results = send(peer, reading)
    assert all(one.is_converted and one.outcome is Outcome.SUCCESS for one in results.values())
    size = len(reading.file(reading.kept[0]))
    assert peer.got[0] == ("1.0", target, f"{size} bytes as {target}".encode())


def test_what_cannot_be_converted_fails_alone() -> None:
    transcoder = FakeTranscoder()
    transcoder.fault = Reason.PIXELS_UNREADABLE
    reading = KeptInstances([stored("1.0", CT, JPEG_2000), stored("1.1")])
    results = send(Peer(), reading, transcoder)
    assert results["1.0"].reason is Reason.PIXELS_UNREADABLE
    assert results["1.1"].outcome is Outcome.SUCCESS and not results["1.1"].is_converted


def test_a_class_or_all_syntaxes_that_are_not_accepted_fail_alone() -> None:
    reading = KeptInstances([stored("1.0", MR), stored("1.1"), stored("1.2", "1.9")])
    results = send(Peer(accepts={CT: [EXPLICIT], "1.9": [JPEG_2000]}), reading)
    assert {uid: (one.status, one.reason) for uid, one in results.items()} == {
        "1.0": (0x0122, Reason.ASSOCIATION_REJECTED),
        "1.1": (0, None),
        "1.2": (0x0122, Reason.ASSOCIATION_REJECTED),
    }


def test_leaving_early_ends_the_association_and_the_download() -> None:
    peer, reading = Peer(), kept(50)
    sending = Sender(reading, FakeTranscoder()).send_all("default", reading.kept, peer.dial)
    next(sending)
    sending.close()
    assert peer.closed == 1
    assert len(peer.got) == 1


def test_over_an_association_that_is_there_its_end_is_told() -> None:
    peer, reading = Peer(failing("1.1", 1, lost)), kept(3)
    sending = Sender(reading, FakeTranscoder()).send_over("default", reading.kept, FakeLink(peer))
    assert next(sending).outcome is Outcome.SUCCESS
    with pytest.raises(LinkEnded):
        next(sending)
    assert peer.closed == 0


def counted(*reasons: Reason | None, count: int = 3) -> SubOperations:
    operations = SubOperations(count)
    for number, reason in enumerate(reasons):
        operations.add(Sent(stored(f"1.{number}"), 0, reason=reason))
    return operations


def test_the_final_status_says_what_became_of_the_sub_operations() -> None:
    assert counted(count=0).status(is_cancelled=False) == 0x0000
    assert counted(None, None, None).status(is_cancelled=False) == 0x0000
    assert counted(None, None, None).status(is_cancelled=True) == 0x0000
    assert counted(None, Reason.INTERNAL, None).status(is_cancelled=False) == 0xB000
    assert counted(*[Reason.INTERNAL] * 3).status(is_cancelled=False) == 0xA702
    assert counted(None).status(is_cancelled=True) == 0xFE00


def test_numbers_are_told_as_the_standard_has_them() -> None:
    operations = counted(None, Reason.INTERNAL)
    operations.add(Sent(stored("1.9"), 0xB000))
    assert operations.fields(operations.status(is_cancelled=False)) == {
        "completed_suboperations": 1,
        "failed_suboperations": 1,
        "warning_suboperations": 1,
    }
    assert operations.failed_uids == ["1.1"]


def test_more_sub_operations_than_the_numbers_can_tell() -> None:
    operations = SubOperations(200_000)
    status = operations.status(is_cancelled=True)
    assert operations.fields(status)["remaining_suboperations"] == 0xFFFF
