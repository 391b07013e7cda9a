"""Between the messages of ReportService and the index's own words of reports."""

from __future__ import annotations

from diana.index.v1 import report_service_pb2 as pb
from diana_common.errors import invalid_field
from diana_index.core.reports import Report, check_names, make_report
from diana_server.times import timestamp


def report_from_proto(message: pb.Report, path: str) -> Report:
    """A plain report; `path`: where in the request it is. Raises DianaError INVALID_FIELD."""
    report = make_report(
        message.report_id, message.study_uid, message.accession_number, message.text, _seconds(message, path)
    )
    check_names(report, path)
    return report


def report_to_proto(report: Report, with_text: bool = False) -> pb.Report:
    """A report as the contract has it."""
    return pb.Report(
        report_id=report.report_id,
        study_uid=report.study_uid,
        accession_number=report.accession_number,
        text=report.text if with_text else "",
        report_time=None if report.time is None else timestamp(report.time),
        findings=[
            pb.Finding(name=one.name, text=one.text, number=one.number, start=one.start, end=one.end)
            for one in report.findings
        ],
        structured=report.structured,
    )


def _seconds(message: pb.Report, path: str) -> float | None:
    if not message.HasField("report_time"):
        return None
    try:
        return message.report_time.ToMicroseconds() / 1e6
    except ValueError:
        raise invalid_field(f"{path}.report_time", "is no time of the years 1 to 9999") from None
