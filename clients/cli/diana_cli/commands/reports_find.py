"""mfind: reports by accession number, day and words, and what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, cast

import rich_click as click

from diana_cli import questions
from diana_cli.chain import Flow, Stage, Takes, of_each
from diana_cli.params import ENDPOINT, MAPPING
from diana_cli.questions import ACCESSIONS, TODAY, by_accessions, matches_of
from diana_cli.session import Session
from diana_cli.tables import meta_column, show_table
from diana_cli.words import Worded
from diana_endpoints.items import BytesContent, Item
from diana_endpoints.protocol.index import ReportKeeper
from diana_endpoints.protocol.items import Finder
from diana_endpoints.protocol.query import Query

_COLUMNS = [
    meta_column("Report", "id"),
    meta_column("Accession", "accession_number"),
    ("Says", lambda item: " ".join(f"{name}={value}" for name, value in (item.data or {}).items())),
    meta_column("Study Instance UID", "study_uid"),
]
_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)")


@click.command(
    "mfind",
    cls=Worded,
    epilog="Example: diana-cli mfind -a A002,A003 index: print\n\n"
    "Example: diana-cli mfind -q 'nodule* AND Modality = CT' --start_date 2026-01-01 -e lungrads index: print jsonl",
)
@click.argument("source", type=ENDPOINT, metavar="SOURCE")
@ACCESSIONS
@click.option("--start_date", "--start-date", "start", default="", metavar="DATE", help="Studies of this day or later.")
@click.option("--end_date", "--end-date", "end", default="", metavar="DATE", help="Studies of this day or earlier.")
@TODAY
@click.option(
    "-q", "--query", default="", metavar="TEXT|MAPPING", help="Words of the report, or a filter; or attributes."
)
@click.option(
    "-e", "--extraction", "extractions", multiple=True, type=click.Choice(("radcat", "lungrads")), help="Tell this."
)
def mfind(
    source: str,
    accessions: tuple[str, ...],
    start: str,
    end: str,
    today: bool,
    query: str,
    extractions: tuple[str, ...],
) -> Stage:
    """Find radiology reports in an index, and read scores out of them; each is an item, its text its content.

    -q is words that must be in it ("low dose", nodul*), a filter as `find --filter` takes, or a MAPPING of attributes
    of the study. --extraction radcat gives radcat; lungrads gives lungrads, current_smoker and pack_years.
    """
    if today and (start or end):
        raise click.UsageError("--today stands without --start_date and --end_date.")
    asked = _query(_days(start, end, today), query)

    def run(session: Session, _: Flow | None) -> Flow:
        finder = cast(Finder, session.endpoint(source, Finder, "be asked"))
        keeper = cast(ReportKeeper, session.endpoint(source, ReportKeeper, "keep reports"))
        studies = chain.from_iterable(map(finder.find, by_accessions(asked, accessions)))
        found = of_each(studies, partial(_reports, keeper, extractions))
        for number, item in enumerate(found, 1):
            item.number = number
            yield item

    return Stage("mfind", Takes.NOTHING, run, show_table(_COLUMNS))


def _query(days: str, text: str) -> Query:
    """The question, all but the accession numbers."""
    is_mapping = text.startswith(("{", "@")) or re.match(r"\w+:\s", text) is not None
    matches = matches_of(MAPPING(text)) if is_mapping else {}
    if days:
        matches = {**matches, "StudyDate": [days]}
    return Query("study", matches, ["AccessionNumber"], where="" if is_mapping else text)


def _days(start: str, end: str, today: bool) -> str:
    """A range of dates as C-FIND has them; empty for all."""
    if today:
        return questions.today()
    return f"{_day(start, '--start_date')}-{_day(end, '--end_date')}" if start or end else ""


def _day(text: str, option: str) -> str:
    found = _DATE.fullmatch(text)
    if text and not found:
        raise click.BadParameter("must be a date: YYYY-MM-DD or YYYYMMDD", param_hint=option)
    return "".join(found.groups()) if found else ""


def _reports(keeper: ReportKeeper, extractions: Sequence[str], study: Item) -> Iterator[Item]:
    for listed in keeper.study_reports(str(study.meta["study_uid"])):
        yield _item(keeper.report(str(listed.meta["report"])), study, extractions)


def _item(report: Item, study: Item, extractions: Sequence[str]) -> Item:
    kept = ("study_uid", "accession_number", "time")
    meta = {"id": report.meta["report"], **{key: report.meta[key] for key in kept if key in report.meta}}
    meta["study_uid"] = study.meta["study_uid"]
    text = str(report.meta.get("text", "")).encode()
    return Item(meta, content=BytesContent(text), data=_said(report.meta["findings"], extractions))


def _said(findings: Sequence[str], extractions: Sequence[str]) -> dict[str, Any]:
    """What is asked for of what a report finds, by the older names."""
    found = dict(one.split("=", 1) for one in findings)
    said: dict[str, Any] = {}
    if "radcat" in extractions and "radcat" in found:
        said["radcat"] = found["radcat"]
    if "lungrads" in extractions:
        if "lung_rads" in found:
            said["lungrads"] = found["lung_rads"]
        if "smoking" in found:
            said["current_smoker"] = found["smoking"] == "current"
        if "pack_years" in found:
            years = float(found["pack_years"])
            said["pack_years"] = int(years) if years.is_integer() else years
    return said


COMMANDS = (mfind,)
