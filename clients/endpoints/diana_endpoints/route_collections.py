"""The router's collections: lists of studies that it pulls from a source."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from diana.operation.v1.operation_service_pb2 import Operation
from diana.route.v1 import collect_service_pb2 as pb
from diana_client import CollectClient, OperationClient, collect_request
from diana_client.errors import from_status
from diana_common.errors import invalid_field
from diana_common.settings import nearest
from diana_endpoints.archive_work import await_work
from diana_endpoints.items import Item
from diana_endpoints.mesh import MeshEndpoint
from diana_endpoints.protocol.collect import STATES, Order
from diana_endpoints.protocol.endpoint import OnProgress
from diana_endpoints.route_jobs import time_of

_STATES = {name: pb.CollectedItem.State.Value(f"STATE_{name.upper()}") for name in STATES}
_STORE = "archive"


class RoutedCollections(MeshEndpoint):
    """The part of endpoint `route` that collects. Every method raises MeshError when it refuses, or cannot go on."""

    @cached_property
    def _collecting(self) -> CollectClient:
        return CollectClient(self._channel)

    def start_collection(self, order: Order) -> str:
        """Start one, or find the one of that name; the operation that is at it. Raises DianaError INVALID_FIELD."""
        request = collect_request(
            source=_place(order.source, "--from", ("peer", "endpoint")),
            destination=_place(order.destination, "--to", ("peer", "endpoint", _STORE)),
            accession_numbers=order.accession_numbers,
            study_uids=order.study_uids,
            cohort=order.cohort,
            profile=order.profile,
            result_store=order.result_store,
            studies_per_minute=order.studies_per_minute,
            instances_per_second=order.instances_per_second,
            hours=order.hours,
            time_zone=order.time_zone,
            request_id=f"cli {order.name}" if order.name else "",
        )
        return self._collecting.collection(self._collecting.start(request).name).operation

    def await_work(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        """Wait for its end: what failed of it; at last how far the collection is, or why it ended."""
        for one in await_work(OperationClient(self._channel), operation, on_progress):
            if named := one.meta.get("item"):
                one.number = int(str(named).rpartition(" ")[2])
            yield one if one.failure else self.collection(operation)

    def collection(self, operation: str) -> Item:
        """How far one is."""
        told = self._collecting.collection(operation)
        counts = {one.state: one.count for one in told.state_counts}
        state = OperationClient(self._channel).get(told.operation).state
        return Item(
            {
                "operation": told.operation,
                "outcome": Operation.State.Name(state).removeprefix("STATE_").lower(),
                "items": told.item_count,
                **{name: counts.get(state, 0) for name, state in _STATES.items()},
                "delivered_instances": told.delivered_instance_count,
                "waiting_for": told.waiting_for,
                "created": time_of(told.create_time),
                "mark": told.mark,
                "result_store": _result_store(told.request) if told.mark else "",
            }
        )

    def collected_items(self, operation: str, state: str = "") -> Iterator[Item]:
        """What became of each item; of those in one state, by its name."""
        asked = _STATES.get(state, pb.CollectedItem.STATE_UNSPECIFIED)
        for one in self._collecting.items(operation, state=asked):
            yield Item(_told(one), number=one.number)

    def source_studies(self, operation: str) -> Iterator[Item]:
        """The studies that were found, as the source describes them now."""
        for number, header in self._collecting.source_studies(operation):
            yield Item({"item": number}, header=header, number=number)

    def retry_collection(self, operation: str) -> str:
        """Have what failed tried again; the operation that is at it."""
        return self._collecting.retry(operation).name

    def cancel_collection(self, operation: str) -> Item:
        """End the operation that is at it, and wait for that; how far it is."""
        current = self._collecting.collection(operation).operation
        operations = OperationClient(self._channel)
        operations.cancel(current)
        operations.wait(current)
        return self.collection(operation)


def _place(word: str, option: str, kinds: tuple[str, ...]) -> dict[str, str]:
    """What a place is in a request: a word without a kind names a DICOM peer."""
    kind, colon, name = word.partition(":")
    if not colon:
        kind, name = "peer", word
    if kind not in kinds or not name:
        known = [f"{one}:" for one in kinds]
        raise invalid_field(
            option, f"must be NAME, of a DICOM peer, or {' or '.join(known)} and a name; {nearest(f'{kind}:', known)}"
        )
    return {"store" if kind == _STORE else kind: name}


def _result_store(request: pb.StartCollectionRequest) -> str:
    return request.deidentification.store or request.destination.store


def _told(one: pb.CollectedItem) -> dict[str, object]:
    error = from_status(one.error) if one.HasField("error") else None
    return {
        "item": one.number,
        "accession_number": one.accession_number,
        "study_uid": one.study_uid,
        "state": pb.CollectedItem.State.Name(one.state).removeprefix("STATE_").lower(),
        "reason": error.reason if error else "",
        "attempts": one.attempt_count,
        "last_error": error.message if error else one.last_error,
        "retrieved": one.retrieved_count,
        "delivered": one.delivered_count,
        "confirmed": one.confirmed,
        "time": time_of(one.update_time),
    }
