"""rules: what is moved by itself, checked, tried out and explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import cast

import rich_click as click

from diana_cli.actions import Actions
from diana_cli.chain import Flow, Stage, Takes, of_each, show_json
from diana_cli.commands.jobs import JOBS
from diana_cli.faults import read_text, show_faults
from diana_cli.rule_files import check_here
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.spans import Span
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.text import clean
from diana_cli.words import Worded
from diana_client import Unavailable
from diana_common.errors import DianaError, Reason
from diana_endpoints.items import Item
from diana_endpoints.protocol.route import Router

_RULES: Sequence[Column] = (
    meta_column("Rule", "rule"),
    meta_column("State", "state"),
    meta_column("Waiting", "waiting"),
    meta_column("Done", "done"),
    meta_column("Dead", "dead"),
    meta_column("What it does", "summary"),
    meta_column("Trouble", "trouble"),
)
_DRY: Sequence[Column] = (
    meta_column("Time", "time"),
    meta_column("Rule", "rule"),
    meta_column("Of", "item"),
    ("Would do", lambda item: ", ".join(item.meta["actions"])),
)

_IN = in_option("route:", "Who has them.")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("list", cls=Worded, epilog="Example: diana-cli rules list")
@_IN
def list_rules(endpoint: str) -> Stage:
    """List the rules in force, and how they fare.

    One that is in trouble makes no jobs until that is over; one that is stopped, because it fed itself, none until its
    file was changed and the service restarted.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _router(session, endpoint).rules()

    return Stage("rules list", Takes.ALONE, run, show_table(_RULES))


@click.command("check", cls=Worded, epilog="Example: diana-cli rules check rules.yaml")
@click.argument("file", type=_FILE)
@click.option("--offline", is_flag=True, help="Ask no service: look at what can be seen here.")
@_IN
def check(file: Path, offline: bool, endpoint: str) -> Stage:
    """Say all that is wrong with a file of rules, line by line.

    The exit status is 1 if anything is. The file may stand on this machine only. Names are looked up at the services
    that know them; what could not be is a warning. Where there is no router, or it does not answer, the file is looked
    at here, with the environment variables of this command.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        text = _text(file)
        if not offline:
            try:
                yield from _router(session, endpoint).check_rules(text)
                return
            except Unavailable:
                session.note("The router does not answer: the file is looked at here.")
            except DianaError as error:
                if error.reason is not Reason.CONFIG_INVALID:
                    raise
                session.note(f"{error.message}. The file is looked at here.")
        yield from check_here(text)

    show = show_faults(file.name, lambda good: f"rules: {', '.join(good.meta['rules'])}")
    return Stage("rules check", Takes.ALONE, run, show)


@click.command("dry-run", cls=Worded, epilog="Example: diana-cli rules dry-run --rules rules.yaml --since 7d")
@click.option("--rules", "file", type=_FILE, help="Other rules than those in force.")
@click.option("--since", type=Span(), help="How far to look back, such as 12h or 7d. Default: 1d.")
@_IN
def dry_run(file: Path | None, since: timedelta | None, endpoint: str) -> Stage:
    """Show which jobs rules would have made of what the archive's feed tells of the last day. Nothing is done.

    Folders and queries are not looked at.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _router(session, endpoint).dry_run(_text(file) if file else "", since)

    return Stage("rules dry-run", Takes.ALONE, run, _show_counted(_DRY, _would_be_made))


@click.command("explain", cls=Worded, epilog="Example: diana-cli rules explain study:inbox/1.2.840.113619.2.1")
@click.argument("item")
@_IN
def explain(item: str, endpoint: str) -> Stage:
    """Say of each rule why it would make a job of an ITEM or why not, and list the jobs that were made of it.

    ITEM: study:STORE/UID, instance:STORE/UID, or file:RULE/PATH with the path below the rule's folder.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _router(session, endpoint).explain(item)

    return Stage("rules explain", Takes.ALONE, run, _show_explained)


@click.command("run", cls=Worded, epilog="Example: diana-cli rules run deidentify study:inbox/1.2.840.113619.2.1")
@click.argument("rule")
@click.argument("items", nargs=-1, metavar="[ITEM]...")
@click.option("--since", type=Span(), help="Instead of ITEMs: what its store's feed tells of since then, such as 30d.")
@_IN
def run_rule(rule: str, items: tuple[str, ...], since: timedelta | None, endpoint: str) -> Stage:
    """Carry out a RULE on ITEMs now, as if they had just arrived, whatever was done with them before.

    The rule's condition must hold. ITEM: as in explain. With --since a rule that follows a store makes jobs of what it
    has none of: of what happened before the rule was there, or while it was stopped.
    """
    if bool(items) == bool(since):
        raise click.UsageError("name ITEMs, or say --since when")

    def run(session: Session, _: Flow | None) -> Flow:
        router = _router(session, endpoint)
        if since:
            yield from router.backfill(rule, since)
        named = (Item({"item": item}, number=number) for number, item in enumerate(items, 1))
        yield from of_each(named, lambda item: [router.run_rule(rule, str(item.meta["item"]))])

    return Stage("rules run", Takes.ALONE, run, _show_counted(JOBS, _made) if since else show_table(JOBS))


def _router(session: Session, endpoint: str) -> Router:
    return cast(Router, session.endpoint(endpoint, Router, "carry out rules"))


def _text(file: Path) -> str:
    return read_text(file, "rules").decode("utf-8", "replace")


def _show_counted(columns: Sequence[Column], words: Callable[[Item], str]) -> Callable[[Session, Flow], None]:
    """The jobs while they come, in a table; then how much was looked at."""

    def show(session: Session, flow: Flow) -> None:
        if session.json:
            show_json(session, flow)
            return
        looked: list[Item] = []
        jobs = _but_counts(flow, looked)
        first = next(jobs, None)
        if first:
            show_table(columns)(session, chain([first], jobs))
        for item in looked:
            session.echo(clean(f"{item.meta['entries']} entries; jobs: {words(item) or 'none'}"))

    return show


def _but_counts(flow: Flow, counts: list[Item]) -> Flow:
    """The items that are jobs; the others are put aside."""
    for item in flow:
        if item.meta.get("outcome") == "looked_at":
            counts.append(item)
        else:
            yield item


def _would_be_made(counted: Item) -> str:
    return ", ".join(f"{rule} {count}" for rule, count in counted.meta["jobs"].items())


def _made(counted: Item) -> str:
    return str(counted.meta["jobs"] or "")


def _show_explained(session: Session, flow: Flow) -> None:
    if session.json:
        show_json(session, flow)
        return
    jobs = []
    for item in flow:
        if "job" in item.meta:
            jobs.append(item)
            continue
        fires = "fires" if item.meta["fires"] else "does not fire"
        session.echo(clean(f"{item.meta['rule']}: {fires}: {item.meta['reason']}"))
    if jobs:
        show_table(JOBS)(session, iter(jobs))


COMMANDS = (
    Actions(
        "rules",
        (list_rules, check, dry_run, explain, run_rule),
        "Check, try out and explain what is moved by itself.",
        "Example: diana-cli rules check rules.yaml",
    ),
)
