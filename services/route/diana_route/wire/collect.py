"""Collections between the domain and protobuf."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from zoneinfo import ZoneInfo

from diana.route.v1 import collect_service_pb2 as pb
from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.hours import Hours
from diana_route.core.collecting import Collected, Collection, ItemState, Order, Place, PlaceKind, Tempo
from diana_server.errors import to_status
from diana_server.times import timestamp

DEFAULT_PROFILE = "default"


def order_from_proto(request: pb.StartCollectionRequest, staging_store: str) -> Order:
    """What a request asks for. Raises DianaError INVALID_FIELD."""
    destination = _place(request.destination)
    profile, result_store = None, ""
    if request.HasField("deidentification"):
        profile = request.deidentification.profile or DEFAULT_PROFILE
        result_store = _result_store(request.deidentification.store, destination)
    order = Order(_place(request.source), destination, _tempo(request.pace), staging_store, profile, result_store)
    if order.is_staged and staging_store in (
        result_store,
        destination.name if destination.kind is PlaceKind.STORE else "",
    ):
        raise invalid_field("destination", "is the staging store, from which what is brought is deleted")
    return order


def accession_numbers_of(request: pb.StartCollectionRequest) -> list[str]:
    """What is asked for, without blanks at the ends. Raises DianaError INVALID_FIELD for one of nothing but blanks."""
    numbers = [one.strip() for one in request.accession_numbers.values]
    if "" in numbers:
        raise invalid_field(f"accession_numbers.values[{numbers.index('')}]", "is blank")
    return numbers


def kept_request(request: pb.StartCollectionRequest) -> bytes:
    """What is kept of a request: all but the selection and the request_id."""
    kept = pb.StartCollectionRequest()
    kept.CopyFrom(request)
    kept.request_id = ""
    if selection := kept.WhichOneof("selection"):
        kept.ClearField(selection)
    return kept.SerializeToString(deterministic=True)


def request_of(collection: Collection) -> pb.StartCollectionRequest:
    """What was kept of a collection's request."""
    return pb.StartCollectionRequest.FromString(collection.request)


def state_from_proto(state: pb.CollectedItem.State.ValueType) -> ItemState | None:
    """A filter's state; None for any."""
    return ItemState(int(state)) if state else None


def collection_to_proto(
    collection: Collection, counts: Mapping[ItemState, int], instances: int, waiting_for: str
) -> pb.Collection:
    """A collection as it stands."""
    request = request_of(collection)
    return pb.Collection(
        operation=collection.operation,
        request=request,
        item_count=sum(counts.values()),
        state_counts=[_state_count(state, counts[state]) for state in ItemState if counts.get(state)],
        delivered_instance_count=instances,
        waiting_for=waiting_for,
        create_time=timestamp(collection.create_time),
        mark=collection.key if request.HasField("deidentification") else "",
    )


def item_to_proto(item: Collected) -> pb.CollectedItem:
    """An item as it stands."""
    error = DianaError(Reason[item.reason], item.message) if item.reason else None
    return pb.CollectedItem(
        number=item.number,
        accession_number=item.accession_number,
        study_uid=item.study_uid,
        state=pb.CollectedItem.State.ValueType(item.state.value),
        attempt_count=item.attempt_count,
        error=to_status(error) if error else None,
        last_error="" if error else item.message,
        retrieved_count=item.retrieved_count,
        delivered_count=item.delivered_count,
        confirmed=item.confirmed,
        update_time=timestamp(item.update_time),
    )


def _state_count(state: ItemState, count: int) -> pb.StateCount:
    return pb.StateCount(state=pb.CollectedItem.State.ValueType(state.value), count=count)


def _place(message: pb.CollectSource | pb.CollectDestination) -> Place:
    kind = message.WhichOneof("kind") or ""
    return Place(PlaceKind(kind), getattr(message, kind))


def _result_store(named: str, destination: Place) -> str:
    """Where what is de-identified is made."""
    if destination.kind is not PlaceKind.STORE:
        if not named:
            raise invalid_field("deidentification.store", "is required: a store where de-identified studies stay")
        return named
    if named not in ("", destination.name):
        raise invalid_field("deidentification.store", "is another store than the destination")
    return destination.name


def _tempo(pace: pb.CollectPace) -> Tempo:
    hours = tuple(map(Hours.read, pace.hours))
    return Tempo(pace.studies_per_minute, pace.instances_per_second, hours, _zone(pace.time_zone))


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        raise invalid_field("pace.time_zone", "is no time zone of the IANA's database that this host knows") from None
