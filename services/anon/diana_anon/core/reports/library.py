"""Finds what an operation's report is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from diana_anon.core.ports import Ledger, Quarantine
from diana_anon.core.proof.findings import FindingsReader
from diana_anon.core.proof.receipts import Signer
from diana_anon.core.reports.done import done
from diana_anon.core.reports.model import Operations, Report
from diana_anon.core.reports.page import html_report
from diana_anon.core.reports.previewed import previewed
from diana_anon.core.reports.written import csv_report, json_report
from diana_common.errors import DianaError, Reason

FORMS: dict[str, Callable[[Report], Iterator[bytes]]] = {"json": json_report, "csv": csv_report, "html": html_report}
"""What writes a report, by its form."""


@dataclass(frozen=True, slots=True)
class Library:
    """The reports of all operations."""

    ledger: Ledger
    quarantine: Quarantine
    findings: FindingsReader
    operations: Operations
    signer: Signer

    def report(self, operation: str) -> Report:
        """What is there of it by now. Raises OPERATION_NOT_FOUND, STORE_DAMAGED."""
        found = previewed(operation, self.findings, self.operations)
        found = found or done(operation, self.ledger, self.quarantine, self.operations, self.signer)
        if found is None:
            raise DianaError(Reason.OPERATION_NOT_FOUND, "There is no report of an operation of this name.")
        return found
