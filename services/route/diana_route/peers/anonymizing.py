"""The action `anonymize`: a study de-identified into another store, whose it was sealed with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from diana.operation.v1.operation_service_pb2 import Operation
from diana_client import AnonClient, ArchiveClient, study_result
from diana_common.attempts import Failed, Postponed, Refused
from diana_route.core.model import Item, Job, StudyItem, Task
from diana_route.core.patterns import filled
from diana_route.core.rules import Anonymize
from diana_route.peers.attributes import filled_for
from diana_route.peers.faults import attempted
from diana_route.peers.held import ARCHIVE, Held, read_by_then, study
from diana_route.peers.operations import Begin, Credits, Operations, begin_time
from diana_route.peers.sealing import Signature

ANON = "anon"


class Anonymizing:
    """Carries out one `anonymize` of one rule. Once by `request_id`: anon answers it with the same operation.

    The new study's UID is with anon's operation alone, never in the journal: the memo holds the operation's name until
    the step ends, and what asks later asks anon again.
    """

    def __init__(
        self,
        spec: Anonymize,
        anon: AnonClient,
        operations: Operations,
        archive: ArchiveClient,
        crediting: Credits | None = None,
    ) -> None:
        """`crediting` is told of anon's operations; None where all that is made is news to rules.

        Raises DianaError INVALID_FIELD for sealed attributes that are none."""
        self._spec = spec
        self._anon = anon
        self._operations = operations
        self._archive = archive
        self._crediting = crediting
        self._signature = Signature(spec.sealed)

    def target(self, item: Item) -> str:
        """See core.actions.Action."""
        return ANON

    def carry_out(self, task: Task) -> None:
        """See core.actions.Action. Done when all instances are, and the signature is sealed."""
        original = study(task.job.item)
        operation = self._operations.done(task, self._beginning(task.job, original), self._check)
        with attempted(ANON):
            result = study_result(operation)
        self._signature.seal(self._archive, original, task.job, result.target_store, result.study_uid)

    def confirmed(self, job: Job, number: int, held: Sequence[Held]) -> frozenset[str]:
        """See peers.held.Confirming: the new study has at least as many instances as were made, by the archive's count.

        Of the original's, those count that were there before anon began.
        """
        begin = self._beginning(job, study(job.item))
        operation = self._operations.again(job.request_id(number), begin, self._check)
        with attempted(ANON):
            result = study_result(operation)
        with attempted(ARCHIVE):
            there = self._archive.study(result.study_uid, store=result.target_store).instance_count
        if there < result.instance_count:
            return frozenset()
        return read_by_then(held, begin_time(operation), result.instance_count)

    def made(self, job: Job, number: int) -> StudyItem:
        """The study that the step of that number made, once it is done. Raises Failed."""
        begin = self._beginning(job, study(job.item))
        operation = self._operations.again(job.request_id(number), begin, self._check)
        with attempted(ANON):
            result = study_result(operation)
        return StudyItem(result.target_store, result.study_uid)

    def _beginning(self, job: Job, original: StudyItem) -> Begin:
        spec = self._spec

        def fill(attributes: Mapping[str, str]) -> dict[str, str]:
            return {key: filled(text, attributes) for key, text in (spec.attributes or {}).items()}

        plain = filled_for(self._archive, original, fill)

        def begin(request_id: str) -> Operation:
            operation = self._anon.anonymize_study(
                original.study_uid,
                spec.to,
                source_store=original.store,
                profile=spec.profile,
                attributes=plain,
                copied_attributes=spec.copied,
                request_id=request_id,
            )
            if self._crediting:
                self._crediting.credit(job.number, operation.name)
            return operation

        return begin

    def _check(self, operation: Operation) -> Failed | None:
        if partly := self._operations.partly(operation):
            return partly
        with attempted(ANON):
            result = study_result(operation)
        if result.failed_count or result.quarantined_count:
            return Refused(f"{result.failed_count} instances failed at anon, {result.quarantined_count} in quarantine")
        if not result.completed:
            return Postponed("instances came or went while anon was at it; it goes over them again")
        return None
