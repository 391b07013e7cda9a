"""wsend: telling one person at once, by a messenger of the services or by notify."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, of_each
from diana_cli.params import ENDPOINT, MAPPING
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.telling import DEFAULT, Text, tell, values_of
from diana_cli.words import Worded
from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Endpoint

_COLUMNS: Sequence[Column] = (
    meta_column("Recipient", "recipient"),
    ("State", lambda item: str(item.meta.get("state") or item.meta.get("outcome", ""))),
)

_HANDED_ON = ("recipient", "state", "outcome", "delivery")
"""What an item carries on of its message."""


@click.command(
    "wsend", cls=Worded, epilog="Example: diana-cli wsend --data 'msg_text: Hello 123' -t ada@hospital.example notify:"
)
@click.argument("messenger", type=ENDPOINT, metavar="MESSENGER")
@click.option("--data", type=MAPPING, help="What the text may name, beside what is known of each item.")
@click.option("-t", "--target", default="", help="Who is told; whom the messenger's settings say by default.")
@click.option(
    "-m", "--msg_t", "--msg-t", "template", default=DEFAULT, show_default=True, metavar="TEXT|@FILE", help="The text."
)
def wsend(messenger: str, data: dict[str, Any] | None, target: str, template: str) -> Stage:
    """Tell one recipient by a messenger: smtp:, apprise:, a service's name, or notify:, which keeps trying.

    The text is a Jinja2 template; if it begins with "Subject: ...", that line is the subject. After another command one
    is sent for each item, and its attributes and metadata may be named: {{ AccessionNumber }}. The items are handed on.
    """
    text = Text(template)

    def run(session: Session, flow: Flow | None) -> Flow:
        endpoint = session.endpoint(messenger, Endpoint, "tell anyone")

        def told(item: Item | None) -> Iterator[Item]:
            message = tell(endpoint, target, text, values_of(item, data))
            if item is None:
                yield message
            else:
                item.meta |= {name: message.meta[name] for name in _HANDED_ON if name in message.meta}
                yield item

        yield from told(None) if flow is None else of_each(flow, told)

    return Stage("wsend", Takes.EITHER, run, show_table(_COLUMNS))


COMMANDS = (wsend,)
