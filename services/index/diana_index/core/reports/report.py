"""A report of a study: its text, and what it finds."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diana_common.errors import invalid_field
from diana_index.core.forms import text_form
from diana_index.core.reports.finding import Finding
from diana_index.core.reports.findings import findings
from diana_index.core.reports.structured import report_text


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody says of a study."""

    report_id: str
    """Unique within a store; of a structured report its SOP Instance UID."""
    study_uid: str
    accession_number: str
    """Of the studies it is of; either this or `study_uid` may be empty."""
    text: str
    time: float | None = None
    """When it was written: seconds since the epoch, UTC; None if unknown."""
    structured: bool = False
    """Whether it is an instance of the archive."""
    findings: tuple[Finding, ...] = field(default=())
    """What the text states."""


def check_names(report: Report, path: str) -> None:
    """Raises DianaError INVALID_FIELD if a plain report says too little of what it is of; `path`: where it is."""
    for part, name in (("report_id", report.report_id), ("accession_number", report.accession_number)):
        if any(unicodedata.category(char) == "Cc" for char in name):
            raise invalid_field(f"{path}.{part}", "must not have control characters")
    if not report.study_uid and not report.accession_number:
        raise invalid_field(f"{path}.study_uid", "is required, or accession_number")


def make_report(report_id: str, study_uid: str, accession_number: str, text: str, time: float | None = None) -> Report:
    """A plain report, with what it finds. Its accession number is as studies' are compared."""
    accession_number = text_form(accession_number) or ""
    return Report(report_id, study_uid, accession_number, text, time, findings=tuple(findings(text)))


def structured_report(header: Mapping[str, Any], sop_uid: str, study_uid: str) -> Report | None:
    """The report that an instance is; None if it is none."""
    text = report_text(header)
    if text is None:
        return None
    return Report(sop_uid, study_uid, "", text, structured=True, findings=tuple(findings(text)))
