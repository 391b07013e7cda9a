"""What becomes of a newcomer: stored, the same as one that is there, kept beside it, or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from diana_archive.core.failures import Undecided
from diana_archive.core.model import ConflictPolicy, Known, Newcomer, Outcome, State, Stored
from diana_archive.core.ports import Changes, Draft, Snapshot
from diana_common.errors import DianaError, Reason

Answer = Callable[[Stored | DianaError], None]

Room = Callable[[Snapshot, int], None]
"""Raises DianaError when a store has no room for so many bytes more."""


def find_same(known: Sequence[Known], transfer_syntax_uid: str, data_set_sha256: bytes) -> Known | None:
    """The instance, current or older, that is the same: equal in UID, Transfer Syntax and data set, and whole."""
    for one in known:
        same = one.data_set_sha256 == data_set_sha256 and one.transfer_syntax_uid == transfer_syntax_uid
        if same and not one.damaged:
            return one
    return None


def check_conflict(known: Sequence[Known], policy: ConflictPolicy, sop_instance_uid: str) -> None:
    """Raises DianaError INSTANCE_CONFLICT when others are there and the policy keeps only them."""
    if policy == ConflictPolicy.REFUSE and not all(one.damaged for one in known):
        raise DianaError(
            Reason.INSTANCE_CONFLICT,
            "Another data set is stored under this SOP Instance UID.",
            metadata={"sop_instance_uid": sop_instance_uid},
        )


def stored_before(snapshot: Snapshot, same: Known, sop_instance_uid: str, store: str) -> Stored:
    """The answer for an instance that is there already."""
    instance = snapshot.instance(store, sop_instance_uid, same.version)
    if instance is None:
        raise DianaError(Reason.INTERNAL, "The catalogue contradicts itself.")
    return Stored(Outcome.ALREADY_STORED, instance)


class Storing:
    """A newcomer on its way through the committer (core.committer.Change).

    What was looked up when it arrived is looked up again here: only the committer sees everything.
    """

    def __init__(
        self, newcomer: Newcomer, draft: Draft, policy: ConflictPolicy, answer: Answer, room: Room | None = None
    ) -> None:
        self.draft: Draft | None = draft
        self.weight = len(newcomer.header)
        self._newcomer = newcomer
        self._bytes = draft
        self._policy = policy
        self._answer = answer
        self._room = room
        self._stored: Stored | None = None

    def apply(self, changes: Changes) -> None:
        """See core.committer.Change."""
        one = self._newcomer
        known = changes.known(one.store, one.sop_instance_uid)
        if same := find_same(known, one.transfer_syntax_uid, one.data_set_sha256):
            self._stored = stored_before(changes, same, one.sop_instance_uid, one.store)
            return
        check_conflict(known, self._policy, one.sop_instance_uid)
        if self._room:
            self._room(changes, one.size_bytes)
        current = next((other for other in known if other.current), None)
        if current:
            self._step_down(changes, current)
        instance = changes.add(one, self._bytes.object_id, current.version if current else "")
        self._stored = Stored(Outcome.STORED_AS_CURRENT if current else Outcome.STORED, instance)

    def _step_down(self, changes: Changes, current: Known) -> None:
        """What was current becomes an older version; what a verification found damaged goes for good."""
        if current.damaged:
            changes.purge([current.object_id])
        else:
            changes.set_state([current.object_id], State.OLDER)

    def done(self, error: DianaError | None) -> None:
        """See core.committer.Change."""
        if self._stored and self._stored.outcome != Outcome.ALREADY_STORED and not error:
            self._bytes.close()
        elif error and (error.reason == Reason.INTERNAL or isinstance(error, Undecided)):
            # A commit that failed may yet be found on the disk after a crash: its bytes stay, and are
            # swept at the next start if it is not, or set aside by a verification.
            self._bytes.close()
        else:
            self._bytes.discard()
        self._answer(error or self._require_stored())

    def _require_stored(self) -> Stored | DianaError:
        return self._stored or DianaError(Reason.INTERNAL, "The instance was not taken up.")
