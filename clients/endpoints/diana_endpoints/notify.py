"""The mesh's notifier: messages to people and systems, and the ledger of their deliveries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from diana.notify.v1 import notify_service_pb2 as pb
from diana_client import Channel, NotifyClient
from diana_common.errors import invalid_field
from diana_common.settings import nearest
from diana_endpoints.items import Item
from diana_endpoints.mesh import MeshEndpoint, MeshSettings, examine
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.protocol.notify import Message

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

CONTRACT = "diana.notify.v1.NotifyService"
_COUNTED = 1000
"""So many queued messages are counted; more would take long for a look."""
_TRANSPORTS = {
    "email": pb.TRANSPORT_EMAIL,
    "webhook": pb.TRANSPORT_WEBHOOK,
    "file": pb.TRANSPORT_FILE,
    "screen": pb.TRANSPORT_SCREEN,
}
_STATES = {"queued": pb.Delivery.STATE_QUEUED, "sent": pb.Delivery.STATE_SENT, "dead": pb.Delivery.STATE_DEAD}


@dataclass(frozen=True)
class NotifySettings(MeshSettings):
    """The notifier."""


class Notify(MeshEndpoint):
    """Endpoint `notify`. Every method but `check` raises MeshError when it refuses, or cannot go on."""

    def __init__(self, settings: NotifySettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._client = NotifyClient(self._channel)

    def check(self) -> Health:
        """Whether it is ready, and its channels."""
        return examine(self._settings, CONTRACT, self._describe)

    def send(self, recipient: str, message: Message) -> Item:
        """Queue a message for one recipient, written TRANSPORT:ADDRESS. Raises DianaError INVALID_FIELD."""
        return _item(self._client.send(recipient_of(recipient), _content(message)), 1)

    def dispatch(self, channel: str, message: Message) -> Iterator[Item]:
        """Queue a message for a channel's subscribers."""
        for number, delivery in enumerate(self._client.dispatch(channel, _content(message)), 1):
            yield _item(delivery, number)

    def deliveries(self, state: str = "", channel: str = "") -> Iterator[Item]:
        """The ledger, newest first."""
        wanted = _STATES[state] if state else pb.Delivery.STATE_UNSPECIFIED
        for number, delivery in enumerate(self._client.deliveries(state=wanted, channel=channel), 1):
            yield _item(delivery, number)

    def _describe(self, channel: Channel) -> str:
        client = NotifyClient(channel)
        tags = [one.tag for one in client.channels()]
        queued = sum(1 for _ in islice(client.deliveries(state=pb.Delivery.STATE_QUEUED), _COUNTED))
        waiting = f"{queued} or more" if queued == _COUNTED else queued
        return f"{waiting} messages queued, {len(tags)} channels" + (f": {', '.join(tags)}" if tags else "")


def recipient_of(text: str) -> pb.Recipient:
    """The recipient that "email:ADDRESS", "webhook:URL", "file:NAME" or "screen:" means.

    Raises DianaError INVALID_FIELD.
    """
    transport, colon, address = text.partition(":")
    if not colon or transport not in _TRANSPORTS:
        prefixes = [f"{name}:" for name in _TRANSPORTS]
        raise invalid_field("RECIPIENT", f"begins with no transport; {nearest(f'{transport}:', prefixes)}")
    return pb.Recipient(transport=_TRANSPORTS[transport], address=address)


def _content(message: Message) -> pb.Content:
    return pb.Content(
        template=message.template, subject=message.subject, body=message.body, values=dict(message.values)
    )


def _item(delivery: pb.Delivery, number: int) -> Item:
    transport = pb.Transport.Name(delivery.recipient.transport).removeprefix("TRANSPORT_").lower()
    state = pb.Delivery.State.Name(delivery.state).removeprefix("STATE_").lower()
    meta = {
        "delivery": delivery.name,
        "state": state,
        "recipient": f"{transport}:{delivery.recipient.address}",
        "channel": delivery.channel,
        "rule": delivery.rule,
        "attempts": delivery.attempt_count,
        "last_error": delivery.last_error,
        "created": _time(delivery.create_time),
    }
    if delivery.HasField("next_attempt_time"):
        meta["next_attempt"] = _time(delivery.next_attempt_time)
    if delivery.HasField("end_time"):
        meta["ended"] = _time(delivery.end_time)
    return Item(meta, number=number)


def _time(stamp: Timestamp) -> str:
    return stamp.ToDatetime().isoformat(timespec="milliseconds") + "Z"
