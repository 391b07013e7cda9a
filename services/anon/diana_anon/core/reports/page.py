"""A report as one HTML page, that loads nothing from elsewhere and prints well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, TypeVar

from jinja2 import Environment, StrictUndefined, Template

from diana_anon.core.reports.model import Report, meaning
from diana_anon.core.reports.written import gathered

T = TypeVar("T")

MOST_ROWS = 2_000
"""Lines of one table; a longer one says how many there are, and where the rest is."""


def html_report(report: Report) -> Iterator[bytes]:
    """The page, UTF-8. All that comes from objects or callers is escaped."""
    tables = {
        "studies": _table(report.studies),
        "actions": _table(report.actions),
        "held": _table(report.held),
        "refused": _table(report.refused),
        "failed": _table(report.failed),
        "conflicts": _table(report.conflicts),
        "texts": _table(report.texts),
        "proofs": _table(report.proofs),
    }
    methods = [(code, meaning(code)) for code in report.methods]
    return gathered(_template().generate(report=report, methods=methods, most=MOST_ROWS, **tables))


class _Rows(list[Any]):
    """The first lines of a table, and how many it has in all."""

    def __init__(self, lines: Iterator[Any]) -> None:
        super().__init__(islice(lines, MOST_ROWS))
        self.total = len(self) + sum(1 for _ in lines)


def _table(read: Callable[[], Iterator[T]]) -> _Rows:
    return _Rows(read())


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(files("diana_anon").joinpath("data/report.html").read_text("utf-8"))
