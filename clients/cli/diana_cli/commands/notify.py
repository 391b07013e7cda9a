"""send, dispatch, preview, deliveries: telling people and systems, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, TextIO, cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, of_each, show_lines
from diana_cli.own_texts import OwnText, text_options
from diana_cli.pairs import parse_pairs
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.tables import meta_column, show_table
from diana_cli.text import clean, json_line
from diana_cli.words import Worded
from diana_endpoints.items import Item, public_meta
from diana_endpoints.protocol.notify import Message, Messenger

_COLUMNS = [
    meta_column("Created", "created"),
    meta_column("State", "state"),
    meta_column("Tried", "attempts"),
    meta_column("Channel", "channel"),
    meta_column("Recipient", "recipient"),
    meta_column("Last error", "last_error"),
    meta_column("Delivery", "delivery"),
]
_TOLD = [meta_column("Channel", "channel"), meta_column("Recipient", "recipient"), meta_column("Outcome", "outcome")]
"""What became of a message that went without notify."""
_STATES = ("queued", "sent", "dead", "cancelled")
_IN = in_option("notify:", "Who tells.")


def _content(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that send and dispatch share."""
    for option in (
        _IN,
        click.option("--study", default="", metavar="STORE/UID", help="The study that templates may name."),
        click.option(
            "--value", "values", multiple=True, metavar="KEY=VALUE", help="What templates may name; may be repeated."
        ),
        click.option("--body-file", type=click.File(encoding="utf-8"), help="The text, from a file; - is the input."),
        click.option("--body", default="", help="The text; other users of the machine may see it."),
        click.option("--subject", default="", help="The subject, one line."),
        click.option("--template", default="", help="A template of notify's configuration, by name."),
    ):
        command = option(command)
    return command


@click.command(
    "send", cls=Worded, epilog="Example: diana-cli send email:ada@hospital.example --subject Hello --body 'It works.'"
)
@click.argument("recipient")
@_content
def send(recipient: str, endpoint: str, **content: Any) -> Stage:
    """Send a message to one RECIPIENT, such as email:ADDRESS.

    Others are sms:NUMBER@CARRIER, twilio:+NUMBER, webhook:URL, file:NAME, screen:, and slack:NAME, teams:NAME and
    apprise:NAME with a name of notify's configuration. It is queued for good once this command ends well; `deliveries`
    says what became of it. After another command one is sent for each item, and templates may name what is known of it.
    """
    message = _message(**content)

    def run(session: Session, flow: Flow | None) -> Flow:
        for one in _each(message, flow):
            yield _messenger(session, endpoint).send(recipient, one)

    return Stage("send", Takes.EITHER, run, show_table(_COLUMNS))


@click.command(
    "dispatch", cls=Worded, epilog="Example: diana-cli dispatch mammo-hospital_a --template news --value count=12"
)
@click.argument("channel", required=False, metavar="[CHANNEL]")
@_content
@text_options
def dispatch(channel: str | None, endpoint: str, text: OwnText, **content: Any) -> Stage:
    """Send a message to all subscribers of a CHANNEL, which notify's configuration names.

    After another command one is sent for each item, and templates may name what is known of it; so may the channel:
    '$trial-$site'. A text of --msg-t is made here, and goes by notify or, with -E, by another messenger at once.
    """
    channels = text.channels(channel)
    message = None if text.given(any(content.values())) else _message(**content)

    def run(session: Session, flow: Flow | None) -> Flow:
        if message is None:
            told = text.teller(text.messenger(session) or _messenger(session, endpoint), channels)
        else:
            told = partial(_dispatched, _messenger(session, endpoint), message, partial(text.tags, channels))
        yield from told(None) if flow is None else of_each(flow, told)

    return Stage("dispatch", Takes.EITHER, run, show_table(_TOLD if text.messenger_name else _COLUMNS))


@click.command(
    "preview", cls=Worded, epilog="Example: diana-cli preview channel:mammo-hospital_a --template news --value count=12"
)
@click.argument("recipient")
@_content
def preview(recipient: str, endpoint: str, **content: Any) -> Stage:
    """Show what `send` to a RECIPIENT, or `dispatch` to a channel written channel:TAG, would send; send nothing."""
    message = _message(**content)

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _messenger(session, endpoint).preview(recipient, message)

    return Stage("preview", Takes.ALONE, run, _show_messages)


