"""The forms of values (PS3.5 table 6.2-1), strictly: what an override writes must be as the standard wants it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from diana_common.tags import vm_of, vr_of


class _Form(NamedTuple):
    pattern: re.Pattern[str]
    said: str


def _form(pattern: str, said: str) -> _Form:
    return _Form(re.compile(pattern), said)


_FORMS: Mapping[str, _Form] = {
    "AE": _form(r"[ -~]{1,16}", "a text of 1 to 16 characters"),
    "AS": _form(r"[0-9]{3}[DWMY]", "an age, as 045Y"),
    "CS": _form(r"[A-Z0-9 _]{1,16}", "1 to 16 capital letters, digits, spaces and underscores"),
    "DA": _form(r"[0-9]{8}", "a date, as 20260131"),
    "DS": _form(
        r"(?=.{1,16}\Z)[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?", "a number of 1 to 16 characters"
    ),
    "DT": _form(r"[0-9]{4,14}(\.[0-9]{1,6})?([+-][0-9]{4})?", "a date and time, as 20260131093000"),
    "IS": _form(r"[+-]?[0-9]{1,9}", "a whole number of 1 to 9 digits"),
    "LO": _form(r"[ -~]{1,64}", "a text of 1 to 64 characters"),
    "PN": _form(r"([^^=]{0,64}\^){0,4}[^^=]{1,64}", "a name of 1 to 5 components, as Doe^Jane"),
    "SH": _form(r"[ -~]{1,16}", "a text of 1 to 16 characters"),
    "TM": _form(r"[0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,6})?)?)?", "a time, as 093000"),
    "UI": _form(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+", "a UID, as 2.25.1"),
    "UR": _form(r"[!-~]+", "a URI, without spaces"),
}
_SINGLE = frozenset({"LT", "ST", "UR", "UT"})
"""VRs of one value, in which a backslash is itself."""


def misfit(tag: int, text: str) -> str:
    """Why a text cannot be the value of an attribute, and what could; empty if it can."""
    vr = vr_of(tag)
    values = [text] if vr in _SINGLE else text.split("\\")
    if len(values) > 1 and vm_of(tag) == "1":
        return "must be one value: the attribute has value multiplicity 1"
    form = _FORMS.get(vr)
    if form and not all(form.pattern.fullmatch(value) for value in values):
        return f"must be {form.said} (VR {vr})"
    return ""
