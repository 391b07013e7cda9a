"""A span of time on a command line: 90s, 30m, 12h, 1d, 2w."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import rich_click as click

_SPAN = re.compile(r"([0-9]{1,7})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Span(click.ParamType[timedelta]):
    """A whole number of seconds, minutes, hours, days or weeks."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The span that a text says; click's usage error for one that says none."""
        found = _SPAN.fullmatch(str(value))
        if not found:
            self.fail("must be a whole number and s, m, h, d or w, such as 12h", param, ctx)
        number, unit = found.groups()
        return timedelta(**{_UNITS[unit]: int(number)})
