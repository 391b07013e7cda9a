"""C-FIND's matching (PS3.4 section C.2.2.2): from the values of a key to what a record's forms must meet.

Nothing here knows of a database: stores translate a `Condition`, and may not add to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from diana_common.errors import DianaError, invalid_field
from diana_common.uid import is_uid
from diana_common.values import date_time_span, parse_date, split_range, time_span
from diana_index.core.attributes import Attribute
from diana_index.core.folding import folded_name
from diana_index.core.forms import (
    MOST_CHARACTERS,
    NUMBERS,
    Form,
    date_form,
    date_time_form,
    former,
    text_form,
    time_form,
)
from diana_index.core.names import query_sounds

WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
"""VRs in whose keys "*" and "?" are wildcards (PS3.4 section C.2.2.2.4)."""

_EMPTY_COMPONENTS = re.compile(r"(\^\*?)+$")


class Range(NamedTuple):
    """Between two forms; None is no end."""

    low: Form | None
    high: Form | None
    above: bool = False
    """Whether `low` itself is out."""
    below: bool = False
    """Whether `high` itself is out."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What one key asks of a record: that any form of the attribute meets any of these."""

    attribute: Attribute
    exact: tuple[Form, ...] = ()
    """Equal to one of them."""
    patterns: tuple[str, ...] = ()
    """Like one of them: "*" is any text, "?" any one character, all else itself."""
    ranges: tuple[Range, ...] = ()
    """Within one of them."""
    any_case: bool = False
    """Whether patterns, in lower case, match in any case of ASCII's letters."""
    sounds: tuple[tuple[str, ...], ...] = ()
    """Of a name, instead of all that: one of each of these is among its sounds."""
    empty: bool = False
    """Whether no form at all meets it too."""


NO_VALUE = '""'
"""The value of a key that asks for records without one (PS3.4's empty value matching)."""

Made = TypeVar("Made", bound=Condition | None)

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_Part = tuple[str, Form | Range]


def parse_condition(attribute: Attribute, values: Sequence[str], field: str) -> Condition | None:
    """The condition for a key's values; None if it is universal, which even a record without a value meets.

    Raises INVALID_FIELD for a value that its VR does not allow, naming it below the request's `field`.
    """
    parts: dict[str, dict[Form | Range, None]] = {"exact": {}, "patterns": {}, "ranges": {}}
    texts = [value.strip(" \0") for value in values]
    if not texts or not all(text.strip("*") for text in texts):
        return None
    for number, text in enumerate(texts):
        if text == NO_VALUE:
            continue
        made = list(_parts(attribute, text, f"{field}.values[{number}]"))
        if not made:
            return None  # a name that is nothing but delimiters
        for kind, part in made:
            parts[kind][part] = None
    found = {kind: tuple(forms) for kind, forms in parts.items()}
    return Condition(attribute, **found, empty=NO_VALUE in texts)  # type: ignore[arg-type]


def compare_condition(attribute: Attribute, comparator: str, text: str, field: str) -> Condition:
    """The condition of a filter's `<`, `<=`, `>`, `>=` or `=`. Raises INVALID_FIELD for what the VR does not allow."""
    text = text.strip(" \0")
    first, last = _ends(attribute, text, field)
    if comparator == "=":
        within = Range(first, last)
    elif comparator.startswith("<"):
        within = Range(None, first, below=True) if comparator == "<" else Range(None, last)
    else:
        within = Range(last, None, above=True) if comparator == ">" else Range(first, None)
    return Condition(attribute, ranges=(within,))


def containing_condition(attribute: Attribute, text: str, field: str) -> Condition | None:
    """The condition of a filter's ":": text is contained; of numbers, dates, times and UIDs, the same as "="."""
    text = text.strip(" \0*")
    if attribute.vr == "PN":
        return Condition(attribute, patterns=(f"*{folded_name(text)}*",)) if text else None
    if attribute.vr not in WILDCARD_VRS or not text:
        return parse_condition(attribute, [text], field)
    form = text_form(text) or ""
    return Condition(attribute, patterns=(f"*{ascii_lower(form)}*",), any_case=True)


