"""A form that identifiers have, and what tells a number of something from a measure of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

Span = tuple[int, int]

_UNITS = (
    "[kmcnpu\u00b5\u03bc]?(?:m|g|s|l|L|V|A|W|Hz|Gy|Sv|Bq|Ci|T|mol|As)",
    "M(?:Hz|Bq|Gy|V)|G(?:Hz|Bq|y)|cGy|mGycm|mGy|kVp|dB|dl|dL|cc|ccm|min|sec|msec|hrs?|h",
    "mm[23]|cm[23]|HU|ppm|ppi|dpi|Pa|kPa|hPa|mmHg|bpm|fps|IU|IE|x|px|counts?|kcts|pixels?|voxels?|cells?|slices?",
    "images?|frames?|views?|phases?|years?|weeks?|months?|days?|times",
)
_MEASURED = re.compile(rf" ?(?:(?:{'|'.join(_UNITS)})(?![A-Za-z])|[°%²³])")


class Form(NamedTuple):
    """`struck` is the group that goes; `holds` looks closer at a match."""

    expression: re.Pattern[str]
    struck: str | int = 0
    holds: Callable[[re.Match[str]], bool] | None = None


def is_measured(text: str, end: int) -> bool:
    """Whether a unit or a decimal follows the number that ends here."""
    decimal = text[end : end + 1] in (".", ",") and text[end + 1 : end + 2].isdigit()
    return decimal or _MEASURED.match(text, end) is not None
