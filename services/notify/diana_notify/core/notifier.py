"""Taking messages in: checked, rendered, and in the ledger before the caller has an answer."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

from diana_notify.core.composing import Composer
from diana_notify.core.digests import Part, combined
from diana_notify.core.directory import Directory
from diana_notify.core.ledger import Ledger, RequestMark
from diana_notify.core.model import Channel, Content, Delivery, Message, Recipient, State
from diana_notify.core.watching import Changes, LedgerWatch


class Notifier:
    """What callers may do. `queued` is called whenever there is something new to deliver.

    What makes a message of a content raises TEMPLATE_UNKNOWN, TEMPLATE_INVALID, INVALID_FIELD, and, where a template
    names the study, STUDY_NOT_FOUND and PEER_UNAVAILABLE.
    """

    def __init__(
        self, directory: Directory, composer: Composer, ledger: Ledger, changes: Changes, queued: Callable[[], None]
    ) -> None:
        self._directory = directory
        self._composer = composer
        self._ledger = ledger
        self._changes = changes
        self._queued = queued

    def send(self, recipient: Recipient, content: Content, request_id: str = "") -> Delivery:
        """Queue a message for one recipient. Raises RECIPIENT_INVALID, REQUEST_ID_REUSED, DISK_FULL."""
        mark = _mark(request_id, "send", recipient.transport.name, recipient.address, content)
        return self._queue(mark, lambda: [self._composer.to_recipient(recipient, content)])[0]

    def dispatch(self, tag: str, content: Content, request_id: str = "") -> list[Delivery]:
        """Queue a message for each address of each of a channel's subscribers, all or none.

        Raises CHANNEL_UNKNOWN and what `send` does.
        """
        mark = _mark(request_id, "dispatch", tag, "", content)
        return self._queue(mark, lambda: self._composer.to_channel(tag, content))

    def preview(self, to: Recipient | str, content: Content) -> list[Message]:
        """The messages that `send` to a recipient, or `dispatch` to a channel's tag, would queue; as they would go."""
        if isinstance(to, Recipient):
            return [self._composer.to_recipient(to, content)]
        return [_as_sent(one) for one in self._composer.to_channel(to, content)]

    def get(self, name: str) -> Delivery:
        """One delivery. Raises DELIVERY_NOT_FOUND."""
        return self._ledger.get(name)

    def page(self, before: int | None, size: int, state: State | None, channel: str) -> list[Delivery]:
        """Deliveries with numbers below `before`, newest first."""
        return self._ledger.page(before, size, state, channel)

    def watch(self, channel: str) -> LedgerWatch:
        """Follow the deliveries, of one channel unless it is empty."""
        return LedgerWatch(self._ledger, self._changes, channel)

    def replay(self, name: str) -> Delivery:
        """Queue a dead or cancelled delivery once more. Raises DELIVERY_NOT_FOUND, DELIVERY_ENDED, DISK_FULL."""
        delivery = self._ledger.replay(name, time.time())
        self._queued()
        return delivery

    def cancel(self, name: str) -> Delivery:
        """End a queued delivery. Raises DELIVERY_NOT_FOUND, DELIVERY_ENDED, DISK_FULL."""
        return self._ledger.cancel(name, time.time())

    def channels(self) -> list[Channel]:
        """All channels, by tag."""
        return self._directory.channels()

    def check_ready(self) -> None:
        """Raise unless the ledger answers."""
        self._ledger.position()

    def _queue(self, mark: RequestMark | None, make: Callable[[], Sequence[Message]]) -> list[Delivery]:
        # A request that was answered once is answered again, whatever the configuration says now.
        known = self._ledger.requested(mark) if mark else None
        if known is not None:
            return known
        deliveries = self._ledger.add(make(), time.time(), mark)
        self._queued()
        return deliveries


def _as_sent(message: Message) -> Message:
    subject, body = combined([Part(message.subject, message.body, message.envelope)])
    return Message(message.recipient, message.target, subject, body, message.channel)


def _mark(request_id: str, kind: str, to: str, address: str, content: Content) -> RequestMark | None:
    if not request_id:
        return None
    values = sorted((content.values or {}).items())
    study = content.study and (content.study.store, content.study.study_uid)
    asked = (kind, to, address, content.template, content.subject, content.body, values, *filter(None, [study]))
    return RequestMark(request_id, hashlib.sha256(repr(asked).encode()).digest())
