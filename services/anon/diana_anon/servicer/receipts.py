"""ReceiptService over the core."""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from diana.anon.v1 import receipt_service_pb2 as pb
from diana.anon.v1.receipt_service_pb2_grpc import ReceiptServiceServicer
from diana_anon.core.pages import PageTokens
from diana_anon.core.ports import Ledger, Quarantine, ReceiptKey
from diana_anon.core.proof.receipts import Receipt, Signer
from diana_anon.core.reports.library import FORMS, Library
from diana_anon.wire.receipts import entry_to_proto, key_to_proto, receipt_to_proto

_FORMS = {
    pb.REPORT_FORMAT_JSON: FORMS["json"],
    pb.REPORT_FORMAT_CSV: FORMS["csv"],
    pb.REPORT_FORMAT_HTML: FORMS["html"],
}
_PAGE_BYTES = 2 * 1024 * 1024
_RECEIPTS, _MOST_RECEIPTS = 100, 200
_PART = 20
_ENTRIES, _MOST_ENTRIES = 100, 1000


class ReceiptServicer(ReceiptServiceServicer):
    """The ledger, the quarantine, the public keys and the reports."""

    def __init__(self, ledger: Ledger, quarantine: Quarantine, signer: Signer, library: Library) -> None:
        self._ledger = ledger
        self._quarantine = quarantine
        self._signer = signer
        self._library = library

    def GetReceipt(self, request: pb.GetReceiptRequest, context: grpc.ServicerContext) -> pb.GetReceiptResponse:
        if request.HasField("result_sha256"):
            found = self._ledger.of_result(request.result_sha256)
        else:
            found = self._ledger.newest(request.sop_instance_uid)
        return pb.GetReceiptResponse(receipt=receipt_to_proto(found))

    def ListReceipts(self, request: pb.ListReceiptsRequest, context: grpc.ServicerContext) -> pb.ListReceiptsResponse:
        """A page ends before 2 MiB, but for one receipt that is larger by itself."""
        size = min(request.page_size or _RECEIPTS, _MOST_RECEIPTS)
        pages = PageTokens("ListReceipts", request.study_uid, request.operation)
        after = _receipt_key(*pages.place(request.page_token, 2))
        response, last, room = pb.ListReceiptsResponse(), after, _PAGE_BYTES
        for key, receipt in self._receipts(request, after):
            message = receipt_to_proto(receipt)
            room -= message.ByteSize()
            if response.receipts and (room < 0 or len(response.receipts) == size):
                response.next_page_token = pages.token(last.sop_instance_uid, last.number)
                break
            response.receipts.append(message)
            last = key
        return response

    def _receipts(self, request: pb.ListReceiptsRequest, after: ReceiptKey) -> Iterator[tuple[ReceiptKey, Receipt]]:
        """Read a few at a time: a page may end after the first."""
        actions = not request.omit_actions
        while part := self._ledger.receipts(request.study_uid, request.operation, after, _PART, actions=actions):
            yield from part
            after = part[-1][0]

    def ListSigningKeys(
        self, request: pb.ListSigningKeysRequest, context: grpc.ServicerContext
    ) -> pb.ListSigningKeysResponse:
        return pb.ListSigningKeysResponse(keys=map(key_to_proto, self._signer.public_keys()))

    def WriteReport(
        self, request: pb.WriteReportRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WriteReportResponse]:
        report = self._library.report(request.operation)
        for piece in _FORMS[request.format](report):
            yield pb.WriteReportResponse(data=piece)

    def ListQuarantined(
        self, request: pb.ListQuarantinedRequest, context: grpc.ServicerContext
    ) -> pb.ListQuarantinedResponse:
        size = min(request.page_size or _ENTRIES, _MOST_ENTRIES)
        pages = PageTokens("ListQuarantined", request.operation, request.show_released)
        after = int(*pages.place(request.page_token, 1) or "0")
        found = self._quarantine.entries(request.operation, request.show_released, after, size + 1)
        return pb.ListQuarantinedResponse(
            entries=map(entry_to_proto, found[:size]),
            next_page_token=pages.token(found[size - 1].number) if len(found) > size else "",
        )

    def ReleaseQuarantined(
        self, request: pb.ReleaseQuarantinedRequest, context: grpc.ServicerContext
    ) -> pb.ReleaseQuarantinedResponse:
        released = self._quarantine.release(request.ids, request.released_by)
        return pb.ReleaseQuarantinedResponse(entries=map(entry_to_proto, released))


def _receipt_key(sop_instance_uid: str = "", number: str = "0") -> ReceiptKey:
    return ReceiptKey(sop_instance_uid, int(number))
