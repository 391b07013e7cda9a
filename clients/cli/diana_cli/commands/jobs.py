"""jobs: what rules are doing, and have done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count, islice
from typing import cast

import rich_click as click

from diana_cli.actions import Actions
from diana_cli.chain import Flow, Stage, Takes, of_each, required, show_json
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.text import clean, json_line
from diana_cli.words import Worded
from diana_common.errors import invalid_field
from diana_endpoints.items import Item
from diana_endpoints.protocol.route import Router

JOBS: Sequence[Column] = (
    meta_column("Created", "created"),
    meta_column("State", "state"),
    meta_column("Rule", "rule"),
    meta_column("Of", "item"),
    meta_column("Step", "step"),
    ("Tried", lambda item: item.meta.get("attempts") or ""),
    meta_column("Last error", "last_error"),
    meta_column("Job", "job"),
)
"""The columns of a list of jobs."""

_STATES = ("waiting", "done", "dead", "cancelled")

_IN = in_option("route:", "Who has them.")
_RULE = click.option("--rule", default="", metavar="RULE", help="Only those of this rule.")


@click.command("list", cls=Worded, epilog="Example: diana-cli jobs list --state dead")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@_RULE
@click.option("--limit", type=click.IntRange(min=1), help="Show the newest so many.")
@_IN
def list_jobs(state: str | None, rule: str, limit: int | None, endpoint: str) -> Stage:
    """List jobs, newest first. Those that ended are kept for a time only.

    What it lists can be retried or cancelled: jobs list --state dead jobs retry.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        yield from islice(_router(session, endpoint).jobs(state or "", rule), limit)

    return Stage("jobs list", Takes.NOTHING, run, show_table(JOBS))


@click.command("show", cls=Worded, epilog="Example: diana-cli jobs show jobs/0f3a")
@click.argument("job")
@_IN
def show(job: str, endpoint: str) -> Stage:
    """Show one JOB and its steps: how often each was tried, and why it failed last."""

    def run(session: Session, _: Flow | None) -> Flow:
        yield _router(session, endpoint).job(job)

    return Stage("jobs show", Takes.ALONE, run, _show_steps)


@click.command("watch", cls=Worded, epilog="Example: diana-cli jobs watch --rule intake")
@_RULE
@_IN
def watch(rule: str, endpoint: str) -> Stage:
    """Show the jobs that have not ended, then each one whenever it changes. Ctrl-C ends it."""

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _router(session, endpoint).watch_jobs(rule)

    return Stage("jobs watch", Takes.NOTHING, run, _show_lines, endless=True)


@click.command("retry", cls=Worded, epilog="Example: diana-cli jobs list --state dead --rule send jobs retry")
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("--with-new-actions", is_flag=True, help="Where a rule was changed: another job, as the rule is now.")
@_IN
def retry(jobs: tuple[str, ...], with_new_actions: bool, endpoint: str) -> Stage:
    """Have dead or cancelled JOBs go on where they ended, or those of the items before. One that waits is tried now.

    A job whose rule has other actions now cannot go on: it is refused, or another one is made of its item, which
    carries out all of the new actions if the rule fires.
    """

    def how(router: Router) -> Callable[[str], Item]:
        return partial(router.retry_job, with_new_actions=with_new_actions)

    return _change("jobs retry", jobs, endpoint, how)


@click.command("cancel", cls=Worded, epilog="Example: diana-cli jobs cancel jobs/0f3a")
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@_IN
def cancel(jobs: tuple[str, ...], endpoint: str) -> Stage:
    """End JOBs that wait, or those of the items before. What is under way is finished, what was done is not undone."""
    return _change("jobs cancel", jobs, endpoint, lambda router: router.cancel_job)


def _change(name: str, jobs: tuple[str, ...], endpoint: str, how: Callable[[Router], Callable[[str], Item]]) -> Stage:
    """A stage that does one thing with each job; those with which that cannot be done fail, the rest go on."""

    def run(session: Session, flow: Flow | None) -> Flow:
        do = how(_router(session, endpoint))
        # All of the items before first: the list that they come from changes with what is done.
        items = [Item({"job": job}) for job in jobs] or list(required(flow))
        yield from of_each(map(_numbered, count(1), items), lambda item: [do(_job(item))])

    return Stage(name, Takes.NOTHING if jobs else Takes.ITEMS, run, show_table(JOBS))


def _numbered(number: int, item: Item) -> Item:
    return Item({"job": item.meta.get("job", "")}, number=number)


def _job(item: Item) -> str:
    """Its name. Raises DianaError INVALID_FIELD if it is no job."""
    if not item.meta["job"]:
        raise invalid_field("item", "is no job")
    return str(item.meta["job"])


def _router(session: Session, endpoint: str) -> Router:
    return cast(Router, session.endpoint(endpoint, Router, "carry out rules"))


def _show_steps(session: Session, flow: Flow) -> None:
    if session.json:
        show_json(session, flow)
        return
    for item in flow:
        told = item.meta
        session.echo(clean(f"{told['job']}: {told['state']}, {told['rule']} of {told['item']}"))
        current = next((number for number, step in enumerate(told["steps"], 1) if not step["done"]), 0)
        for number, step in enumerate(told["steps"], 1):
            state = "done" if step["done"] else told["state"] if number == current else "to do"
            tried = f", tried {step['attempts']} times" if step["attempts"] > 1 else ""
            error = f": {step['last_error']}" if step["last_error"] else ""
            session.echo(clean(f"  {number} {step['action']}: {state}{tried}{error}"))
        if told.get("successor"):
            session.echo(f"  run again as {told['successor']}")
        if told["stored"] or told["refused"]:
            session.echo(f"  {told['stored']} instances stored, {told['refused']} refused")


def _show_lines(session: Session, flow: Flow) -> None:
    for item in flow:
        session.echo(json_line(item) if session.json else _line(item))


def _line(item: Item) -> str:
    told = item.meta
    parts = [told["state"], told["rule"], told["item"], told["step"], told["last_error"], told["job"]]
    return clean("  ".join(part for part in parts if part))


COMMANDS = (
    Actions(
        "jobs",
        (list_jobs, show, watch, retry, cancel),
        "Follow, retry and cancel what rules do.",
        "Example: diana-cli jobs list --state dead",
    ),
)
