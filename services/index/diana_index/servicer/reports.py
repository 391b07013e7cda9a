"""ReportService over the core."""

from __future__ import annotations

import grpc

from diana.index.v1 import report_service_pb2 as pb
from diana.index.v1.report_service_pb2_grpc import ReportServiceServicer
from diana_common.errors import DianaError, Reason
from diana_index.core.index import Index
from diana_index.core.written import Written
from diana_index.wire import DEFAULT_STORE
from diana_index.wire.reports import report_from_proto, report_to_proto

_MOST_LISTED = 1000


class ReportServicer(ReportServiceServicer):
    """Answers for reports."""

    def __init__(self, written: Written, index: Index) -> None:
        self._written = written
        self._index = index

    def PutReports(self, request: pb.PutReportsRequest, context: grpc.ServicerContext) -> pb.PutReportsResponse:
        reports = [report_from_proto(one, f"reports[{number}]") for number, one in enumerate(request.reports)]
        self._written.put_reports(request.store or DEFAULT_STORE, reports)
        return pb.PutReportsResponse(reports=[report_to_proto(one) for one in reports])

    def GetReport(self, request: pb.GetReportRequest, context: grpc.ServicerContext) -> pb.GetReportResponse:
        report = self._index.report(request.store or DEFAULT_STORE, request.report_id, context.is_active)
        if report is None:
            raise DianaError(Reason.REPORT_NOT_FOUND, "There is no report of this id.")
        return pb.GetReportResponse(report=report_to_proto(report, with_text=True))

    def ListStudyReports(
        self, request: pb.ListStudyReportsRequest, context: grpc.ServicerContext
    ) -> pb.ListStudyReportsResponse:
        store = request.store or DEFAULT_STORE
        found = self._index.study_reports(store, request.study_uid, _MOST_LISTED, context.is_active)
        return pb.ListStudyReportsResponse(reports=[report_to_proto(one) for one in found])

    def DeleteReport(self, request: pb.DeleteReportRequest, context: grpc.ServicerContext) -> pb.DeleteReportResponse:
        self._written.delete_report(request.store or DEFAULT_STORE, request.report_id)
        return pb.DeleteReportResponse()
