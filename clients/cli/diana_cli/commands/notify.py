"""send, dispatch, deliveries: telling people and systems, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, TextIO, cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes
from diana_cli.pairs import parse_pairs
from diana_cli.session import Session
from diana_cli.tables import meta_column, show_table
from diana_cli.text import json_line, plain_line
from diana_cli.words import Worded
from diana_endpoints.items import Item
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
_LATEST = 1000
"""How many of the newest deliveries --watch looks at."""
_UNSAID = ("path", "patient_id", "issuer_of_patient_id", "question")
"""Metadata that may hold patient values, and stays out of messages."""
_PAUSE = 0.5
"""Seconds between two looks."""

_IN = click.option("--in", "endpoint", default="notify:", show_default=True, metavar="ENDPOINT", help="Who tells.")


def _content(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that send and dispatch share."""
    for option in (
        _IN,
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
    """Send a message to one RECIPIENT: email:ADDRESS, webhook:URL, file:NAME or screen:.

    It is queued for good once this command ends well; `deliveries` says what became of it. After another command
    one is sent for each item, and templates may name what is known of it.
    """
    message = _message(**content)

    def run(session: Session, flow: Flow | None) -> Flow:
        for one in _each(message, flow):
            yield _messenger(session, endpoint).send(recipient, one)

    return Stage("send", Takes.EITHER, run, show_table(_COLUMNS))


@click.command(
    "dispatch", cls=Worded, epilog="Example: diana-cli dispatch mammo-hospital_a --template news --value count=12"
)
@click.argument("channel")
@_content
def dispatch(channel: str, endpoint: str, **content: Any) -> Stage:
    """Send a message to all subscribers of a CHANNEL, which notify's configuration names.

    After another command one is sent for each item, and templates may name what is known of it.
    """
    message = _message(**content)

    def run(session: Session, flow: Flow | None) -> Flow:
        for one in _each(message, flow):
            yield from _messenger(session, endpoint).dispatch(channel, one)

    return Stage("dispatch", Takes.EITHER, run, show_table(_COLUMNS))


@click.command("deliveries", epilog="Example: diana-cli deliveries --state dead")
@_IN
@click.option("--state", type=click.Choice(("queued", "sent", "dead")), help="Only those in this state.")
@click.option("--channel", default="", metavar="TAG", help="Only those of this channel.")
@click.option("--limit", type=click.IntRange(min=1), help="Show the newest so many.")
@click.option("--watch", "watching", is_flag=True, help="Go on with what changes, oldest first. Ctrl-C ends it.")
def deliveries(endpoint: str, state: str | None, channel: str, limit: int | None, watching: bool) -> Stage:
    """List what became of messages, newest first; never what they say."""

    def run(session: Session, _: Flow | None) -> Flow:
        def listed() -> Iterator[Item]:
            return _messenger(session, endpoint).deliveries(state or "", channel)

        yield from _changes(listed, limit or _LATEST) if watching else islice(listed(), limit)

    return Stage("deliveries", Takes.ALONE, run, _show_lines if watching else show_table(_COLUMNS), endless=watching)


def _messenger(session: Session, endpoint: str) -> Messenger:
    return cast(Messenger, session.endpoint(endpoint, Messenger, "tell anyone"))


def _message(template: str, subject: str, body: str, body_file: TextIO | None, values: tuple[str, ...]) -> Message:
    if body and body_file:
        raise click.UsageError("--body and --body-file exclude one another.")
    text = body_file.read() if body_file else body
    if bool(template) == bool(subject or text):
        raise click.UsageError("A message is either --template NAME, or --subject and --body.")
    return Message(template, subject, text, parse_pairs(values, "--value"))


def _each(message: Message, flow: Flow | None) -> Iterator[Message]:
    """The message; after another command one for each item, with its metadata as values."""
    if flow is None:
        yield message
        return
    for item in flow:
        said = {key: str(value) for key, value in item.meta.items() if key not in _UNSAID}
        yield replace(message, values=said | dict(message.values))


def _changes(listed: Callable[[], Iterator[Item]], latest: int) -> Iterator[Item]:
    """The newest deliveries, and again each that has changed since."""
    seen: dict[str, dict[str, Any]] = {}
    while True:
        now = {str(item.meta["delivery"]): item for item in islice(listed(), latest)}
        for name, item in reversed(now.items()):
            if seen.get(name) != item.meta:
                yield item
        seen = {name: item.meta for name, item in now.items()}
        time.sleep(_PAUSE)


def _show_lines(session: Session, flow: Flow) -> None:
    for item in flow:
        session.echo(json_line(item) if session.json else plain_line(item))


COMMANDS = (send, dispatch, deliveries)
