"""find and count: asking the index."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import rich_click as click

from diana_cli.chain import Flow, Stage, Takes
from diana_cli.session import Session
from diana_cli.tables import Column, meta_column, show_table
from diana_cli.text import attribute
from diana_endpoints.items import Item
from diana_endpoints.protocol import Finder, Query

LEVELS = ("patient", "study", "series", "instance")
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


def _question(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that find and count share."""
    for option in (
        click.option("--in", "endpoint", default="index:", show_default=True, metavar="ENDPOINT", help="Where to ask."),
        click.option("--at-least", default="", metavar="POSITION", help="Wait until the index knows this position."),
        click.option(
            "-m",
            "--match",
            "matches",
            multiple=True,
            metavar="ATTRIBUTE=VALUE",
            help="Must match, as C-FIND matches; may be repeated.",
        ),
        click.option(
            "--level", type=click.Choice(LEVELS), default="study", show_default=True, help="What to look for."
        ),
    ):
        command = option(command)
    return command


@click.command(
    "find", epilog="Example: diana-cli find --level study -m PatientID=1CT1 -m StudyDate=20040101- -r StudyTime"
)
@_question
@click.option(
    "-r", "--return", "names", multiple=True, metavar="ATTRIBUTE", help="Return this as well; may be repeated."
)
@click.option(
    "--order", "order_by", multiple=True, metavar="ATTRIBUTE", help="Sort by it; from the greatest with a - before it."
)
def find(
    endpoint: str,
    level: str,
    matches: tuple[str, ...],
    names: tuple[str, ...],
    order_by: tuple[str, ...],
    at_least: str,
) -> Stage:
    """Find patients, studies, series or instances in the index.

    Values match as C-FIND's do: exact, wildcards * and ?, ranges 20200101-20201231, empty for any. An
    attribute that is given twice matches either value.
    """
    query = Query(level, _parse(matches), names, order_by, at_least)

    def run(session: Session, _: Flow | None) -> Flow:
        yield from cast(Finder, session.endpoint(endpoint, Finder, "be asked")).find(query)

    return Stage("find", Takes.NOTHING, run, show_table(_columns(level, names)))


@click.command("count", epilog="Example: diana-cli count --level series -m Modality=CT")
@_question
def count(endpoint: str, level: str, matches: tuple[str, ...], at_least: str) -> Stage:
    """Count what find would find; after another command, count its items."""
    query = Query(level, _parse(matches), at_least_position=at_least)

    def run(session: Session, flow: Flow | None) -> Flow:
        if flow is None:
            yield Item({"count": cast(Finder, session.endpoint(endpoint, Finder, "be asked")).count(query)})
        else:
            yield Item({"count": sum(1 for _ in flow)})

    return Stage("count", Takes.EITHER, run, _show_count)


def _parse(matches: tuple[str, ...]) -> dict[str, list[str]]:
    parsed: dict[str, list[str]] = {}
    for match in matches:
        attribute_name, equals, value = match.partition("=")
        if not equals or not attribute_name:
            raise click.BadParameter("must be ATTRIBUTE=VALUE", param_hint="--match")
        parsed.setdefault(attribute_name, []).append(value)
    return parsed


def _columns(level: str, names: tuple[str, ...]) -> list[Column]:
    titles = {**_SHOWN[level], **{name: name for name in names if name not in _SHOWN[level]}}
    columns: list[Column] = [(title, partial(attribute, name=name)) for name, title in titles.items()]
    if level in _UID_KEYS:
        columns.append(meta_column(*_UID_KEYS[level]))
    return columns


def _show_count(session: Session, flow: Flow) -> None:
    for item in flow:
        session.echo(f'{{"count": {item.meta["count"]}}}' if session.json else str(item.meta["count"]))


COMMANDS = (find, count)
