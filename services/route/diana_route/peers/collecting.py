"""What is done with the items of a collection: by the actions of rules, given jobs of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from diana.type.v1.origin_pb2 import Origin
from diana_client import AnonClient, ArchiveClient, Channel, DimseClient, NotFound, OperationClient
from diana_client.collect import MARK
from diana_common.attempts import Postponed, Refused
from diana_route.core.actions import Action
from diana_route.core.collecting import Before, Collected, Delivery, Order, PlaceKind, Step
from diana_route.core.model import Job, State, StepRecord, StudyItem, Task
from diana_route.core.rules import Anonymize, Send
from diana_route.core.trails import DOOR
from diana_route.peers.anonymizing import ANON, Anonymizing
from diana_route.peers.channels import Channels
from diana_route.peers.collecting_from_endpoint import EndpointSource
from diana_route.peers.collecting_from_peer import PeerSource
from diana_route.peers.endpoints import Endpoints
from diana_route.peers.faults import alone, attempted
from diana_route.peers.held import ARCHIVE, Confirming, Held, held, older_versions, origin, uids
from diana_route.peers.operations import WAIT_SECONDS, Notes, Operations
from diana_route.peers.sending_to_endpoint import SendingToEndpoint
from diana_route.peers.sending_to_peer import SendingToPeer

_RETRIEVE, _DEIDENTIFY, _DELIVER = range(3)
_ACTIONS = ("retrieve", "deidentify", "deliver")
_PLACES = {Step.RETRIEVE: _RETRIEVE, Step.DEIDENTIFY: _DEIDENTIFY, Step.DELIVER: _DELIVER}
_AT_ONCE = 1000
_DICOM_DOOR = "dimse"
"""What the DICOM door calls itself where it stores what peers send."""


class Source(Protocol):
    """Where studies come from. Raises Failed."""

    def studies(self, item: Collected) -> Iterator[dict[str, Any]]:
        """What it says of an item's studies, as DICOM JSON."""
        ...

    def find(self, item: Collected) -> Sequence[str]:
        """Their Study Instance UIDs."""
        ...

    def retrieve(self, item: Collected, task: Task, store: str) -> None:
        """Bring an item's study into a store."""
        ...


class Sending(Action, Confirming, Protocol):
    """Where studies go on to."""


@dataclass(frozen=True)
class CollectingParts:
    """What collections work with, and the makers of it."""

    channels: Channels
    endpoints: Endpoints
    notes: Notes

    def source(self, order: Order, stopping: Callable[[], bool] = lambda: False) -> Source:
        """Where an order's studies come from."""
        name = order.source.name
        if order.source.kind is PlaceKind.ENDPOINT:
            return EndpointSource(name, self.endpoints, ArchiveClient(self.channels.archive), stopping)
        return PeerSource(name, DimseClient(self.channels.dimse), self._following(f"peer {name}", self.channels.dimse))

    def steps(self, key: str, order: Order, stopping: Callable[[], bool]) -> CollectSteps:
        """The steps of an order. `stopping`: whether to end between two instances."""
        archive = ArchiveClient(self.channels.archive)
        return CollectSteps(
            key,
            order,
            archive,
            self.source(order, stopping),
            self._anonymizing(key, order, archive),
            self._sending(order, archive, stopping),
            {
                Step.RETRIEVE: self._following(f"peer {order.source.name}", self.channels.dimse),
                Step.DEIDENTIFY: self._following(ANON, self.channels.anon),
                Step.DELIVER: self._following(f"peer {order.destination.name}", self.channels.dimse),
            },
        )

    def _following(self, service: str, channel: Channel) -> Operations:
        """The operations of another service."""
        return Operations(OperationClient(channel), service, self.notes, WAIT_SECONDS)

    def _anonymizing(self, key: str, order: Order, archive: ArchiveClient) -> Anonymizing | None:
        if order.profile is None:
            return None
        spec = Anonymize(order.result_store, order.profile, {MARK: key})
        following = self._following(ANON, self.channels.anon)
        return Anonymizing(spec, AnonClient(self.channels.anon), following, archive)

    def _sending(self, order: Order, archive: ArchiveClient, stopping: Callable[[], bool]) -> Sending | None:
        to = order.destination
        if to.kind is PlaceKind.STORE:
            return None
        if to.kind is PlaceKind.ENDPOINT:
            return SendingToEndpoint(to.name, archive, self.endpoints, stopping)
        following = self._following(f"peer {to.name}", self.channels.dimse)
        return SendingToPeer(Send(peer=to.name), DimseClient(self.channels.dimse), following)


