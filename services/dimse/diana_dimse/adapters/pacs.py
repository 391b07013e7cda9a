"""What DICOM peers do for us: C-ECHO, C-FIND, C-MOVE and C-GET as user (PS3.4 Annexes A and C)."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import count

from diana_common.dicomjson import DataSetJson
from diana_common.errors import DianaError, Reason, invalid_field
from diana_dimse.adapters.calling import Exchange, agreed_context, association, propose, refused
from diana_dimse.adapters.retrieving import get_study, move_study
from diana_dimse.core.intake.receiving import Receiving
from diana_dimse.core.outbound.arrivals import Arrivals
from diana_dimse.core.outbound.asking import Found, Inquiry
from diana_dimse.core.outbound.peering import Cancelled, Correspondent, Keep, Outcome
from diana_dimse.core.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from diana_dimse.core.statuses import Status
from diana_dimse.network.association import Association, Message
from diana_dimse.network.commands import Operation, Priority, request
from diana_dimse.network.opening import Remote
from diana_dimse.wire.datasets import MOST_BYTES, decode, encode

_SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
# More peers know it than know UTF-8, which is for what it lacks.
_CHARACTER_SET = "ISO_IR 100"
_MOST_ANSWERS = 20_000
_PAUSE_SECONDS = 0.5
_RELATIONAL = b"\1"

Answers = Generator[DataSetJson, None, None]


class DicomPacs:
    """The core's `Pacs` over the network."""

    def __init__(self, remotes: Mapping[str, Remote], receiving: Receiving, arrivals: Arrivals) -> None:
        """`remotes`: where each peer is reached, by name."""
        self._remotes, self._receiving, self._arrivals = remotes, receiving, arrivals

    def echo(self, peer: Correspondent) -> float:
        """See `Pacs`."""
        begin = time.monotonic()
        proposal = propose(peer, [(VERIFICATION, (IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN))])
        with association(peer, self._remote(peer), proposal) as opened:
            context = agreed_context(peer, opened, VERIFICATION, "verification")
            opened.send(context.context_id, request(Operation.C_ECHO, 1, affected_sop_class_uid=VERIFICATION))
            message = opened.receive(self._seconds(peer))
            took = time.monotonic() - begin
        status = message.command.status if message else None
        if status != Status.SUCCESS:
            raise refused(peer, status if status is not None else Status.PROCESSING_FAILURE)
        return took

    def find(self, peer: Correspondent, inquiry: Inquiry, cancelled: Cancelled) -> Answers:
        """See `Pacs`."""
        for attempt in count(1):
            is_answered = False
            try:
                with closing(self._find(peer, inquiry, cancelled)) as answers:
                    for answer in answers:
                        is_answered = True
                        yield answer
                return
            except DianaError as error:
                if is_answered or attempt >= peer.attempts or error.reason is not Reason.AE_UNAVAILABLE:
                    raise
            time.sleep(_PAUSE_SECONDS * attempt)
            if cancelled():
                return

    def find_each(
        self, peer: Correspondent, inquiries: Sequence[Inquiry], keep: Keep, cancelled: Cancelled
    ) -> Iterator[Sequence[Found]]:
        """See `Pacs`."""
        if not inquiries:
            return
        with self._querying(peer, inquiries[0]) as opened:
            for place, inquiry in enumerate(inquiries):
                with closing(self._answers(peer, opened, inquiry, place % 0xFFFF + 1, cancelled)) as answers:
                    found = _kept(peer, answers, partial(keep, place))
                if cancelled():
                    return
                yield found

    def move(self, peer: Correspondent, study_uid: str, destination: str, cancelled: Cancelled) -> Outcome:
        """See `Pacs`."""
        last_sign = partial(self._arrivals.last, peer.name)
        return move_study(peer, self._remote(peer), study_uid, destination, cancelled, last_sign)

    def get(
        self, peer: Correspondent, study: Found, store: str, watch: Callable[[], None], cancelled: Cancelled
    ) -> Outcome:
        """See `Pacs`."""
        return get_study(peer, self._remote(peer), study, self._receiving, store, watch, cancelled)

    def _find(self, peer: Correspondent, inquiry: Inquiry, cancelled: Cancelled) -> Answers:
        with self._querying(peer, inquiry) as opened:
            yield from self._answers(peer, opened, inquiry, 1, cancelled)

    @contextmanager
    def _querying(self, peer: Correspondent, inquiry: Inquiry) -> Iterator[Association]:
        """An association for queries such as this one."""
        sop_class = inquiry.sop_class
        extended = {sop_class: _RELATIONAL} if inquiry.needs_relational else {}
        with association(peer, self._remote(peer), propose(peer, [(sop_class, _SYNTAXES)], {}, extended)) as opened:
            agreed_context(peer, opened, sop_class, "queries")
            if extended and opened.agreed.extended.get(sop_class, b"")[:1] != _RELATIONAL:
                raise invalid_field("matches", "lack a unique key of the levels above, and the peer needs them all")
            yield opened

    def _answers(
        self, peer: Correspondent, opened: Association, inquiry: Inquiry, message_id: int, cancelled: Cancelled
    ) -> Answers:
        context = agreed_context(peer, opened, inquiry.sop_class, "queries")
        identifier = encode(inquiry.identifier, context.transfer_syntax, _CHARACTER_SET)
        asked = request(
            Operation.C_FIND,
            message_id,
            has_data_set=True,
            affected_sop_class_uid=inquiry.sop_class,
            priority=Priority.MEDIUM,
        )
        exchange = Exchange(opened, context, asked, self._seconds(peer))
        with closing(exchange.responses(cancelled, identifier)) as responses:
            for message in responses:
                status = message.command.status
                if status in (Status.PENDING, Status.PENDING_WITH_UNSUPPORTED_KEYS):
                    yield _answer(peer, message)
                elif status not in (Status.SUCCESS, Status.CANCELLED):
                    raise refused(peer, status or 0)

    def _remote(self, peer: Correspondent) -> Remote:
        """Raises DianaError AE_UNAVAILABLE."""
        if remote := self._remotes.get(peer.name):
            return remote
        raise DianaError(Reason.AE_UNAVAILABLE, f"The configuration does not say where {peer.name} is reached.")

    def _seconds(self, peer: Correspondent) -> float:
        return self._remote(peer).network_seconds


def _kept(peer: Correspondent, answers: Answers, keep: Callable[[DataSetJson], Found | None]) -> list[Found]:
    found = []
    for number, answer in enumerate(answers):
        if number == _MOST_ANSWERS:
            raise DianaError(Reason.RESULT_TOO_LARGE, f"{peer.name} answers a query with too much.")
        if kept := keep(answer):
            found.append(kept)
    return found


def _answer(peer: Correspondent, message: Message) -> DataSetJson:
    try:
        return decode(message.read(MOST_BYTES), message.context.transfer_syntax)
    except DianaError as error:
        raise DianaError(Reason.PEER_REFUSED, f"{peer.name} answers with a data set that cannot be read.") from error
