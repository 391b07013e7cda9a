"""report: radiology reports as plain text, and what they find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import rich_click as click

from diana_cli.actions import Actions
from diana_cli.chain import Flow, Stage, Takes, show_json, show_nothing, show_summary
from diana_cli.selection import in_option
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.text import clean
from diana_cli.words import Worded
from diana_common.errors import invalid_field
from diana_endpoints.failures import failure_of
from diana_endpoints.items import Item
from diana_endpoints.protocol.index import ReportKeeper, ReportText

_REPORTS: Sequence[Column] = (
    meta_column("Report", "report"),
    meta_column("Accession", "accession_number"),
    ("Structured", lambda item: "yes" if item.meta["structured"] else "no"),
    ("Findings", lambda item: " ".join(item.meta["findings"])),
    meta_column("Written", "time"),
)
_MOST_BYTES = 1024 * 1024

_IN = in_option("index:", "Who keeps it.")


@click.command("put", cls=Worded, epilog="Example: diana-cli report put A123.txt A124.txt")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--accession", default="", help="The accession number of the studies that they are of.")
@click.option("--study", default="", help="The Study Instance UID of the study that they are of.")
@_IN
def put(paths: tuple[Path, ...], accession: str, study: str, endpoint: str) -> Stage:
    """Put reports: text files (UTF-8), or folders of .txt files.

    A report's name is its file's without the ending. Unless it is said what they are of, that is the accession number
    too. A report takes the place of one of the same name.
    """

    def run(session: Session, _: Flow | None) -> Flow:
        keeper = _keeper(session, endpoint)
        unreadable: list[Item] = []
        yield from keeper.put_reports(_read(paths, accession, study, unreadable))
        yield from unreadable

    return Stage("report put", Takes.NOTHING, run, show_summary)


@click.command("show", cls=Worded, epilog="Example: diana-cli report show A123")
@click.argument("name")
@_IN
def show(name: str, endpoint: str) -> Stage:
    """Show a report, and what it finds."""

    def run(session: Session, _: Flow | None) -> Flow:
        yield _keeper(session, endpoint).report(name)

    return Stage("report show", Takes.NOTHING, run, _show_text)


@click.command("list", cls=Worded, epilog="Example: diana-cli report list 1.2.840.113619.2.1")
@click.argument("study")
@_IN
def list_reports(study: str, endpoint: str) -> Stage:
    """List a study's reports by its UID, the newest first."""

    def run(session: Session, _: Flow | None) -> Flow:
        yield from _keeper(session, endpoint).study_reports(study)

    return Stage("report list", Takes.NOTHING, run, show_table(_REPORTS))


@click.command("delete", cls=Worded, epilog="Example: diana-cli report delete A123")
@click.argument("name")
@_IN
def delete(name: str, endpoint: str) -> Stage:
    """Forget a plain report."""

    def run(session: Session, _: Flow | None) -> Flow:
        _keeper(session, endpoint).delete_report(name)
        yield from ()

    return Stage("report delete", Takes.ALONE, run, show_nothing)


def _read(paths: Iterable[Path], accession: str, study: str, unreadable: list[Item]) -> Iterator[ReportText]:
    """The reports of files; items of those that cannot be read are added to `unreadable`."""
    for number, path in enumerate(_files(paths), 1):
        try:
            text = _text(path)
        except Exception as error:  # one file that is none does not keep the rest
            unreadable.append(Item({"path": str(path)}, failure=failure_of(error), number=number))
            continue
        yield ReportText(path.stem, text, study, accession or ("" if study else path.stem))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.glob("*.txt") if one.is_file())
        else:
            yield path


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise invalid_field("report", "has more than 1 MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise invalid_field("report", "is no text in UTF-8") from None


def _show_text(session: Session, flow: Flow) -> None:
    if session.json:
        show_json(session, flow)
        return
    for item in flow:
        show_table(_REPORTS)(session, iter([item]))
        for line in str(item.meta.get("text", "")).splitlines():
            session.out.print(clean(line))


def _keeper(session: Session, endpoint: str) -> ReportKeeper:
    return cast(ReportKeeper, session.endpoint(endpoint, ReportKeeper, "keep reports"))


COMMANDS = (
    Actions(
        "report",
        (put, show, list_reports, delete),
        "Keep radiology reports, to be found by their words and their scores.",
        "Example: diana-cli report put /reports",
    ),
)
