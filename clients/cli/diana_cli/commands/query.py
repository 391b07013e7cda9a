"""find and count: asking the index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes, show_lines
from diana_cli.params import ENDPOINT, MAPPING
from diana_cli.questions import make_query, matches_of, question_options
from diana_cli.selection import source_of
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.text import attribute
from diana_cli.words import Worded
from diana_endpoints.items import Item
from diana_endpoints.levels import BY_UID
from diana_endpoints.protocol.index import Aggregator, Counter
from diana_endpoints.protocol.items import Finder

_UID_TITLES = {"study": "Study Instance UID", "series": "Series Instance UID", "instance": "SOP Instance UID"}
_SHOWN = {
    "patient": {
        "PatientID": "Patient ID",
        "PatientName": "Name",
        "PatientSex": "Sex",
        "NumberOfPatientRelatedStudies": "Studies",
    },
    "study": {
        "PatientID": "Patient ID",
        "StudyDate": "Date",
        "ModalitiesInStudy": "Modalities",
        "StudyDescription": "Description",
        "NumberOfStudyRelatedInstances": "Instances",
    },
    "series": {
        "Modality": "Modality",
        "SeriesNumber": "Number",
        "SeriesDescription": "Description",
        "NumberOfSeriesRelatedInstances": "Instances",
    },
    "instance": {"InstanceNumber": "Number", "SOPClassUID": "SOP Class UID"},
}
"""What a table shows of each level, and the titles of its columns."""


@click.command(
    "find",
    cls=Worded,
    epilog="Example: diana-cli find --level study -m PatientID=1CT1 -m StudyDate=20040101- -r StudyTime\n\n"
    "Example: diana-cli find -q '{status: unread}' redis: print",
)
@click.argument("source", type=ENDPOINT, required=False, metavar="[SOURCE]")
@question_options
@click.option("-q", "--query", "mapping", type=MAPPING, help="Must match as well, as a mapping of values by name.")
@click.option(
    "-r", "--return", "names", multiple=True, metavar="ATTRIBUTE", help="Return this as well; may be repeated."
)
@click.option(
    "--order", "order_by", multiple=True, metavar="ATTRIBUTE", help="Sort by it; from the greatest with a - before it."
)
def find(
    source: str | None,
    endpoint: str,
    level: str,
    names: tuple[str, ...],
    order_by: tuple[str, ...],
    mapping: dict[str, Any] | None,
    **asked: Any,
) -> Stage:
    """Find patients, studies, series or instances in the index, or what another SOURCE has.

    Values match as C-FIND's do: exact, wildcards * and ?, ranges 20200101-20201231, empty for any. An
    attribute that is given twice matches either value.
    """
    place = source_of(source, endpoint)
    query = make_query(level, **asked, names=names, order_by=order_by)
    more = matches_of(mapping or {})
    if twice := sorted(query.matches.keys() & more):
        raise click.UsageError(f"--match and --query both name {', '.join(twice)}.")
    query = replace(query, matches={**query.matches, **more})

    def run(session: Session, _: Flow | None) -> Flow:
        yield from cast(Finder, session.endpoint(place, Finder, "be asked")).find(query)

    return Stage("find", Takes.NOTHING, run, _show_found(record_columns(level, names)))


@click.command("count", epilog="Example: diana-cli count --level series --by Modality --by StudyDate:month")
@question_options
@click.option(
    "--by",
    multiple=True,
    metavar="ATTRIBUTE[:HOW]",
    help="Count in groups. HOW: year, month, day or hour; of numbers a width. May be repeated.",
)
@click.option(
    "--measure",
    "measures",
    multiple=True,
    metavar="KIND:ATTRIBUTE",
    help="Measure numbers too: count, sum, min, max, mean, median, p0 to p100. May be repeated.",
)
@click.option("--by-count", is_flag=True, help="The greatest groups first.")
@click.option("--limit", type=click.IntRange(min=0), default=0, metavar="N", help="So many groups at most.")
def count(
    endpoint: str, by: tuple[str, ...], measures: tuple[str, ...], by_count: bool, limit: int, **asked: Any
) -> Stage:
    """Count what find would find; after another command, count its items."""
    query = make_query(**asked)

    def run(session: Session, flow: Flow | None) -> Flow:
        if flow is not None:
            yield Item({"count": sum(1 for _ in flow)})
        elif by or measures:
            source = cast(Aggregator, session.endpoint(endpoint, Aggregator, "count in groups"))
            yield from source.aggregate(query, by, measures, by_count, limit)
        else:
            yield Item({"count": cast(Counter, session.endpoint(endpoint, Counter, "count")).count(query)})

    columns: list[Column] = [(name, partial(_grouped, name=name)) for name in (*by, "count", *measures)]
    grouped = bool(by or measures)
    return Stage(
        "count", Takes.NOTHING if grouped else Takes.EITHER, run, show_table(columns) if grouped else _show_count
    )


def _grouped(item: Item, name: str) -> object:
    """A group's key or figure; nothing for the group without a value."""
    value = item.meta[name]
    return "" if value is None else value


def record_columns(level: str, names: tuple[str, ...]) -> list[Column]:
    """What a table shows of a level's records, and of them the attributes that were named."""
    titles = {**_SHOWN[level], **{name: name for name in names if name not in _SHOWN[level]}}
    columns: list[Column] = [(title, partial(attribute, name=name)) for name, title in titles.items()]
    uids = (meta_column(_UID_TITLES[one.name], one.key) for one in BY_UID if one.name == level)
    return [*columns, *uids]


def _show_found(columns: Sequence[Column]) -> Callable[[Session, Flow], None]:
    """A table of records; a line each of what is no record, such as a key's value."""

    def show(session: Session, flow: Flow) -> None:
        first = next(flow, None)
        found = chain([first] if first else [], flow)
        (show_lines if first and first.data is not None else show_table(columns))(session, found)

    return show


def _show_count(session: Session, flow: Flow) -> None:
    for item in flow:
        session.echo(f'{{"count": {item.meta["count"]}}}' if session.json else str(item.meta["count"]))


COMMANDS = (find, count)
