"""Messages whose text the command line brings itself, as in the older system: made here, of what items say.

A text is a Jinja2 template (sandboxed) over the item's attributes by keyword, its metadata, and --data. If its first
line is "Subject: ...", that is the subject.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from string import Template
from typing import Any

from diana_cli.chain import of_each
from diana_cli.params import BadText, parse_tree, read_text
from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.headers import said_by
from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.protocol.notify import Message, Messenger
from diana_endpoints.protocol.telling import Teller

DEFAULT = "{{ msg_text }}"
"""The older system's template."""
_SUBJECT = "Subject:"


@dataclass(frozen=True)
class Subscriber:
    """Who is told of what happens on some channels."""

    name: str
    email: str
    channels: Sequence[str]


class Text:
    """A template, read and compiled once."""

    def __init__(self, text: str) -> None:
        """The text itself, or @FILE. Raises DianaError INVALID_FIELD, TEMPLATE_INVALID."""
        from jinja2 import TemplateError  # time that other commands need not spend

        from diana_cli.templates import TooMuch, compiled

        try:
            template = read_text(text[1:]) if text.startswith("@") else text
            self._template = compiled(template)
        except BadText as error:
            raise invalid_field("--msg-t", str(error)) from None
        except (TemplateError, TooMuch, RecursionError) as error:
            raise _unfilled(error) from None

    def made(self, values: Mapping[str, Any]) -> tuple[str, str]:
        """Subject and body. Raises DianaError TEMPLATE_INVALID, without values."""
        from diana_cli.templates import filled

        try:
            text = filled(self._template, values)
        except Exception as error:  # arithmetic of a template's own, say
            raise _unfilled(error) from None
        first, _, rest = text.partition("\n")
        if not first.startswith(_SUBJECT):
            return "", text
        return first.removeprefix(_SUBJECT).strip(), rest.lstrip("\n")


def values_of(item: Item | None, data: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a template may name. Raises what reading the item's header raises."""
    if item is None:
        return dict(data or {})
    return {**said_by(item), **item.meta, **(data or {})}


def channels_of(template: str, values: Mapping[str, Any]) -> list[str]:
    """The channels of "$trial-$site,news". Raises DianaError TEMPLATE_INVALID for a name without a value."""
    try:
        filled = Template(template).substitute({key: str(value) for key, value in values.items()})
    except KeyError as error:
        raise DianaError(Reason.TEMPLATE_INVALID, f"the channel names {error.args[0]!r}, which is not known") from None
    except ValueError:
        raise DianaError(Reason.TEMPLATE_INVALID, "the channel is not written as $NAME or ${NAME}") from None
    return [one.strip() for one in filled.split(",") if one.strip()]


def subscribers_of(text: str) -> list[Subscriber]:
    """Those of a file of subscriptions, as notify takes it (docs/notify.md): the last of its YAML documents.

    Raises DianaError INVALID_FIELD.
    """
    try:
        documents = f"\n{read_text(text.removeprefix('@'))}".split("\n---")
        listed = parse_tree(documents[-1], texts=True)
        return [Subscriber(one["name"], one["email"], one["channels"]) for one in listed if one.get("email")]
    except BadText as error:
        raise invalid_field("--subscriptions", str(error)) from None
    except (TypeError, KeyError, AttributeError):
        raise invalid_field("--subscriptions", "is not a list of subscribers with name, email, channels") from None


def tell_channel(
    messenger: Endpoint, channel: str, text: Text, values: Mapping[str, Any], subscribers: Sequence[Subscriber]
) -> Iterator[Item]:
    """Tell those who subscribed to a channel: by notify, which knows them, or at once by another messenger."""
    if isinstance(messenger, Messenger):
        yield from messenger.dispatch(channel, _message(text, values))
        return
    if not any(channel in one.channels for one in subscribers):
        raise DianaError(Reason.CHANNEL_UNKNOWN, f"nobody has subscribed to a channel {channel!r}")
    for one in subscribers:
        if channel in one.channels:
            named = {"recipient": {"name": one.name, "email": one.email}, "channel": {"tag": channel}}
            asked = Item({"recipient": one.email, "channel": channel})
            yield from of_each([asked], partial(_told, messenger, text, {**named, **values}))


def tell(messenger: Endpoint, recipient: str, text: Text, values: Mapping[str, Any]) -> Item:
    """Tell one recipient. Raises DianaError, MeshError."""
    if isinstance(messenger, Messenger):
        address = recipient if ":" in recipient else f"email:{recipient}"
        return messenger.send(address, _message(text, values))
    if not isinstance(messenger, Teller):
        raise invalid_field("ENDPOINT", "an endpoint of this kind cannot tell anyone")
    return messenger.tell(recipient, *text.made(values))


def _told(messenger: Endpoint, text: Text, values: Mapping[str, Any], asked: Item) -> Iterator[Item]:
    """What became of it; one who cannot be told does not keep the others."""
    told = tell(messenger, str(asked.meta["recipient"]), text, values)
    told.meta["channel"] = asked.meta["channel"]
    yield told


def _message(text: Text, values: Mapping[str, Any]) -> Message:
    """What was made here, as it is: not to be taken for a template once more."""
    subject, body = text.made(values)
    parts = {"subject": subject, "body": body}
    return Message(
        subject="{{ values.subject }}" if subject else "",
        body="{{ values.body }}",
        values={key: part for key, part in parts.items() if part},
    )


def _unfilled(error: Exception) -> DianaError:
    """What is wrong with a template, as far as it holds no values."""
    from jinja2 import TemplateSyntaxError, UndefinedError

    from diana_cli.templates import TooMuch

    if isinstance(error, TooMuch):
        return DianaError(Reason.TEMPLATE_INVALID, f"the template cannot be filled: {error}")
    line = getattr(error, "lineno", None)
    place = f" at line {line}" if line else ""
    told = isinstance(error, (UndefinedError, TemplateSyntaxError))
    why = str(getattr(error, "message", ""))[:200] if told else type(error).__name__
    return DianaError(Reason.TEMPLATE_INVALID, f"the template cannot be filled{place}: {why}")