def fuzzy_condition(attribute: Attribute, text: str) -> Condition | None:
    """The condition that a name sounds like one that is asked for; None if that has no words."""
    sounds = tuple(tuple(one) for one in query_sounds(text))
    return Condition(attribute, sounds=sounds) if sounds else None


def ascii_lower(text: str) -> str:
    """ASCII's letters in lower case, all others as they are: what SQL's lower() does."""
    return text.translate(_LOWER)


def _ends(attribute: Attribute, text: str, field: str) -> tuple[Form, Form]:
    """The first and last form that a text stands for."""
    if attribute.vr in ("DA", "TM", "DT"):
        return _span(attribute, text, field)
    form = _form(attribute, text, field)
    return form, form


def _form(attribute: Attribute, text: str, field: str) -> Form:
    """The form of a single value that is neither a date nor a time."""
    vr = attribute.vr
    form = folded_name(text) or None if vr == "PN" else former(vr)(text)
    if form is not None:
        return form
    needed = "takes a number" if vr in NUMBERS else f"takes no empty value, and none over {MOST_CHARACTERS} characters"
    raise _invalid(attribute, field, needed)


def _parts(attribute: Attribute, text: str, field: str) -> Iterator[_Part]:
    vr = attribute.vr
    if vr == "PN":
        return _name(text)
    if vr in ("DA", "TM", "DT"):
        return iter([_date_or_time(attribute, text, field)])
    if vr == "UI" and not is_uid(text):
        raise _invalid(attribute, field, "takes a UID (digits and dots; wildcards do not work in UIDs)")
    form = _form(attribute, text, field)
    return iter([_wild_or_exact(str(form)) if vr in WILDCARD_VRS else ("exact", form)])


def _wild_or_exact(text: str) -> _Part:
    if "*" in text or "?" in text:
        return "patterns", re.sub(r"\*+", "*", text)
    return "exact", text


def _name(text: str) -> Iterator[_Part]:
    """A name's alternatives: trailing empty components count for nothing, so "DOE^*" matches DOE too."""
    groups = [folded_name(group) for group in text.split("=", 2)]
    while groups and not groups[-1]:
        groups.pop()
    if len(groups) > 1:
        together = "=".join(group or "*" for group in groups)
        yield _wild_or_exact(together)
        if len(groups) == 2:
            yield _wild_or_exact(together + "=*")
        return
    for group in groups:
        yield _wild_or_exact(group)
        shorter = _EMPTY_COMPONENTS.sub("", group)
        if shorter and shorter != group:
            yield _wild_or_exact(shorter)


def _date_or_time(attribute: Attribute, text: str, field: str) -> _Part:
    ends = split_range(text, date_time=attribute.vr == "DT")
    if ends is None:
        return "exact", _span(attribute, text, field)[0]
    low, high = ends
    return "ranges", Range(
        _span(attribute, low, field)[0] if low else None, _span(attribute, high, field)[1] if high else None
    )


def _span(attribute: Attribute, text: str, field: str) -> tuple[str, str]:
    """The first and last form that a date or time stands for."""
    vr = attribute.vr
    if vr == "DA":
        day = parse_date(text)
        if day:
            return date_form(day), date_form(day)
        raise _invalid(
            attribute, field, "takes a date (YYYYMMDD) or a range of dates (YYYYMMDD-YYYYMMDD, either end open)"
        )
    if vr == "TM":
        times = time_span(text)
        if times:
            return time_form(times[0]), time_form(times[1])
        raise _invalid(attribute, field, "takes a time (HHMMSS.FFFFFF, the end may be left out) or a range of times")
    moments = date_time_span(text)
    if moments:
        return date_time_form(moments[0]), date_time_form(moments[1])
    raise _invalid(attribute, field, "takes a date and time (YYYYMMDDHHMMSS.FFFFFF&ZZXX) or a range of them")


def _invalid(attribute: Attribute, field: str, description: str) -> DianaError:
    """INVALID_FIELD that says which attribute it is about."""
    return invalid_field(field, f"{attribute.keyword} {description}")
