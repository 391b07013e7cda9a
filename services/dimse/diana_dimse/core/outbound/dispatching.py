"""Sends instances of a store to a peer at its pace and in its hours; resumed where it was (PS3.4 Annex B)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Protocol

from diana_common.errors import DianaError, Reason
from diana_dimse.core.commitment.model import Reference
from diana_dimse.core.outbound.pacing import PASSING, Clock, Pace, Turn, Waiting, Work
from diana_dimse.core.outbound.peering import Cancelled, Correspondent, Pacs
from diana_dimse.core.sending.contexts import Wish
from diana_dimse.core.sending.selection import Reading, StoredInstance
from diana_dimse.core.sending.sender import Link, Outcome, Sender, Sent
from diana_dimse.core.statuses import Status

_UNIT = "instances"
_A_PART = 500
_A_CHECKPOINT = 50


class Caller(Protocol):
    """Opens associations to send over."""

    def dial(self, peer: str, calling: str, called: str, wishes: Sequence[Wish]) -> Link:
        """An association with a peer. Raises LinkEnded."""
        ...


class Commitments(Protocol):
    """Asks peers to commit themselves to keep instances (PS3.4 Annex J)."""

    def ask(self, peer: Correspondent, references: Sequence[Reference], cancelled: Cancelled) -> Mapping[str, int]:
        """The Failure Reason (0008,1197), by SOP Instance UID, of each that the peer does not commit itself to keep.

        Raises DianaError.
        """
        ...


@dataclass(frozen=True)
class Consignment:
    """What to send, and where to."""

    peer: Correspondent
    store: str
    study_uids: Sequence[str]
    sop_instance_uids: Sequence[str]
    commit: bool


@dataclass
class Dispatched:
    """What came of it so far; the operation's checkpoint."""

    part: int = 0
    """Studies and portions of the named instances that are done."""

    done: list[str] = field(default_factory=list)
    """Instances of the next one that are done."""

    finished_count: int = 0
    instance_count: int = 0
    sent_count: int = 0
    warning_count: int = 0
    converted_count: int = 0
    committed_count: int = 0


class Dispatcher:
    """Sends such consignments. Safe to share between threads."""

    def __init__(
        self,
        sender: Sender,
        reading: Reading,
        caller: Caller,
        pacs: Pacs,
        paces: Mapping[str, Pace],
        clock: Clock,
        waiting: Waiting,
        commitments: Commitments,
    ) -> None:
        """`paces` by the names of peers."""
        self.sender, self.reading, self.caller, self.pacs = sender, reading, caller, pacs
        self.paces, self.clock, self.waiting, self.commitments = paces, clock, waiting, commitments

    def run(self, consignment: Consignment, work: Work) -> Dispatched:
        """Send one, or go on with it. Raises DianaError where none of it can be done."""
        return _Run(self, consignment, work).to_the_end()


