"""From contents to messages: rendered for each recipient, and wrapped as they want it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diana_notify.core.addresses import AddressBook, target_of
from diana_notify.core.digests import BODY_PLACE
from diana_notify.core.directory import Directory
from diana_notify.core.model import Channel, Content, Message, Recipient, Subscriber
from diana_notify.core.rendering import Rendering
from diana_notify.core.studies import Studies

Given = dict[str, object]


@dataclass(frozen=True, slots=True)
class Sender:
    """This system, as templates name it."""

    name: str
    address: str


class Composer:
    """Makes messages. Safe to share between threads."""

    def __init__(self, directory: Directory, addresses: AddressBook, studies: Studies, sender: Sender) -> None:
        self._directory = directory
        self._addresses = addresses
        self._studies = studies
        self._sender = {"name": sender.name, "address": sender.address}

    def to_recipient(self, recipient: Recipient, content: Content) -> Message:
        """A message for one recipient.

        Raises TEMPLATE_UNKNOWN, TEMPLATE_INVALID, RECIPIENT_INVALID, INVALID_FIELD, and what Studies does.
        """
        self._addresses.check(recipient, "recipient.address")
        rendering = self._directory.rendering(content)
        subject, body = rendering.render(self._given(content, rendering))
        return Message(recipient, target_of(recipient), subject, body)

    def to_channel(self, tag: str, content: Content, rule: str = "") -> list[Message]:
        """A message for each address of each of a channel's subscribers.

        Raises CHANNEL_UNKNOWN, TEMPLATE_UNKNOWN, TEMPLATE_INVALID, INVALID_FIELD, and what Studies does.
        """
        channel = self._directory.channel(tag)
        rendering = self._directory.rendering(content)
        wraps = [self._directory.template(one.wrap) for one in channel.subscribers if one.wrap]
        given = self._given(content, rendering, *wraps) | {"channel": {"tag": channel.tag, "name": channel.name}}
        messages: list[Message] = []
        for subscriber in channel.subscribers:
            messages += self._to_subscriber(subscriber, channel, rendering, given, rule)
        return messages

    def _to_subscriber(
        self, subscriber: Subscriber, channel: Channel, rendering: Rendering, given: Given, rule: str
    ) -> list[Message]:
        own = given | {"recipient": _recipient(subscriber)}
        subject, body = rendering.render(own)
        envelope = ""
        if subscriber.wrap:
            wrap = self._directory.template(subscriber.wrap)
            wrapped_subject, wrapped = wrap.render(own | {"subject": subject, "body": body})
            if subscriber.digest_seconds:
                _, envelope = wrap.render(own | {"subject": subject, "body": BODY_PLACE})
            else:
                body = wrapped
            subject = wrapped_subject or subject
        return [
            Message(
                *(recipient, target_of(recipient), subject, body, channel.tag, rule),
                digest_seconds=subscriber.digest_seconds,
                envelope=envelope,
            )
            for recipient in subscriber.recipients
        ]

    def _given(self, content: Content, *renderings: Rendering) -> Given:
        """What every recipient's templates may name. The study is read only if one of them names it."""
        given: Given = {"values": dict(content.values or {}), "sender": self._sender}
        if content.item is not None:
            given["item"] = content.item
        if content.study is not None and any("study" in one.names for one in renderings):
            given["study"] = self._studies.facts(content.study)
        return given


def _recipient(subscriber: Subscriber) -> Mapping[str, str]:
    return {"name": subscriber.name, "email": subscriber.email, "affiliation": subscriber.affiliation}
