"""A chain: stages that items flow through from left to right, one at a time, when the last stage asks for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import rich_click as click

from diana_cli.flowing import Flowing
from diana_cli.session import Session
from diana_cli.text import json_line, plain_line
from diana_endpoints.failures import failure_of, is_away, is_fatal
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
    line = [Flowing(stage.name) for stage in stages]
    try:
        flow: Flow | None = None
        for stage, at_work in zip(stages, line):
            flow = _joined(session, stage, at_work, flow)
        if flow is not None:
            stages[-1].show(session, flow)
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt) and any(stage.endless for stage in stages):
            return
        session.where = next((one.where for one in line if one.broke), "")
        if is_away(error) or isinstance(error, KeyboardInterrupt):
            session.broken(line, error)
        raise


def show_json(session: Session, flow: Flow) -> None:
    """A line of JSON for each item."""
    for item in flow:
        session.echo(json_line(item))


def show_lines(session: Session, flow: Flow) -> None:
    """A line for each item, of JSON where scripts read."""
    for item in flow:
        session.echo(json_line(item) if session.json else plain_line(item))


def show_summary(session: Session, flow: Flow) -> None:
    """How many items came through, by what became of them; a line of JSON for each where scripts read."""
    if session.json:
        show_json(session, flow)
        return
    outcomes: Counter[str] = Counter()
    try:
        for item in flow:
            kind = "instances" if item.data is None else "items"
            outcomes[str(item.meta.get("outcome", kind))] += int(item.meta.get("instances", 1))
    except (Exception, KeyboardInterrupt) as error:
        if outcomes and (is_away(error) or isinstance(error, KeyboardInterrupt)):
            _tell_outcomes(session, outcomes)
        raise
    _tell_outcomes(session, outcomes)


def _tell_outcomes(session: Session, outcomes: Counter[str]) -> None:
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


def of_each(items: Iterable[Item], does: Callable[[Item], Iterable[Item]]) -> Flow:
    """What comes of each item; one with which it cannot be done comes with its failure, and the rest go on.

    Raises what would fail for all that follow.
    """
    for item in items:
        try:
            yield from does(item)
        except Exception as error:
            if is_fatal(error):
                raise
            item.failure = failure_of(error)
            yield item


def _joined(session: Session, stage: Stage, at_work: Flowing, flow: Flow | None) -> Flow:
    """The stage's flow, behind the one before it."""
    given = None if flow is None else at_work.taking(flow)
    before = session.enter(at_work)
    try:
        made = stage.run(session, given)
    finally:
        session.enter(before)
    return session.sift(stage.name, at_work.giving(made, session.enter))


def _check_order(stages: Sequence[Stage]) -> None:
    for place, stage in enumerate(stages):
        if stage.takes is Takes.ALONE and len(stages) > 1:
            raise click.UsageError(f"{stage.name} stands alone.")
        if stage.takes is Takes.NOTHING and place > 0:
            raise click.UsageError(f"{stage.name} begins a chain: nothing can come before it.")
        if stage.takes is Takes.ITEMS and place == 0:
            raise click.UsageError(f"{stage.name} needs items: put dgetall, find or get before it.")
