"""Radiology reports: their words, the text of structured ones, and what they find."""

from diana_index.core.reports.finding import Finding
from diana_index.core.reports.report import Report, check_names, make_report, structured_report

__all__ = ["Finding", "Report", "check_names", "make_report", "structured_report"]
