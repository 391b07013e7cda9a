"""Taking messages in: checked, rendered, and in the ledger before the caller has an answer."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

from diana_notify.core.addresses import AddressBook, target_of
from diana_notify.core.directory import Directory
from diana_notify.core.ledger import Ledger, RequestMark
from diana_notify.core.model import Channel, Content, Delivery, Message, Recipient, State, Subscriber


class Notifier:
    """What callers may do. `queued` is called whenever there is something new to deliver."""

    def __init__(
        self, directory: Directory, addresses: AddressBook, ledger: Ledger, queued: Callable[[], None]
    ) -> None:
        self._directory = directory
        self._addresses = addresses
        self._ledger = ledger
        self._queued = queued

    def send(self, recipient: Recipient, content: Content, request_id: str = "") -> Delivery:
        """Queue a message for one recipient.

        Raises TEMPLATE_UNKNOWN, TEMPLATE_INVALID, RECIPIENT_INVALID, REQUEST_ID_REUSED, INVALID_FIELD, DISK_FULL.
        """

        def make() -> list[Message]:
            self._addresses.check(recipient, "recipient.address")
            rendering = self._directory.rendering(content)
            subject, body = rendering.render({"values": content.values or {}})
            return [Message(recipient, target_of(recipient), subject, body)]

        return self._queue(_mark(request_id, "send", recipient.transport.name, recipient.address, content), make)[0]

    def dispatch(self, tag: str, content: Content, request_id: str = "") -> list[Delivery]:
        """Queue a message for each address of each of a channel's subscribers, all or none.

        Raises CHANNEL_UNKNOWN and what `send` does.
        """
        mark = _mark(request_id, "dispatch", tag, "", content)
        return self._queue(mark, lambda: channel_messages(self._directory, tag, content))

    def get(self, name: str) -> Delivery:
        """One delivery. Raises DELIVERY_NOT_FOUND."""
        return self._ledger.get(name)

    def page(self, before: int | None, size: int, state: State | None, channel: str) -> list[Delivery]:
        """Deliveries with numbers below `before`, newest first."""
        return self._ledger.page(before, size, state, channel)

    def channels(self) -> list[Channel]:
        """All channels, by tag."""
        return self._directory.channels()

    def check_ready(self) -> None:
        """Raise unless the ledger answers."""
        self._ledger.count_queued()

    def _queue(self, mark: RequestMark | None, make: Callable[[], Sequence[Message]]) -> list[Delivery]:
        # A request that was answered once is answered again, whatever the configuration says now.
        known = self._ledger.requested(mark) if mark else None
        if known is not None:
            return known
        deliveries = self._ledger.add(make(), time.time(), mark)
        self._queued()
        return deliveries


def channel_messages(directory: Directory, tag: str, content: Content, rule: str = "") -> list[Message]:
    """A message for each address of each subscriber. Raises CHANNEL_UNKNOWN, TEMPLATE_UNKNOWN, TEMPLATE_INVALID."""
    channel = directory.channel(tag)
    rendering = directory.rendering(content)
    messages = []
    for subscriber in channel.subscribers:
        subject, body = rendering.render(_given(channel, subscriber, content))
        messages += [
            Message(recipient, target_of(recipient), subject, body, channel.tag, rule)
            for recipient in subscriber.recipients
        ]
    return messages


def _given(channel: Channel, subscriber: Subscriber, content: Content) -> dict[str, dict[str, str]]:
    """What templates may name."""
    return {
        "values": dict(content.values or {}),
        "recipient": {"name": subscriber.name, "email": subscriber.email, "affiliation": subscriber.affiliation},
        "channel": {"tag": channel.tag, "name": channel.name},
    }


def _mark(request_id: str, kind: str, to: str, address: str, content: Content) -> RequestMark | None:
    if not request_id:
        return None
    values = sorted((content.values or {}).items())
    asked = (kind, to, address, content.template, content.subject, content.body, values)
    return RequestMark(request_id, hashlib.sha256(repr(asked).encode()).digest())
