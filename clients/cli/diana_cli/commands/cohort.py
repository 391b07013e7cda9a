"""cohort: questions that have a name, and answers that do not change."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import rich_click as click

from diana_cli.actions import Actions
from diana_cli.chain import Flow, Stage, Takes, show_json, show_nothing
from diana_cli.commands.export import column_names, exported, show_exported, table_options
from diana_cli.progress import progress_bar
from diana_cli.questions import make_query, question_options
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.words import Worded
from diana_endpoints.items import Item
from diana_endpoints.protocol.index import CohortKeeper

_COHORTS: Sequence[Column] = (
    meta_column("Cohort", "cohort"),
    meta_column("Level", "level"),
    meta_column("Question", "question"),
    ("Frozen", lambda item: "yes" if item.meta["frozen"] else "no"),
    meta_column("Records", "records"),
    meta_column("SHA-256", "digest"),
    meta_column("Description", "description"),
)
_STARTED: Sequence[Column] = (meta_column("Operation", "operation"),)
_NAMES: Sequence[Column] = (
    meta_column("Patient ID", "patient_id"),
    meta_column("Issuer", "issuer_of_patient_id"),
    meta_column("Study Instance UID", "study_uid"),
    meta_column("Series Instance UID", "series_uid"),
    meta_column("SOP Instance UID", "sop_instance_uid"),
)

_IN = in_option("index:", "Who keeps it.")


@click.command("create", cls=Worded, epilog="Example: diana-cli cohort create chest --level series -m Modality=CT")
@click.argument("name")
@click.option("--description", default="", help="What it is for. No patient values.")
@question_options
def create(name: str, description: str, endpoint: str, **asked: Any) -> Stage:
    """Save a question under a name. It is answered anew whenever it is asked, until it is frozen."""
    query = make_query(**asked)
    if query.at_least_position:
        raise click.UsageError("--at-least is for cohort freeze: a cohort that is saved is not answered yet.")

    def run(session: Session, _: Flow | None) -> Flow:
        yield _keeper(session, endpoint).create_cohort(name, query, description)

    return Stage("cohort create", Takes.NOTHING, run, show_table(_COHORTS))


@click.command("show", cls=Worded, epilog="Example: diana-cli cohort show chest dispatch news --template cohort")
@click.argument("name")
@_IN
def show(name: str, endpoint: str) -> Stage:
    """Show a cohort, and how many records it has."""

    def run(session: Session, _: Flow | None) -> Flow:
        yield _keeper(session, endpoint).cohort(name)

    return Stage("cohort show", Takes.NOTHING, run, show_table(_COHORTS))


@click.command("list", cls=Worded, epilog="Example: diana-cli cohort list")
@_IN
def list_cohorts(endpoint: str) -> Stage:
    """List the cohorts by name.

    Only of frozen ones it is told how many records they have: the others would have to be counted.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _keeper(session, endpoint).cohorts()

    return Stage("cohort list", Takes.NOTHING, run, show_table(_COHORTS))


@click.command("freeze", cls=Worded, epilog="Example: diana-cli cohort freeze chest chest-2026")
@click.argument("name")
@click.argument("frozen")
@click.option("--at-least", default="", metavar="POSITION", help="Wait until the index knows this position.")
@click.option("--no-wait", is_flag=True, help="Start the work, and do not wait for its end.")
@_IN
def freeze(name: str, frozen: str, at_least: str, no_wait: bool, endpoint: str) -> Stage:
    """Write its records down under another name, for good.

    What arrives or is deleted later does not change FROZEN. Equal digests (SHA-256) mean the same records. Ctrl-C
    ends the waiting, not the work.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        keeper = _keeper(session, endpoint)
        operation = keeper.start_freeze(name, frozen, at_least)
        if no_wait:
            yield Item({"operation": operation, "outcome": "started"})
            return
        with progress_bar(session, "freeze") as bar:
            done = keeper.await_freeze(operation, bar)
        yield done

    return Stage("cohort freeze", Takes.NOTHING, run, show_table(_STARTED if no_wait else _COHORTS))


@click.command("compare", cls=Worded, epilog="Example: diana-cli cohort compare chest-2026 chest --sample 20")
@click.argument("first")
@click.argument("second")
@click.option("--sample", type=click.IntRange(0, 10_000), default=0, help="Name so many records of each difference.")
@_IN
def compare(first: str, second: str, sample: int, endpoint: str) -> Stage:
    """Say how many records two cohorts share, and do not."""

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _keeper(session, endpoint).compare_cohorts(first, second, sample)

    return Stage("cohort compare", Takes.ALONE, run, _show_comparison(first, second))


@click.command("delete", cls=Worded, epilog="Example: diana-cli cohort delete chest")
@click.argument("name")
@_IN
def delete(name: str, endpoint: str) -> Stage:
    """Forget a cohort; its records stay."""

    def run(session: Session, _: Flow | None) -> Flow:
        _keeper(session, endpoint).delete_cohort(name)
        yield from ()

    return Stage("cohort delete", Takes.ALONE, run, show_nothing)


@click.command("members", cls=Worded, epilog="Example: diana-cli cohort members chest-2026 anonymize --to deid")
@click.argument("name")
@_IN
def members(name: str, endpoint: str) -> Stage:
    """Name its records, and hand them on.

    They are handed on as find hands on what it found: to get, anonymize, delete, dispatch.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _keeper(session, endpoint).cohort_members(name)

    return Stage("cohort members", Takes.NOTHING, run, show_table(_NAMES))


@click.command("export", cls=Worded, epilog="Example: diana-cli cohort export chest --format parquet -o chest.parquet")
@click.argument("name")
@table_options
@_IN
def export(
    name: str, file_format: str, columns: str, order_by: Sequence[str], output: Path | None, endpoint: str
) -> Stage:
    """Write its records to a file, as one table.

    They are written as they are now; of a frozen cohort, those that are there still, and 10,000 at most.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        to = output or sys.stdout.buffer
        _keeper(session, endpoint).export_cohort(name, file_format, to, column_names(columns), order_by)
        yield from exported(output)

    return Stage("cohort export", Takes.ALONE, run, show_exported)


def _keeper(session: Session, endpoint: str) -> CohortKeeper:
    return cast(CohortKeeper, session.endpoint(endpoint, CohortKeeper, "keep cohorts"))


def _show_comparison(first: str, second: str) -> Callable[[Session, Flow], None]:
    def show(session: Session, flow: Flow) -> None:
        if session.json:
            show_json(session, flow)
            return
        for item in flow:
            counts = item.meta
            session.out.print(f"{counts['both']} in both, {counts['first']} only in {first}, ", end="")
            session.out.print(f"{counts['second']} only in {second}")
            break
        rest: list[Any] = list(flow)
        if rest:
            show_table([meta_column("Only in", "only_in"), *_NAMES])(session, iter(rest))

    return show


COMMANDS = (
    Actions(
        "cohort",
        (create, show, list_cohorts, freeze, compare, members, export, delete),
        "Keep questions by name, freeze their answers, and hand them on.",
        "Example: diana-cli cohort members chest-2026 get --out DIR",
    ),
)
