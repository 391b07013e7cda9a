"""How many: the numbers that an operation's result and its report in every form have in common."""

from __future__ import annotations

from dataclasses import dataclass

from diana_anon.core.ports import Ledger, Quarantine, StudyBook, StudyEntry
from diana_anon.core.proof.findings import FindingsReader
from diana_anon.core.reports.model import Operations


@dataclass(frozen=True, slots=True)
class Counts:
    """As the contract defines them (WriteReport in diana.anon.v1.ReceiptService); a dry run has what a run would.

    studies: all of whose instances are stored, and failed_studies: the others that were begun. instances: stored.
    refused: instances that are not, of which `quarantined` are held back.
    """

    studies: int = 0
    failed_studies: int = 0
    instances: int = 0
    refused: int = 0
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class Accounts:
    """The books that a run's counts are taken from."""

    ledger: Ledger
    quarantine: Quarantine
    studies: StudyBook
    operations: Operations

    def counts(self, operation: str) -> Counts:
        """What an operation has done by now. Raises STORE_DAMAGED."""
        entries = self.entries(operation)
        whole = sum(one.whole for one in entries)
        sources = {one.source_study_uid for one in entries}
        return Counts(
            studies=whole,
            failed_studies=len(entries) - whole,
            instances=sum(self.ledger.counts(operation).values()),
            refused=sum(one.item not in sources for one in self.operations.failures(operation)),
            quarantined=self.quarantine.count(operation),
        )

    def entries(self, operation: str) -> list[StudyEntry]:
        """The studies that were begun; of an older operation, which the book does not know, those with receipts."""
        known = self.studies.entries(operation)
        others = self.ledger.counts(operation).keys() - {one.study_uid for one in known}
        return known + [StudyEntry("", uid, 0, True) for uid in sorted(others)]


def previewed_counts(operation: str, findings: FindingsReader, operations: Operations) -> Counts:
    """What a run would do. Raises STORE_DAMAGED."""
    whole = failed = instances = refused = held = 0
    for study in findings.studies(operation):
        whole += not study.refused
        failed += study.refused > 0
        instances += study.instances
        refused += study.refused
        held += study.held
    failed += sum(1 for _ in operations.failures(operation))
    return Counts(whole, failed, instances, refused, held)
