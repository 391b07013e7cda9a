"""Who subscribed to what, and what messages may say: the configuration, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.settings import config_invalid, nearest
from diana_notify.core.addresses import AddressBook
from diana_notify.core.model import Channel, Content, Subscriber, Transport
from diana_notify.core.rendering import Rendering, TemplateText


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscriber with the tags of the channels they want to hear of."""

    subscriber: Subscriber
    tags: Sequence[str]


class Directory:
    """Channels and templates by name. Safe to share between threads; it never changes."""

    def __init__(
        self,
        channels: Mapping[str, str],
        subscriptions: Sequence[Subscription],
        templates: Mapping[str, TemplateText],
        addresses: AddressBook,
    ) -> None:
        """Channels are names by tag. Raises CONFIG_INVALID naming the place of what does not fit."""
        subscribers: dict[str, list[Subscriber]] = {tag: [] for tag in channels}
        for number, one in enumerate(subscriptions):
            where = f"subscribers[{number}]"
            _check_recipients(one.subscriber, addresses, where)
            if one.subscriber.wrap and one.subscriber.wrap not in templates:
                raise config_invalid(f"{where}.wrap", f"names no template; {nearest(one.subscriber.wrap, templates)}")
            for tag in dict.fromkeys(one.tags):
                if tag not in subscribers:
                    raise config_invalid(f"{where}.channels", f"names no channel; {nearest(tag, channels)}")
                subscribers[tag].append(one.subscriber)
        self._channels = {
            tag: Channel(tag, name, sorted(subscribers[tag], key=lambda one: one.name))
            for tag, name in sorted(channels.items())
        }
        self._templates = {name: _compiled(name, text) for name, text in templates.items()}

    def channels(self) -> list[Channel]:
        """All of them, by tag."""
        return list(self._channels.values())

    def channel(self, tag: str) -> Channel:
        """Raises CHANNEL_UNKNOWN."""
        try:
            return self._channels[tag]
        except KeyError:
            raise DianaError(Reason.CHANNEL_UNKNOWN, "No channel of this tag is configured.") from None

    def template(self, name: str) -> Rendering:
        """Raises TEMPLATE_UNKNOWN."""
        try:
            return self._templates[name]
        except KeyError:
            raise DianaError(Reason.TEMPLATE_UNKNOWN, "No template of this name is configured.") from None

    def template_names(self) -> list[str]:
        """The names of all templates."""
        return sorted(self._templates)

    def rendering(self, content: Content) -> Rendering:
        """What a content's text is made by. Raises TEMPLATE_UNKNOWN, TEMPLATE_INVALID, INVALID_FIELD."""
        if bool(content.template) == bool(content.subject or content.body):
            raise invalid_field("content", "needs either a template's name, or a subject and a body")
        if content.template:
            return self.template(content.template)
        return Rendering(TemplateText(content.subject, content.body), "content")


def _check_recipients(subscriber: Subscriber, addresses: AddressBook, where: str) -> None:
    if not subscriber.recipients:
        known = ", ".join(one.name.lower() for one in Transport)
        raise config_invalid(where, f"has no address, which is at least one of {known}")
    for recipient in subscriber.recipients:
        try:
            addresses.check(recipient, f"{where}.{recipient.transport.name.lower()}")
        except DianaError as error:
            raise config_invalid(error.fields[0].field, error.fields[0].description) from None


def _compiled(name: str, text: TemplateText) -> Rendering:
    try:
        return Rendering(text, f"templates.{name}")
    except DianaError as error:
        raise config_invalid(error.fields[0].field, error.fields[0].description) from None
