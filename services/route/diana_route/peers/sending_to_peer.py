"""The action `send` to a DICOM peer: by the DICOM door (C-STORE), confirmed by commitment or by asking the peer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from diana.operation.v1.operation_service_pb2 import Operation
from diana_client import DimseClient, FailedPrecondition, send_result
from diana_common.attempts import Failed, Refused
from diana_common.dicomjson import first_value
from diana_common.errors import Reason
from diana_route.core.model import InstanceItem, Item, Job, Task
from diana_route.core.rules import Send
from diana_route.peers.faults import attempted
from diana_route.peers.held import Held, StoredItem, read_by_then, stored
from diana_route.peers.operations import Begin, Memo, Operations, begin_time

_MOST_ANSWERS = 100_000
_SECONDS = 300.0
_SOP_INSTANCE_UID = "00080018"


class SendingToPeer:
    """Carries out one `send` of one rule to a peer. Once by `request_id`: one operation of the door's."""

    def __init__(self, spec: Send, dimse: DimseClient, operations: Operations, *, unconfirmed: bool = False) -> None:
        """`unconfirmed`: that the peer took an instance is enough where it can say no more."""
        self._spec = spec
        self._dimse = dimse
        self._operations = operations
        self._unconfirmed = unconfirmed

    def target(self, item: Item) -> str:
        """See core.actions.Action."""
        return self._peer

    def carry_out(self, task: Task) -> None:
        """See core.actions.Action. Done when the peer took all of it and, if that is asked for, committed itself.

        A peer that does not answer now gets no operation that would wait for it, and keep other peers' waiting.
        """
        begin = self._beginning(stored(task.job.item))
        if not Memo.of(task).operation:
            self._check_reachable()
        self._operations.done(task, begin, self._check)

    def confirmed(self, job: Job, number: int, held: Sequence[Held]) -> frozenset[str]:
        """See peers.held.Confirming. Those that the peer committed itself to keep; else those that it finds (C-FIND).

        Raises Refused where it offers neither, unless the rule does without.
        """
        operation = self._operations.again(job.request_id(number), self._beginning(stored(job.item)), self._check)
        with attempted(self._peer):
            count = send_result(operation).sent_count
        sent = read_by_then(held, begin_time(operation), count)
        if self._spec.commit:
            return sent
        try:
            return sent.intersection(self._found(held))
        except _NoQueries:
            if self._unconfirmed:
                return sent
            raise Refused(f"{self._peer} offers no query that would confirm what it took") from None

    @property
    def _peer(self) -> str:
        return f"peer {self._spec.peer}"

    def _check_reachable(self) -> None:
        with attempted(self._peer):
            try:
                self._dimse.echo(self._spec.peer)
            except FailedPrecondition as error:
                if error.reason != Reason.ASSOCIATION_REJECTED.name:  # a peer need not offer verification
                    raise

    def _beginning(self, item: StoredItem) -> Begin:
        if isinstance(item, InstanceItem):
            study_uids, sop_instance_uids = [], [item.sop_instance_uid]
        else:
            study_uids, sop_instance_uids = [item.study_uid], []

        def begin(request_id: str) -> Operation:
            return self._dimse.send(
                self._spec.peer,
                study_uids=study_uids,
                sop_instance_uids=sop_instance_uids,
                store=item.store,
                commit=self._spec.commit,
                request_id=request_id,
            )

        return begin

    def _check(self, operation: Operation) -> Failed | None:
        if partly := self._operations.partly(operation):
            return partly
        with attempted(self._peer):
            result = send_result(operation)
        if result.sent_count < result.instance_count:
            return Refused(f"{self._peer} took {result.sent_count} of {result.instance_count} instances")
        if self._spec.commit and result.committed_count < result.instance_count:
            committed = f"{result.committed_count} of {result.instance_count} instances"
            return Refused(f"{self._peer} commits itself to keep {committed}")
        return None

    def _found(self, held: Sequence[Held]) -> Iterator[str]:
        """The SOP Instance UIDs that the peer finds in the instances' series. Raises _NoQueries."""
        for study_uid, series_uid in dict.fromkeys((one.study_uid, one.series_uid) for one in held):
            matches = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid}
            with attempted(self._peer):
                try:
                    yield from self._answers(matches)
                except FailedPrecondition as error:
                    raise _NoQueries from error

    def _answers(self, matches: Mapping[str, str]) -> frozenset[str]:
        found = self._dimse.find(self._spec.peer, "instance", matches, limit=_MOST_ANSWERS, timeout=_SECONDS)
        return frozenset(first_value(answer, _SOP_INSTANCE_UID) or "" for answer in found)


class _NoQueries(Exception):
    """The peer does not answer queries."""
