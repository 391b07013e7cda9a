"""mock: a synthetic hospital that sends studies."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import rich_click as click

from diana_cli.chain import Stage, Takes, show_summary
from diana_cli.mocking import Order, run_mock
from diana_cli.params import BadText, parse_tree, read_text
from diana_cli.words import Worded

EXAMPLE = "{name: Example Hospital, services: [{name: Main CT, modality: CT, devices: 3, studies_per_hour: 15}]}"
"""What is described where nothing is."""

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 3650 * 86400.0
_FASTEST = 1e6


class Description(click.ParamType[Any]):
    """Sites and their services: YAML or JSON, or @FILE of it."""

    name = "desc"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The tree; click's usage error for text that is neither."""
        if not isinstance(value, str):
            return value
        try:
            return parse_tree(read_text(value[1:]) if value.startswith("@") else value)
        except BadText as error:
            self.fail(f"{error}. Write a list of sites in YAML, or @FILE of it.", param, ctx)


class Duration(click.ParamType[timedelta]):
    """A length of simulated time: 90s, 30m, 1h, 2d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Raises click's usage error."""
        if isinstance(value, timedelta):
            return value
        found = _DURATION.fullmatch(value.strip())
        seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
        if not 0 < seconds <= _LONGEST:
            self.fail("must be a length of time, such as 90s, 30m, 1h or 2d, of ten years at most.", param, ctx)
        return timedelta(seconds=seconds)


class Speed(click.ParamType[float]):
    """Seconds of simulated time in a second, or max."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """0 for max: no waiting. Raises click's usage error."""
        try:
            speed = 0.0 if value == "max" else float(value)
        except ValueError:
            speed = -1.0
        if not (value == "max" or 0 < speed <= _FASTEST):
            self.fail("must be max, or a number above 0: 1 is real time, 60 is an hour in a minute.", param, ctx)
        return speed


@click.command("mock", cls=Worded, epilog="Example: diana-cli mock --studies 3 --dest path:scans --ledger ledger.jsonl")
@click.argument("desc", type=Description(), default=EXAMPLE)
@click.option("--dest", default="", metavar="ENDPOINT", help="Where to: path:DIR, archive:STORE, AET@HOST:PORT, ...")
@click.option("--studies", type=click.IntRange(1, 10**9), help="End after so many studies; priors come on top.")
@click.option("--duration", type=Duration(), help="End after so much simulated time: 30m, 8h, 2d.")
@click.option("--speed", type=Speed(), help="Simulated seconds a second: 1, where nothing ends it; else max.")
@click.option(
    "--start",
    type=click.DateTime(("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")),
    metavar="TIME",
    default="2026-01-05T08:00",
    show_default=True,
    help="When it begins, in simulated time.",
)
@click.option("--seed", type=int, help="Instead of every site's own seed.")
@click.option("--reports", type=click.Path(path_type=Path, file_okay=False), help="Folder for reports as plain text.")
@click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what was made, with its fault and what became of it, as JSON lines.",
)
def mock(
    desc: Any,
    dest: str,
    studies: int | None,
    duration: timedelta | None,
    speed: float | None,
    start: datetime,
    seed: int | None,
    reports: Path | None,
    ledger: Path | None,
) -> Stage:
    """Run a synthetic hospital, whose devices make studies of patients who do not exist.

    DESC describes its sites and services in YAML, or as @FILE. The same description and seed make the same bytes.
    Without --dest the instances flow on to the next command. Ctrl-C ends it in order.
    """
    if not 1990 <= start.year <= 2100:
        raise click.UsageError("--start must lie in the years 1990 to 2100.")
    from diana_mock.description import Reports, sites  # pydicom with it: time that other commands need not spend

    described = sites(desc)
    if seed is not None:
        described = tuple(replace(site, seed=seed) for site in described)
    if speed is None and studies is None and duration is None:
        speed = 1.0
    if not reports and any(site.reports in (Reports.TEXT, Reports.BOTH) for site in described):
        raise click.UsageError("The description asks for reports as text: give --reports DIR to write them to.")
    order = Order(described, start, speed or None, studies, duration, dest, reports, ledger)
    return Stage("mock", Takes.NOTHING, lambda session, _: run_mock(session, order), show_summary)


COMMANDS = (mock,)