@click.command("deliveries", cls=Worded, epilog="Example: diana-cli deliveries --state dead --replay")
@click.argument("deliveries", nargs=-1, metavar="[DELIVERY]...")
@_IN
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@click.option("--channel", default="", metavar="TAG", help="Only those of this channel.")
@click.option("--limit", type=click.IntRange(min=1), help="Show the newest so many.")
@click.option("--watch", "watching", is_flag=True, help="Those that have not ended, then what changes. Ctrl-C ends it.")
@click.option("--replay", "doing", flag_value="replay", help="Queue each once more: dead or cancelled ones.")
@click.option("--cancel", "doing", flag_value="cancel", help="End each without trying it again: queued ones.")
def deliveries(
    deliveries: tuple[str, ...],
    endpoint: str,
    state: str | None,
    channel: str,
    limit: int | None,
    watching: bool,
    doing: str | None,
) -> Stage:
    """List what became of messages, newest first; never what they say. Or replay, or cancel, DELIVERYs.

    With --replay or --cancel it takes those that are named, or those of --state and --channel.
    """
    filtered = bool(state or channel or limit)
    if bool(deliveries) > bool(doing) or (deliveries and filtered) or (watching and (doing or state or limit)):
        raise click.UsageError("Name deliveries to --replay or --cancel, or list or watch those of a state or channel.")
    if doing and not deliveries and not filtered:
        raise click.UsageError("Name the deliveries, or give --state or --channel, to --replay or --cancel.")

    def run(session: Session, _: Flow | None) -> Flow:
        messenger = _messenger(session, endpoint)
        if watching:
            yield from messenger.watch_deliveries(channel)
        elif deliveries:
            yield from _done(messenger, doing, deliveries)
        else:
            found = islice(messenger.deliveries(state or "", channel), limit)
            # All of them first: the list changes with what is done.
            yield from _done(messenger, doing, [str(one.meta["delivery"]) for one in found]) if doing else found

    return Stage("deliveries", Takes.NOTHING, run, show_lines if watching else show_table(_COLUMNS), endless=watching)


def _dispatched(
    messenger: Messenger, message: Message, tags: Callable[[Item | None], Iterable[str]], item: Item | None
) -> Iterator[Item]:
    """To all channels that an item means."""
    for tag in tags(item):
        yield from messenger.dispatch(tag, _about(message, item))


def _done(messenger: Messenger, doing: str | None, deliveries: Iterable[str]) -> Iterator[Item]:
    """Each delivery as it is then; one with which it cannot be done fails, and the rest go on."""
    do = messenger.replay if doing == "replay" else messenger.cancel_delivery
    named = (Item({"delivery": delivery}, number=number) for number, delivery in enumerate(deliveries, 1))
    return of_each(named, lambda item: [do(str(item.meta["delivery"]))])


def _messenger(session: Session, endpoint: str) -> Messenger:
    return cast(Messenger, session.endpoint(endpoint, Messenger, "tell anyone"))


def _message(
    template: str, subject: str, body: str, body_file: TextIO | None, values: tuple[str, ...], study: str
) -> Message:
    if body and body_file:
        raise click.UsageError("--body and --body-file exclude one another.")
    text = body_file.read() if body_file else body
    if bool(template) == bool(subject or text):
        raise click.UsageError("A message is either --template NAME, or --subject and --body.")
    return Message(template, subject, text, parse_pairs(values, "--value"), study)


def _each(message: Message, flow: Flow | None) -> Iterator[Message]:
    """The message; after another command one for each item, with its metadata as values."""
    for item in (None,) if flow is None else flow:
        yield _about(message, item)


def _about(message: Message, item: Item | None) -> Message:
    """The message with an item's metadata as values, but for what may hold patient values."""
    said = {key: str(value) for key, value in public_meta(item).items()} if item else {}
    return replace(message, values=said | dict(message.values))


def _show_messages(session: Session, flow: Flow) -> None:
    for number, item in enumerate(flow):
        if session.json:
            session.echo(json_line(item))
            continue
        told = item.meta
        lines = [f"To: {told['recipient']}", f"Subject: {told['subject']}", "", *str(told["body"]).splitlines()]
        session.echo("\n".join(["---"] * bool(number) + [clean(line) for line in lines]))


COMMANDS = (send, dispatch, preview, deliveries)
