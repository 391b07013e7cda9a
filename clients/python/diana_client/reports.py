"""The clients for radiology reports: put plain ones, and read what a study's reports say and find."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING

from diana.index.v1 import report_service_pb2 as pb
from diana.index.v1.report_service_pb2_grpc import ReportServiceStub
from diana_client.calls import AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel

if TYPE_CHECKING:
    from diana.index.v1.report_service_pb2_grpc import ReportServiceAsyncStub

_MOST_REPORTS = 1000
_REQUEST_BYTES = 2 * 1024 * 1024
"""Of the reports of one request; a single one has little more than half of that."""


class ReportClient(Caller):
    """Talks to `ReportService`. Safe to share between threads. An empty `store` means "default"."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = ReportServiceStub(channel.raw)

    def put(self, reports: Iterable[pb.Report], *, store: str = "") -> Iterator[pb.Report]:
        """Store reports, some at a time; yields them as they are kept, with what they find, without their texts."""
        for request in _requests(reports, store):
            yield from self._ask(self.stub.PutReports, request).reports

    def get(self, report_id: str, *, store: str = "") -> pb.Report:
        """A report with its text. Raises NotFound."""
        return self._ask(self.stub.GetReport, pb.GetReportRequest(store=store, report_id=report_id)).report

    def of_study(self, study_uid: str, *, store: str = "") -> list[pb.Report]:
        """A study's reports, structured ones too, the newest first, without their texts."""
        request = pb.ListStudyReportsRequest(store=store, study_uid=study_uid)
        return list(self._ask(self.stub.ListStudyReports, request).reports)

    def delete(self, report_id: str, *, store: str = "") -> None:
        """Forget a plain report, if there is one."""
        self._ask(self.stub.DeleteReport, pb.DeleteReportRequest(store=store, report_id=report_id))


class AsyncReportClient(AsyncCaller):
    """As `ReportClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: ReportServiceAsyncStub = ReportServiceStub(channel.raw)

    async def put(self, reports: Iterable[pb.Report], *, store: str = "") -> AsyncIterator[pb.Report]:
        """As `ReportClient.put`."""
        for request in _requests(reports, store):
            for report in (await self._ask(self.stub.PutReports, request)).reports:
                yield report

    async def get(self, report_id: str, *, store: str = "") -> pb.Report:
        """As `ReportClient.get`."""
        return (await self._ask(self.stub.GetReport, pb.GetReportRequest(store=store, report_id=report_id))).report

    async def of_study(self, study_uid: str, *, store: str = "") -> list[pb.Report]:
        """As `ReportClient.of_study`."""
        request = pb.ListStudyReportsRequest(store=store, study_uid=study_uid)
        return list((await self._ask(self.stub.ListStudyReports, request)).reports)

    async def delete(self, report_id: str, *, store: str = "") -> None:
        """As `ReportClient.delete`."""
        await self._ask(self.stub.DeleteReport, pb.DeleteReportRequest(store=store, report_id=report_id))


def _requests(reports: Iterable[pb.Report], store: str) -> Iterator[pb.PutReportsRequest]:
    request = pb.PutReportsRequest(store=store)
    size = 0
    for report in reports:
        report_size = report.ByteSize()
        if request.reports and (len(request.reports) == _MOST_REPORTS or size + report_size > _REQUEST_BYTES):
            yield request
            request, size = pb.PutReportsRequest(store=store), 0
        request.reports.append(report)
        size += report_size
    if request.reports:
        yield request
