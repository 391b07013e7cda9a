"""Sends instances of a store to another Application Entity (C-STORE as user, PS3.4 Annex B): a result for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from diana_common.errors import DianaError, Reason
from diana_dimse.core.intake.receiving import Piece
from diana_dimse.core.sending.contexts import Wish, plan
from diana_dimse.core.sending.fetching import Fetched, data_set, fetch
from diana_dimse.core.sending.selection import Reading, StoredInstance
from diana_dimse.core.sop_classes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from diana_dimse.core.statuses import Status

# What an instance may be converted to, the best first.
_TARGETS = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
_TRIES = 2
_MOST_BREAKS = 3
# Warnings that are not of the form Bxxx (PS3.7 section C.4.3).
_WARNINGS = frozenset({0x0001, 0x0107, 0x0116})


class Outcome(Enum):
    """What a C-STORE status means (PS3.7 Annex C)."""

    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side answered to a C-STORE."""

    status: int
    comment: str = ""
    """Its Error Comment (0000,0902); not for logs."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one instance."""

    instance: StoredInstance
    status: int
    """The other side's C-STORE status; where it never came to that, one of ours that is a failure."""

    comment: str = ""
    """The other side's Error Comment, which is not for logs; where it never came to that, why."""

    is_converted: bool = False
    """Whether it went in another transfer syntax than it is kept in."""

    reason: Reason | None = None
    """Why it failed: PEER_REFUSED where the other side answered so; None where it did not fail."""

    @property
    def outcome(self) -> Outcome:
        """Whether it arrived."""
        if self.reason is not None:
            return Outcome.FAILURE
        return Outcome.SUCCESS if self.status == Status.SUCCESS else Outcome.WARNING

    @property
    def why(self) -> str:
        """Why it failed, in words of ours; empty where it did not."""
        if self.reason is Reason.PEER_REFUSED:
            return f"refused with status {self.status:04X}"
        return "" if self.reason is None else self.comment


class LinkEnded(Exception):
    """The association is no more, or could not be had. `str` says why, for logs and comments."""

    def __init__(self, message: str, reason: Reason = Reason.AE_UNAVAILABLE, *, is_silent: bool = False) -> None:
        """`is_silent`: the other side let us wait too long, so that asking again at once is no use."""
        super().__init__(message)
        self.reason, self.is_silent = reason, is_silent


class Link(Protocol):
    """An association over which instances can be sent."""

    def syntaxes(self, sop_class_uid: str) -> Sequence[str]:
        """The transfer syntaxes that were accepted for a SOP Class."""
        ...

    def store(self, instance: StoredInstance, transfer_syntax: str, data: Iterable[Piece]) -> Answer:
        """Send an instance and wait for the answer. Raises LinkEnded, also where `data` raises DianaError."""
        ...

    def close(self) -> None:
        """End it in order. Never raises."""
        ...


Dial = Callable[[Sequence[Wish]], Link]
"""Opens an association with the presentation contexts that are wished for. Raises LinkEnded."""


class Converted(Protocol):
    """A data set in another transfer syntax."""

    transfer_syntax: str

    def __iter__(self) -> Iterator[bytes]:
        """Its bytes, without File Meta Information."""
        ...


class Transcoder(Protocol):
    """Converts between transfer syntaxes."""

    def convert(
        self, instance: StoredInstance, pieces: Iterable[Piece], transfer_syntax: str
    ) -> AbstractContextManager[Converted]:
        """An instance, whose Part 10 file comes in pieces, in an uncompressed transfer syntax.

        Raises DianaError PIXELS_UNREADABLE where that cannot be done, and what `pieces` raises.
        """
        ...