class CollectSteps:
    """core.collecting.Steps by way of the mesh, for one run of one collection."""

    def __init__(
        self,
        key: str,
        order: Order,
        archive: ArchiveClient,
        source: Source,
        anonymizing: Anonymizing | None,
        sending: Sending | None,
        operations: Mapping[Step, Operations],
    ) -> None:
        """`operations`: by which other services retrieve, de-identify and deliver, where they do."""
        self._key, self._order, self._archive, self._source = key, order, archive, source
        self._anonymizing, self._sending = anonymizing, sending
        self._operations = operations

    def find(self, item: Collected) -> Sequence[str]:
        """See Steps."""
        return self._source.find(item)

    def before(self, item: Collected) -> Before:
        """See Steps."""
        with attempted(ARCHIVE):  # the position first: what is stored between the two questions is held too
            position = self._archive.statistics(store=self._order.retrieve_store).head_position
        return Before(sorted(uids(held(self._archive, self._brought(item)))), position)

    def retrieve(self, item: Collected) -> int:
        """See Steps."""
        self._source.retrieve(item, self._task(item, _RETRIEVE), self._order.retrieve_store)
        there = len(held(self._archive, self._brought(item)))
        if not there:
            raise Postponed("nothing of the study came")
        return there

    def deidentify(self, item: Collected) -> None:
        """See Steps."""
        if self._anonymizing:
            self._anonymizing.carry_out(self._task(item, _DEIDENTIFY))

    def deliver(self, item: Collected) -> Delivery:
        """See Steps."""
        what = self._made(item)
        if self._sending is None:
            return Delivery(len(self._all(what)), True)
        task = self._task(item, _DELIVER, what)
        self._sending.carry_out(task)
        return self._confirmed(self._sending, task.job, self._all(what))

    def clear(self, item: Collected) -> int:
        """See Steps. What is deleted can be brought back within the store's grace period."""
        study, before = self._brought(item), item.before or Before((), "")
        new = uids(held(self._archive, study)) - set(before.instances)
        names = sorted(new & self._stored_by_us(item, before.position)) if new else []
        if older := older_versions(self._archive, study, names) if names else 0:
            raise Refused(f"{older} instances have older versions, which would be deleted with them")
        for start in range(0, len(names), _AT_ONCE):
            named = names[start : start + _AT_ONCE]
            with attempted(ARCHIVE):
                try:
                    self._archive.delete(
                        study.study_uid, sop_instance_uids=named, store=study.store, origin=origin(self._job(item))
                    )
                except NotFound:
                    raise Postponed("instances went while they were being deleted; it is asked again") from None
        return len(new) - len(names)

    def stop(self, item: Collected) -> None:
        """See Steps. Nothing goes on elsewhere where the step remembers no operation."""
        if operations := self._operations.get(item.step):
            operations.stop(self._task(item, _PLACES[item.step]))

    def _stored_by_us(self, item: Collected, position: str) -> frozenset[str]:
        """The instances of a study that came to the staging store after a position by this collection's retrieval."""
        mine = origin(self._job(item)).operation.rpartition("/")[0] + "/"
        stored: dict[str, Origin] = {}
        with (
            attempted(ARCHIVE),
            self._archive.watch_feed(
                position, stores=[self._order.retrieve_store], stop_at_head=True, omit_headers=True
            ) as feed,
        ):
            for entry in (entry for message in feed for entry in message.entries):
                instance = entry.instance_stored.instance
                if entry.HasField("instance_stored") and instance.study_uid == item.study_uid:
                    stored[instance.sop_instance_uid] = entry.origin
        if self._order.source.kind is PlaceKind.PEER:
            return frozenset(uid for uid, one in stored.items() if one.door == _DICOM_DOOR)
        return frozenset(uid for uid, one in stored.items() if one.door == DOOR and one.operation.startswith(mine))

    def _brought(self, item: Collected) -> StudyItem:
        return StudyItem(self._order.retrieve_store, item.study_uid)

    def _made(self, item: Collected) -> StudyItem:
        """The study that is to be delivered, once it is known to be whole in its store."""
        if self._anonymizing is None:
            return self._brought(item)
        job = self._job(item)
        staged = held(self._archive, self._brought(item))
        with alone():
            confirmed = self._anonymizing.confirmed(job, _DEIDENTIFY, staged)
        if lacking := len(uids(staged) - confirmed):
            raise Postponed(f"{lacking} of {len(staged)} instances are not de-identified")
        return self._anonymizing.made(job, _DEIDENTIFY)

    def _all(self, what: StudyItem) -> Sequence[Held]:
        instances = held(self._archive, what)
        if not instances:
            raise Refused("there is nothing of the study left in its store")
        return instances

    def _confirmed(self, sending: Sending, job: Job, instances: Sequence[Held]) -> Delivery:
        """What the far end says when it is asked; it was accepted where that cannot be asked."""
        try:
            there = sending.confirmed(job, _DELIVER, instances)
        except Refused:
            return Delivery(len(instances), False)
        if lacking := len(uids(instances) - there):
            raise Postponed(f"{lacking} of {len(instances)} instances are not confirmed where they went")
        return Delivery(len(instances), True)

    def _task(self, item: Collected, place: int, what: StudyItem | None = None) -> Task:
        return Task(self._job(item, place, what), "")

    def _job(self, item: Collected, place: int = len(_ACTIONS), what: StudyItem | None = None) -> Job:
        """The job that an item is to the actions of rules, at one of its steps; its name is new with each retry."""
        steps = [
            StepRecord(name, done=number < place, memo=item.memo if number == place else "")
            for number, name in enumerate(_ACTIONS)
        ]
        name = f"collections/{self._key}/{item.number}/{item.round}"
        study = what or self._brought(item)
        return Job(item.row, name, "", "", study, (), State.WAITING, steps, create_time=item.update_time)
