"""The options of `dispatch` that the older system's had: a text of one's own, a channel by template, a messenger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

import rich_click as click

from diana_cli.chain import of_each
from diana_cli.params import ENDPOINT, MAPPING
from diana_cli.session import Session
from diana_cli.telling import Text, channels_of, subscribers_of, tell_channel, values_of
from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint

_OPTIONS = (
    click.option("--data", type=MAPPING, help="With --msg-t: what the text and the channel may name."),
    click.option("-m", "--msg_t", "--msg-t", "own_text", default="", metavar="TEXT|@FILE", help="A text, made here."),
    click.option("--subscriptions", default="", metavar="@FILE", help="With -E: who subscribes, as notify has it."),
    click.option("-E", "--email-messenger", "messenger", type=ENDPOINT, default="", help="Tell by this, at once."),
    click.option("--channel_tmpl", "--channel-tmpl", "channel_template", default="", help="As CHANNEL: '$a-$b'."),
)


@dataclass(frozen=True)
class OwnText:
    """What those options say."""

    template: str
    channel_template: str
    messenger_name: str
    subscriptions: str
    data: Mapping[str, Any] | None

    def channels(self, channel: str | None) -> str:
        """The channels that are meant, as a template. Raises click.UsageError."""
        if bool(channel) == bool(self.channel_template):
            raise click.UsageError("Name a CHANNEL, or give --channel-tmpl.")
        return channel or self.channel_template

    def given(self, other: bool) -> bool:
        """Whether the text is one's own; not with `other` contents. Raises click.UsageError for what does not fit."""
        if self.template and other:
            raise click.UsageError("--msg-t stands without --template, --subject, --body, --value and --study.")
        if bool(self.messenger_name) != bool(self.subscriptions) or (self.messenger_name and not self.template):
            raise click.UsageError("-E MESSENGER goes with --subscriptions @FILE and --msg-t.")
        return bool(self.template)

    def messenger(self, session: Session) -> Endpoint | None:
        """The messenger that is named."""
        return session.services.endpoint(self.messenger_name) if self.messenger_name else None

    def tags(self, channels: str, item: Item | None) -> list[str]:
        """The channels that an item means. Raises DianaError."""
        return channels_of(channels, values_of(item, self.data)) if "$" in channels else [channels]

    def teller(self, messenger: Endpoint, channels: str) -> Callable[[Item | None], Iterator[Item]]:
        """What tells those who subscribed of an item; the text and the subscriptions are read here, once for all.

        Raises DianaError INVALID_FIELD, TEMPLATE_INVALID.
        """
        text = Text(self.template)
        subscribers = subscribers_of(self.subscriptions) if self.subscriptions else []

        def told(item: Item | None) -> Iterator[Item]:
            values = values_of(item, self.data)
            asked = (Item({"channel": tag}) for tag in channels_of(channels, values))
            yield from of_each(
                asked, lambda one: tell_channel(messenger, one.meta["channel"], text, values, subscribers)
            )

        return told


def text_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, which the command gets as `text`."""

    @wraps(command)
    def with_text(
        own_text: str, channel_template: str, messenger: str, subscriptions: str, data: Any, **more: Any
    ) -> Any:
        return command(text=OwnText(own_text, channel_template, messenger, subscriptions, data), **more)

    wrapped: Callable[..., Any] = with_text
    for option in _OPTIONS:
        wrapped = option(wrapped)
    return wrapped
