"""The clients for the proof of de-identification: receipts, the keys they are signed with, quarantine, reports."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from diana.anon.v1 import receipt_service_pb2 as pb
from diana.anon.v1.receipt_service_pb2_grpc import ReceiptServiceStub
from diana_client.calls import LARGEST_PAGE, AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel

if TYPE_CHECKING:
    from diana.anon.v1.receipt_service_pb2_grpc import ReceiptServiceAsyncStub

ReportForm = Literal["json", "csv", "html"]

_RECEIPTS = 200
"""The most receipts of an answer."""


class ReceiptClient(Caller):
    """Talks to `ReceiptService`. Safe to share between threads."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = ReceiptServiceStub(channel.raw)

    def get(self, sop_instance_uid: str = "", *, result_sha256: str = "") -> pb.Receipt:
        """The newest receipt of a de-identified instance, by its UID or its file's SHA-256. Raises NotFound."""
        return self._ask(self.stub.GetReceipt, _get_request(sop_instance_uid, result_sha256)).receipt

    def receipts(self, *, study_uid: str = "", operation: str = "", omit_actions: bool = False) -> Iterator[pb.Receipt]:
        """The receipts of a de-identified study, or of an operation, by SOP Instance UID."""
        request = _list_request(study_uid, operation, omit_actions)
        return self._pages(self.stub.ListReceipts, request, lambda page: page.receipts)

    def signing_keys(self) -> list[pb.SigningKey]:
        """The public keys that receipts are signed with, the one in use first."""
        return list(self._ask(self.stub.ListSigningKeys, pb.ListSigningKeysRequest()).keys)

    def report(self, operation: str, form: ReportForm = "html") -> Generator[bytes, None, None]:
        """The report of an operation in pieces. Raises NotFound."""
        for answer in self._stream(self.stub.WriteReport, _report_request(operation, form)):
            yield answer.data

    def quarantined(self, *, operation: str = "", show_released: bool = False) -> Iterator[pb.QuarantineEntry]:
        """The instances that were held back, by an operation or by all, oldest first."""
        request = pb.ListQuarantinedRequest(operation=operation, show_released=show_released, page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListQuarantined, request, lambda page: page.entries)

    def release(self, ids: Iterable[str], released_by: str) -> list[pb.QuarantineEntry]:
        """Let the next operation by the same profile take them; who looked at them goes into their receipts."""
        request = pb.ReleaseQuarantinedRequest(ids=ids, released_by=released_by)
        return list(self._ask(self.stub.ReleaseQuarantined, request).entries)


class AsyncReceiptClient(AsyncCaller):
    """As `ReceiptClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: ReceiptServiceAsyncStub = ReceiptServiceStub(channel.raw)

    async def get(self, sop_instance_uid: str = "", *, result_sha256: str = "") -> pb.Receipt:
        """As `ReceiptClient.get`."""
        return (await self._ask(self.stub.GetReceipt, _get_request(sop_instance_uid, result_sha256))).receipt

    def receipts(
        self, *, study_uid: str = "", operation: str = "", omit_actions: bool = False
    ) -> AsyncIterator[pb.Receipt]:
        """As `ReceiptClient.list`."""
        request = _list_request(study_uid, operation, omit_actions)
        return self._pages(self.stub.ListReceipts, request, lambda page: page.receipts)

    async def signing_keys(self) -> list[pb.SigningKey]:
        """As `ReceiptClient.signing_keys`."""
        return list((await self._ask(self.stub.ListSigningKeys, pb.ListSigningKeysRequest())).keys)

    async def report(self, operation: str, form: ReportForm = "html") -> AsyncGenerator[bytes, None]:
        """As `ReceiptClient.report`."""
        async for answer in self._stream(self.stub.WriteReport, _report_request(operation, form)):
            yield answer.data

    def quarantined(self, *, operation: str = "", show_released: bool = False) -> AsyncIterator[pb.QuarantineEntry]:
        """As `ReceiptClient.quarantined`."""
        request = pb.ListQuarantinedRequest(operation=operation, show_released=show_released, page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListQuarantined, request, lambda page: page.entries)

    async def release(self, ids: Iterable[str], released_by: str) -> list[pb.QuarantineEntry]:
        """As `ReceiptClient.release`."""
        request = pb.ReleaseQuarantinedRequest(ids=ids, released_by=released_by)
        return list((await self._ask(self.stub.ReleaseQuarantined, request)).entries)


def _get_request(sop_instance_uid: str, result_sha256: str) -> pb.GetReceiptRequest:
    if result_sha256:
        return pb.GetReceiptRequest(result_sha256=result_sha256)
    return pb.GetReceiptRequest(sop_instance_uid=sop_instance_uid)


def _list_request(study_uid: str, operation: str, omit_actions: bool) -> pb.ListReceiptsRequest:
    if study_uid:
        return pb.ListReceiptsRequest(study_uid=study_uid, page_size=_RECEIPTS, omit_actions=omit_actions)
    return pb.ListReceiptsRequest(operation=operation, page_size=_RECEIPTS, omit_actions=omit_actions)


def _report_request(operation: str, form: ReportForm) -> pb.WriteReportRequest:
    return pb.WriteReportRequest(operation=operation, format=pb.ReportFormat.Value(f"REPORT_FORMAT_{form.upper()}"))