class _Run:
    """One attempt at a consignment."""

    def __init__(self, dispatcher: Dispatcher, consignment: Consignment, work: Work) -> None:
        self._to, self._all, self._work = dispatcher, consignment, work
        pace = dispatcher.paces[consignment.peer.name]
        self._turn = Turn(consignment.peer, pace, work, dispatcher.clock, dispatcher.waiting)
        self._state = Dispatched(**json.loads(work.last_checkpoint)) if work.last_checkpoint else Dispatched()
        self._failed = set(work.failed_items)

    def to_the_end(self) -> Dispatched:
        """Do what is left of it."""
        state = self._state
        for part in range(state.part, self._part_count):
            instances = self._turn.patiently(partial(self._instances, part), lambda: False)
            state.instance_count = max(state.instance_count, state.finished_count - len(state.done) + len(instances))
            self._progress()
            done = set(state.done)
            left = {one.sop_instance_uid: one for one in instances if one.sop_instance_uid not in done}
            self._send(left)
            state.part, state.done = part + 1, []
            self._keep()
        if self._all.commit:
            for part in range(self._part_count):
                self._commit(self._turn.patiently(partial(self._instances, part), lambda: False))
        return state

    @property
    def _part_count(self) -> int:
        """A part is a study, or some of the instances that are named."""
        return len(self._all.study_uids) + -(-len(self._all.sop_instance_uids) // _A_PART)

    def _instances(self, part: int) -> list[StoredInstance]:
        """What a part is. What of it is not there has failed."""
        reading, store = self._to.reading, self._all.store
        if part < len(self._all.study_uids):
            study_uid = self._all.study_uids[part]
            found = list(reading.instances(store, study_uid))
            if not found:
                self._fail(study_uid, DianaError(Reason.STUDY_NOT_FOUND, "The store has no such study."))
            return found
        start = (part - len(self._all.study_uids)) * _A_PART
        named = dict.fromkeys(self._all.sop_instance_uids[start : start + _A_PART])
        found = list(reading.named(store, named))
        for uid in named.keys() - {one.sop_instance_uid for one in found}:
            self._fail(uid, DianaError(Reason.INSTANCE_NOT_FOUND, "The store has no such instance."))
        return found

    def _send(self, left: dict[str, StoredInstance]) -> None:
        """Send all that is left; what breaks every association has failed in the end."""
        while left:
            try:
                self._turn.patiently(partial(self._round, left), self._is_reachable)
            except DianaError as error:
                if error.reason not in PASSING:
                    raise
                for one in left.values():
                    self._count(Sent(one, Status.PROCESSING_FAILURE, reason=error.reason))
                return

    def _round(self, left: dict[str, StoredInstance]) -> None:
        """Send what is left until something breaks; what has an answer is left no more.

        Raises DianaError of a reason that passes where nothing could be sent.
        """
        self._turn.wait()
        before, broken = len(left), DianaError(Reason.AE_UNAVAILABLE, f"{self._all.peer.name} takes nothing.")
        with closing(self._to.sender.send_all(self._all.store, list(left.values()), self._dial)) as results:
            for sent in results:
                if sent.reason in PASSING:
                    broken = DianaError(sent.reason, f"{self._all.peer.name} or the archive does not answer.")
                    continue
                del left[sent.instance.sop_instance_uid]
                self._turn.sent(1)
                self._count(sent)
                if left and not self._may_go_on():
                    return
        if len(left) == before:
            raise broken

    def _dial(self, wishes: Sequence[Wish]) -> Link:
        peer = self._all.peer
        return self._to.caller.dial(peer.name, peer.calling, peer.entity.title, wishes)

    def _may_go_on(self) -> bool:
        """Whether the next instance may follow over the same association; waits for its turn."""
        self._turn.hold()
        self._work.raise_if_cancelled()
        return self._turn.is_open()

    def _count(self, sent: Sent) -> None:
        state, uid = self._state, sent.instance.sop_instance_uid
        if sent.reason is not None:
            status = f"{sent.status:04X}"
            message = f"{self._all.peer.name} did not take the instance; status {status}."
            self._fail(uid, DianaError(sent.reason, message, metadata={"status": status}))
        else:
            state.sent_count += 1
            state.warning_count += sent.outcome is Outcome.WARNING
            state.converted_count += sent.is_converted
        state.finished_count += 1
        state.done.append(uid)
        self._progress()
        if not len(state.done) % _A_CHECKPOINT:
            self._keep()

    def _commit(self, instances: Sequence[StoredInstance]) -> None:
        """Ask the peer to commit itself to keep those of them that it took."""
        peer, ask = self._all.peer, self._to.commitments.ask
        taken = [one for one in instances if one.sop_instance_uid not in self._failed]
        references = [Reference(one.sop_class_uid, one.sop_instance_uid) for one in taken]
        if not references:
            return
        refused = self._turn.patiently(lambda: ask(peer, references, self._work.cancelled), self._is_reachable)
        for uid, why in refused.items():
            error = DianaError(
                Reason.PEER_REFUSED,
                f"{peer.name} does not commit itself to keep it.",
                metadata={"status": f"{why:04X}"},
            )
            self._fail(uid, error)
        self._state.committed_count += len(references) - len(refused)

    def _is_reachable(self) -> bool:
        try:
            self._to.pacs.echo(self._all.peer)
        except DianaError as error:
            return error.reason is not Reason.AE_UNAVAILABLE
        return True

    def _fail(self, item: str, error: DianaError) -> None:
        """Record a failed item, once in all attempts. What fails while we stop is tried again when we are back."""
        self._work.raise_if_cancelled()
        if item not in self._failed:
            self._failed.add(item)
            self._work.fail_item(item, error)

    def _progress(self) -> None:
        self._work.progress(self._state.finished_count, self._state.instance_count, _UNIT)

    def _keep(self) -> None:
        self._work.checkpoint(json.dumps(asdict(self._state)).encode())
