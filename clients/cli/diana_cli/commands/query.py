"""find and count: asking the index."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes
from diana_cli.questions import make_query, question_options
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.text import attribute
from diana_endpoints.items import Item
from diana_endpoints.protocol.index import Aggregator, Finder

_UID_KEYS = {
    "study": ("Study Instance UID", "study_uid"),
    "series": ("Series Instance UID", "series_uid"),
    "instance": ("SOP Instance UID", "sop_instance_uid"),
}
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
    "find", epilog="Example: diana-cli find --level study -m PatientID=1CT1 -m StudyDate=20040101- -r StudyTime"
)
@question_options
@click.option(
    "-r", "--return", "names", multiple=True, metavar="ATTRIBUTE", help="Return this as well; may be repeated."
)
@click.option(
    "--order", "order_by", multiple=True, metavar="ATTRIBUTE", help="Sort by it; from the greatest with a - before it."
)
def find(endpoint: str, level: str, names: tuple[str, ...], order_by: tuple[str, ...], **asked: Any) -> Stage:
    """Find patients, studies, series or instances in the index.

    Values match as C-FIND's do: exact, wildcards * and ?, ranges 20200101-20201231, empty for any. An
    attribute that is given twice matches either value.
    """
    query = make_query(level, **asked, names=names, order_by=order_by)

    def run(session: Session, _: Flow | None) -> Flow:
        yield from cast(Finder, session.endpoint(endpoint, Finder, "be asked")).find(query)

    return Stage("find", Takes.NOTHING, run, show_table(record_columns(level, names)))


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
            yield Item({"count": cast(Finder, session.endpoint(endpoint, Finder, "be asked")).count(query)})

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
    if level in _UID_KEYS:
        columns.append(meta_column(*_UID_KEYS[level]))
    return columns


def _show_count(session: Session, flow: Flow) -> None:
    for item in flow:
        session.echo(f'{{"count": {item.meta["count"]}}}' if session.json else str(item.meta["count"]))


COMMANDS = (find, count)
