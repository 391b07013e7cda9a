"""What a collection names, looked up before it begins: so that a slip is told to the one who made it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from diana_client import AnonClient, ArchiveClient, CohortClient, DimseClient
from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.protocol.items import Finder, Getter, Lister, Putter
from diana_route.core.collecting import Order, Place, PlaceKind
from diana_route.peers.channels import Channels
from diana_route.peers.endpoints import Endpoints
from diana_server.peers import typed


class CollectChecks:
    """Asks the services that an order is about."""

    def __init__(self, channels: Channels, endpoints: Endpoints, users: Mapping[str, str]) -> None:
        """`users`: who of our configuration uses stores of the archive, in words, by the store."""
        self._channels, self._endpoints, self._users = channels, endpoints, users

    def check(self, order: Order) -> None:
        """Raises DianaError AE_UNKNOWN, STORE_UNKNOWN, PROFILE_UNKNOWN, CONFIG_INVALID, INVALID_FIELD,
        PEER_UNAVAILABLE."""
        if order.is_staged:
            self._check_staging(order)
        self._check_stores(order)
        self._check_place(order.source, "source", [Getter], "give studies back")
        self._check_place(order.source, "source", [Finder, Lister], "find studies, nor list what it has")
        self._check_place(order.destination, "destination", [Putter], "take instances")
        if order.source.kind is PlaceKind.PEER:
            self._check_door(order.retrieve_store)
        if order.profile is not None:
            self._check_profile(order.profile)

    def cohort(self, name: str) -> Sequence[str]:
        """The Study Instance UIDs of a cohort. Raises DianaError COHORT_NOT_FOUND, PEER_UNAVAILABLE, INVALID_FIELD."""
        with typed("index", "the cohort"):
            return list(CohortClient(self._channels.index).study_uids(name))

    def _check_staging(self, order: Order) -> None:
        """What is brought to the staging store is deleted from it: it has to be there, and nobody else's."""
        store = order.staging_store
        if user := self._users.get(store):
            text = f"store {store} is the staging store, and {user} uses it: name another one in route's collect"
            raise DianaError(Reason.CONFIG_INVALID, f"{text}.staging_store.")
        if store not in self._stores():
            text = f"The archive has no staging store {store!r}: name it in its stores, {store}: {{}}"
            raise DianaError(Reason.CONFIG_INVALID, f"{text}; a store that nothing else uses.")

    def _stores(self) -> Sequence[str]:
        with typed("archive", "the list of stores"):
            return [store.name for store in ArchiveClient(self._channels.archive).stores()]

    def _check_stores(self, order: Order) -> None:
        wanted = {order.retrieve_store, order.result_store}
        wanted |= {order.destination.name} if order.destination.kind is PlaceKind.STORE else set()
        _demand(wanted - {""}, self._stores(), Reason.STORE_UNKNOWN, "The archive has no store")

    def _check_place(self, place: Place, field: str, roles: Sequence[Any], can: str) -> None:
        if place.kind is PlaceKind.ENDPOINT:
            self._endpoints.check(place.name, roles, can, f"{field}.endpoint")
        if place.kind is PlaceKind.PEER:
            with typed("dimse", "the list of peers"):
                there = [peer.name for peer in DimseClient(self._channels.dimse).peers()]
            _demand([place.name], there, Reason.AE_UNKNOWN, "The DICOM door has no peer")

    def _check_door(self, store: str) -> None:
        with typed("dimse", "the list of AE titles"):
            titles = DimseClient(self._channels.dimse).local_entities().entities
        if all(one.store != store for one in titles):
            text = f"is a peer, and none of dimse's AE titles receives into store {store}: name one in its entities,"
            raise invalid_field("source", f"{text} {store.upper()[:16]}: {{store: {store}}}, and have the PACS know it")

    def _check_profile(self, profile: str) -> None:
        with typed("anon", "the list of profiles"):
            there = [one.name for one in AnonClient(self._channels.anon).profiles()]
        _demand([profile], there, Reason.PROFILE_UNKNOWN, "anon has no profile")


def _demand(wanted: Iterable[str], there: Sequence[str], reason: Reason, text: str) -> None:
    for name in sorted(wanted):
        if name not in there:
            raise DianaError(reason, f"{text} {name!r}; there are: {', '.join(sorted(there))}.")
