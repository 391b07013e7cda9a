"""Finds what an operation's report is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from diana_anon.core.proof.findings import FindingsReader
from diana_anon.core.proof.receipts import Signer
from diana_anon.core.reports.counts import Accounts, Counts, previewed_counts
from diana_anon.core.reports.done import done
from diana_anon.core.reports.model import Report
from diana_anon.core.reports.page import html_report
from diana_anon.core.reports.previewed import previewed
from diana_anon.core.reports.written import csv_report, json_report
from diana_common.errors import DianaError, Reason

FORMS: dict[str, Callable[[Report], Iterator[bytes]]] = {"json": json_report, "csv": csv_report, "html": html_report}
"""What writes a report, by its form."""


@dataclass(frozen=True, slots=True)
class Library:
    """The reports of all operations."""

    accounts: Accounts
    findings: FindingsReader
    signer: Signer

    def counts(self, operation: str) -> Counts:
        """What an operation has done by now, or a dry run found. Raises STORE_DAMAGED."""
        if self.findings.head(operation) is not None:
            return previewed_counts(operation, self.findings, self.accounts.operations)
        return self.accounts.counts(operation)

    def report(self, operation: str) -> Report:
        """What is there of it by now. Raises OPERATION_NOT_FOUND, STORE_DAMAGED."""
        found = previewed(operation, self.findings, self.accounts.operations)
        found = found or done(operation, self.accounts, self.signer)
        if found is None:
            raise DianaError(Reason.OPERATION_NOT_FOUND, "There is no report of an operation of this name.")
        return found
