"""What does the door's operations; one that a crash cut short goes on where it was."""

from __future__ import annotations

from collections.abc import Callable

from diana.dimse.v1 import dimse_service_pb2 as pb
from diana_common.errors import invalid_field
from diana_dimse.core.outbound.book import AddressBook
from diana_dimse.core.outbound.collecting import Collector, Order
from diana_dimse.core.outbound.dispatching import Consignment, Dispatcher
from diana_dimse.wire.asking import collected_to_proto, dispatched_to_proto, method_from_proto, selection_from_proto
from diana_server.operations import Work

RETRIEVE, SEND = "dimse.retrieve", "dimse.send"
"""The kinds of operations; the payload of each is its request, without the request_id."""


def retrieve_order(request: pb.RetrieveFromPeerRequest, book: AddressBook) -> Order:
    """What a request asks for. Raises DianaError AE_UNKNOWN, INVALID_FIELD, KEY_UNSUPPORTED."""
    peer = book.peer(request.peer)
    entity = book.receiver(request.store, peer)
    return Order(peer, entity, method_from_proto(request) or peer.retrieve, selection_from_proto(request))


def consignment(request: pb.SendToPeerRequest, book: AddressBook) -> Consignment:
    """What a request asks for. Raises DianaError AE_UNKNOWN, INVALID_FIELD."""
    if not request.study_uids and not request.sop_instance_uids:
        raise invalid_field("study_uids", "or sop_instance_uids are needed")
    peer, store = book.peer(request.peer), book.store(request.store)
    study_uids, uids = dict.fromkeys(request.study_uids), dict.fromkeys(request.sop_instance_uids)
    return Consignment(peer, store, list(study_uids), list(uids), request.commit)


def retrieve_handler(collector: Collector, book: AddressBook) -> Callable[[Work], pb.RetrieveFromPeerResult]:
    """What does an operation of kind `dimse.retrieve`."""

    def handle(work: Work) -> pb.RetrieveFromPeerResult:
        order = retrieve_order(pb.RetrieveFromPeerRequest.FromString(work.payload), book)
        return collected_to_proto(collector.run(order, work))

    return handle


def send_handler(dispatcher: Dispatcher, book: AddressBook) -> Callable[[Work], pb.SendToPeerResult]:
    """What does an operation of kind `dimse.send`."""

    def handle(work: Work) -> pb.SendToPeerResult:
        what = consignment(pb.SendToPeerRequest.FromString(work.payload), book)
        return dispatched_to_proto(dispatcher.run(what, work))

    return handle
