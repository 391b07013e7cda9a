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
from diana_endpoints.kind import Kind
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
    "sms": pb.TRANSPORT_SMS,
    "twilio": pb.TRANSPORT_TWILIO,
    "slack": pb.TRANSPORT_SLACK,
    "teams": pb.TRANSPORT_TEAMS,
    "apprise": pb.TRANSPORT_APPRISE,
}
_STATES = {
    "queued": pb.Delivery.STATE_QUEUED,
    "sent": pb.Delivery.STATE_SENT,
    "dead": pb.Delivery.STATE_DEAD,
    "cancelled": pb.Delivery.STATE_CANCELLED,
}
_DELIVERIES = "deliveries/"
_CHANNEL = "channel:"
_DEFAULT_STORE = "default"


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

    def watch_deliveries(self, channel: str = "") -> Iterator[Item]:
        """The ledger, as it changes."""
        for number, delivery in enumerate(self._client.watch(channel=channel), 1):
            yield _item(delivery, number)

    def replay(self, delivery: str) -> Item:
        """Queue a delivery once more."""
        return _item(self._client.replay(_name(delivery)), 1)

    def cancel_delivery(self, delivery: str) -> Item:
        """End a delivery."""
        return _item(self._client.cancel(_name(delivery)), 1)

    def preview(self, recipient: str, message: Message) -> Iterator[Item]:
        """What would be sent. Raises DianaError INVALID_FIELD."""
        is_channel = recipient.startswith(_CHANNEL)
        to = recipient.removeprefix(_CHANNEL) if is_channel else recipient_of(recipient)
        for number, one in enumerate(self._client.preview(to, _content(message)).messages, 1):
            told = {"recipient": _address(one.recipient), "subject": one.subject, "body": one.body}
            yield Item(told, number=number)

    def _describe(self, channel: Channel) -> str:
        client = NotifyClient(channel)
        tags = [one.tag for one in client.channels()]
        queued = sum(1 for _ in islice(client.deliveries(state=pb.Delivery.STATE_QUEUED), _COUNTED))
        waiting = f"{queued} or more" if queued == _COUNTED else queued
        return f"{waiting} messages queued, {len(tags)} channels" + (f": {', '.join(tags)}" if tags else "")


def recipient_of(text: str) -> pb.Recipient:
    """The recipient that a transport's name, a colon and an address mean, such as "email:ada@hospital.example".

    Raises DianaError INVALID_FIELD.
    """
    transport, colon, address = text.partition(":")
    if not colon or transport not in _TRANSPORTS:
        prefixes = [f"{name}:" for name in _TRANSPORTS]
        raise invalid_field("RECIPIENT", f"begins with no transport; {nearest(f'{transport}:', prefixes)}")
    return pb.Recipient(transport=_TRANSPORTS[transport], address=address)


def _content(message: Message) -> pb.Content:
    store, slash, uid = message.study.rpartition("/")
    study = pb.MessageStudy(store=store if slash else _DEFAULT_STORE, study_uid=uid) if message.study else None
    return pb.Content(
        template=message.template,
        subject=message.subject,
        body=message.body,
        values=dict(message.values),
        study=study,
    )


def _item(delivery: pb.Delivery, number: int) -> Item:
    state = pb.Delivery.State.Name(delivery.state).removeprefix("STATE_").lower()
    meta = {
        "delivery": delivery.name,
        "state": state,
        "recipient": _address(delivery.recipient),
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
    if delivery.digest:
        meta["digest"] = delivery.digest
    return Item(meta, number=number)


def _address(recipient: pb.Recipient) -> str:
    transport = pb.Transport.Name(recipient.transport).removeprefix("TRANSPORT_").lower()
    return f"{transport}:{recipient.address}"


def _name(word: str) -> str:
    return word if word.startswith(_DELIVERIES) else f"{_DELIVERIES}{word}"


def _time(stamp: Timestamp) -> str:
    return stamp.ToDatetime().isoformat(timespec="milliseconds") + "Z"


KIND = Kind(NotifySettings, Notify, mesh=True)
