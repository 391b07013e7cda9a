"""DimseService over the core."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing

import grpc

from diana.dimse.v1 import dimse_service_pb2 as pb
from diana.dimse.v1.dimse_service_pb2_grpc import DimseServiceServicer
from diana_common.errors import DianaError, Reason
from diana_dimse.core.doorway import Doorway
from diana_dimse.core.outbound.book import AddressBook
from diana_dimse.core.outbound.peering import Pacs
from diana_dimse.servicer.operations import RETRIEVE, SEND, consignment, retrieve_order
from diana_dimse.wire.asking import duration, inquiry_from_proto
from diana_dimse.wire.listing import association_to_proto, entity_to_proto, peer_to_proto
from diana_server.operations import OperationQueue, operation_to_proto

_MOST_ANSWERS = 1000


class DimseServicer(DimseServiceServicer):
    """Every RPC of the contract; its comments say what each answers and refuses."""

    def __init__(
        self, book: AddressBook, doorway: Doorway, pacs: Pacs, queue: OperationQueue, is_stopping: Callable[[], bool]
    ) -> None:
        self._book, self._doorway, self._pacs, self._queue = book, doorway, pacs, queue
        self._is_stopping = is_stopping

    def ListPeers(self, request: pb.ListPeersRequest, context: grpc.ServicerContext) -> pb.ListPeersResponse:
        peers = sorted(self._book.correspondents.items())
        return pb.ListPeersResponse(peers=[peer_to_proto(one) for _, one in peers])

    def ListLocalEntities(
        self, request: pb.ListLocalEntitiesRequest, context: grpc.ServicerContext
    ) -> pb.ListLocalEntitiesResponse:
        entities = sorted(self._book.directory.entities.items())
        return pb.ListLocalEntitiesResponse(
            entities=[entity_to_proto(one) for _, one in entities],
            address=self._doorway.address,
            tls_address=self._doorway.tls_address,
        )

    def ListAssociations(
        self, request: pb.ListAssociationsRequest, context: grpc.ServicerContext
    ) -> pb.ListAssociationsResponse:
        return pb.ListAssociationsResponse(associations=map(association_to_proto, self._doorway.associations()))

    def EchoPeer(self, request: pb.EchoPeerRequest, context: grpc.ServicerContext) -> pb.EchoPeerResponse:
        return pb.EchoPeerResponse(round_trip=duration(self._pacs.echo(self._book.peer(request.peer))))

    def FindAtPeer(
        self, request: pb.FindAtPeerRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.FindAtPeerResponse]:
        peer, inquiry = self._book.peer(request.peer), inquiry_from_proto(request)
        limit = request.limit or _MOST_ANSWERS

        def cancelled() -> bool:
            return self._is_stopping() or not context.is_active()

        with closing(self._pacs.find(peer, inquiry, cancelled)) as answers:
            for number, answer in enumerate(answers):
                if number == limit:
                    raise DianaError(Reason.RESULT_TOO_LARGE, f"{peer.name} has more than {limit} answers.")
                text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
                yield pb.FindAtPeerResponse(dicom_json=[text.encode()])
        if self._is_stopping():  # which may have cut the answers off
            raise DianaError(Reason.STOPPING, "The server is stopping.")

    def RetrieveFromPeer(
        self, request: pb.RetrieveFromPeerRequest, context: grpc.ServicerContext
    ) -> pb.RetrieveFromPeerResponse:
        retrieve_order(request, self._book)
        request_id, request.request_id = request.request_id, ""
        store = self._book.store(request.store)
        payload = request.SerializeToString(deterministic=True)
        operation = self._queue.submit(RETRIEVE, payload, store, request_id)
        return pb.RetrieveFromPeerResponse(operation=operation_to_proto(operation))

    def SendToPeer(self, request: pb.SendToPeerRequest, context: grpc.ServicerContext) -> pb.SendToPeerResponse:
        consignment(request, self._book)
        request_id, request.request_id = request.request_id, ""
        store = self._book.store(request.store)
        payload = request.SerializeToString(deterministic=True)
        operation = self._queue.submit(SEND, payload, store, request_id)
        return pb.SendToPeerResponse(operation=operation_to_proto(operation))