class Sender:
    """Sends. Safe to share between threads; each of its generators belongs to one."""

    def __init__(self, reading: Reading, transcoder: Transcoder) -> None:
        self._reading, self._transcoder = reading, transcoder

    def send_all(self, store: str, instances: Sequence[StoredInstance], dial: Dial) -> Generator[Sent, None, None]:
        """Send instances over associations of its own; a result for each of them, in any order.

        Where an association breaks, another is opened and the instance tried once more. After three breaks without a
        success between them, or where none can be had, the rest fails. Closing the generator ends the association.
        """
        for load in plan(instances):
            yield from self._send(store, load.instances, load.wishes, dial)

    def send_over(self, store: str, instances: Sequence[StoredInstance], link: Link) -> Generator[Sent, None, None]:
        """Send instances over an association that is there, which stays open. Raises LinkEnded."""
        with closing(fetch(self._reading, store, instances)) as fetched:
            for one in fetched:
                yield self._sent(one, link)

    def _send(
        self, store: str, instances: Sequence[StoredInstance], wishes: Sequence[Wish], dial: Dial
    ) -> Generator[Sent, None, None]:
        left = {one.sop_instance_uid: one for one in instances}
        tries: Counter[str] = Counter()
        breaks = 0
        while left:
            try:
                with closing(self._over_one(store, list(left.values()), wishes, dial)) as results:
                    for sent in results:
                        breaks = 0
                        left.pop(sent.instance.sop_instance_uid, None)
                        yield sent
            except _Broken as broken:
                ended, at = broken.ended, broken.instance
                is_peers = ended.reason is Reason.AE_UNAVAILABLE  # else the instance could not be read to its end
                breaks += is_peers
                if at is None or breaks == _MOST_BREAKS:
                    yield from (_ended(one, ended) for one in left.values())
                    return
                tries[at.sop_instance_uid] += 1
                if ended.is_silent or not is_peers or tries[at.sop_instance_uid] == _TRIES:
                    yield _ended(left.pop(at.sop_instance_uid), ended)

    def _over_one(
        self, store: str, instances: Sequence[StoredInstance], wishes: Sequence[Wish], dial: Dial
    ) -> Generator[Sent, None, None]:
        """Over one association. Raises _Broken."""
        try:
            link = dial(wishes)
        except LinkEnded as ended:
            raise _Broken(ended, None) from ended
        with closing(link), closing(fetch(self._reading, store, instances)) as fetched:
            for one in fetched:
                try:
                    sent = self._sent(one, link)
                except LinkEnded as ended:
                    raise _Broken(ended, one.instance) from ended
                yield sent

    def _sent(self, fetched: Fetched, link: Link) -> Sent:
        instance = fetched.instance
        accepted = link.syntaxes(instance.sop_class_uid)
        try:
            if instance.transfer_syntax_uid in accepted:
                syntax = instance.transfer_syntax_uid
                return _result(instance, link.store(instance, syntax, data_set(fetched.pieces)), is_converted=False)
            target = next((one for one in _TARGETS if one in accepted), None)
            if target is None:
                text = "no transfer syntax accepted" if accepted else "SOP Class not accepted"
                return Sent(instance, Status.SOP_CLASS_NOT_SUPPORTED, text, reason=Reason.ASSOCIATION_REJECTED)
            with self._transcoder.convert(instance, fetched.pieces, target) as converted:
                return _result(instance, link.store(instance, target, converted), is_converted=True)
        except DianaError as error:
            return Sent(instance, Status.PROCESSING_FAILURE, error.reason.name, reason=error.reason)


class _Broken(Exception):
    """An association ended, at an instance; None where it could not be had."""

    def __init__(self, ended: LinkEnded, instance: StoredInstance | None) -> None:
        super().__init__()
        self.ended, self.instance = ended, instance


def _result(instance: StoredInstance, answer: Answer, *, is_converted: bool) -> Sent:
    status = answer.status
    is_taken = status == Status.SUCCESS or status in _WARNINGS or status >> 12 == 0xB
    return Sent(instance, status, answer.comment, is_converted, None if is_taken else Reason.PEER_REFUSED)


def _ended(instance: StoredInstance, ended: LinkEnded) -> Sent:
    return Sent(instance, Status.PROCESSING_FAILURE, str(ended), reason=ended.reason)
