"""A chain: stages that items flow through from left to right, one at a time, when the last stage asks for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import rich_click as click

from diana_cli.session import Session
from diana_cli.text import json_line
from diana_endpoints.items import Item

Flow = Iterator[Item]


class Takes(Enum):
    """Where a stage may stand."""

    NOTHING = "nothing"
    """At the beginning only: it makes items."""
    ITEMS = "items"
    """After another only: it does something with each item."""
    EITHER = "either"
    """Anywhere."""
    ALONE = "alone"
    """By itself."""


@dataclass(frozen=True)
class Stage:
    """One command of a chain, with its options filled in."""

    name: str
    takes: Takes
    run: Callable[[Session, Flow | None], Flow]
    """Makes this stage's flow from the one before (None at the beginning). Nothing happens until it is asked for."""

    show: Callable[[Session, Flow], None]
    """Draws the flow to its end and tells of it, when this stage is the last."""

    endless: bool = False
    """Whether the flow ends only when a person ends it."""


def run_chain(session: Session, stages: Sequence[Stage]) -> None:
    """Run the stages. Raises click.UsageError for an order that makes no sense, and what endpoints raise."""
    _check_order(stages)
    flow: Flow | None = None
    for stage in stages:
        flow = session.sift(stage.name, stage.run(session, flow))
    if flow is None:
        return
    last = stages[-1]
    try:
        last.show(session, flow)
    except KeyboardInterrupt:
        if not any(stage.endless for stage in stages):
            raise


def show_json(session: Session, flow: Flow) -> None:
    """A line of JSON for each item."""
    for item in flow:
        session.echo(json_line(item))


def show_summary(session: Session, flow: Flow) -> None:
    """How many instances came through, by what became of them; a line of JSON for each where scripts read."""
    if session.json:
        show_json(session, flow)
        return
    outcomes: Counter[str] = Counter()
    for item in flow:
        outcomes[str(item.meta.get("outcome", "instances"))] += int(item.meta.get("instances", 1))
    parts = [f"{count} {outcome.replace('_', ' ')}" for outcome, count in outcomes.most_common()]
    parts += [f"{session.failed} failed"] if session.failed else []
    session.out.print(", ".join(parts) or "nothing to do")
    if session.failed and not session.failures_file:
        session.note("--failures FILE, before the first command, keeps what they were and why they failed")


def show_nothing(session: Session, flow: Flow) -> None:
    """For a last stage that has told of its items itself."""
    for _ in flow:
        pass


def required(flow: Flow | None) -> Flow:
    """The flow of a stage that takes items; the order has been checked."""
    return iter(()) if flow is None else flow


def _check_order(stages: Sequence[Stage]) -> None:
    for place, stage in enumerate(stages):
        if stage.takes is Takes.ALONE and len(stages) > 1:
            raise click.UsageError(f"{stage.name} stands alone.")
        if stage.takes is Takes.NOTHING and place > 0:
            raise click.UsageError(f"{stage.name} begins a chain: nothing can come before it.")
        if stage.takes is Takes.ITEMS and place == 0:
            raise click.UsageError(f"{stage.name} needs items: put dgetall, find or get before it.")
