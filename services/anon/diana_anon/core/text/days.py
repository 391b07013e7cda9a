"""Dates within a text: found in their usual spellings, read, and written again some time later.

Every pattern is bounded, and gives up at once where it cannot match: the time is linear in the text. The text must be
plain (`plain`). A time counts only where it follows a date.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from diana_anon.core.text.months import ALTERNATIVES, FULL_NAMES, NUMBER, month_name

_YEAR = r"(?P<y>(?:18|19|20)\d\d)"
_SHORT_YEAR = r"(?P<y>(?:18|19|20)\d\d|'?\d\d)"
_MONTH = rf"(?P<b>{ALTERNATIVES})(?![a-z])\.?"
_CLOCK = (
    r"(?:(?:,? (?:at |um |a las |a |@ ?)?|T|,)(?P<H>[01]?\d|2[0-3])[:h](?P<M>[0-5]\d)(?![\d/])"
    r"(?::(?P<S>[0-5]\d)(?!\d)(?:[.,]\d{1,6}+)?)?(?: ?(?P<p>[ap])\.?m\b\.?)?"
    r"(?: ?(?:Z|UTC|GMT)\b|[+-]\d\d:?\d\d(?!\d))?(?: ?(?:Uhr|hrs?|h)\b)?)?"
)
_BEFORE = r"(?<![^\W_])(?<!\d[./:])"
_AFTER = r"(?!\d)(?!\.\d)"

_ORDINAL = r"(?:(?P<o>st|nd|rd|th|er)|\.)?"
_OF_YEAR = r"[ ,./-]{0,2}+(?:del? |of )?"

_COMPACT = (
    r"(?<!\d)(?<!\d\.)(?P<y>(?:18|19|20)\d\d)(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])"
    r"(?:[ _T-]?(?P<H>[01]\d|2[0-3])(?P<M>[0-5]\d)(?P<S>[0-5]\d)(?:\.\d{1,6}+)?(?:[+-]\d{4}(?!\d))?)?(?!\d)(?!\.\d)"
)
_SPELLINGS = (
    rf"{_BEFORE}{_YEAR}(?P<s>[-/.])(?P<m>\d\d?)(?P=s)(?P<d>\d\d?)(?!\d)(?!\.\d){_CLOCK}",
    _COMPACT,
    rf"{_BEFORE}(?P<a>\d\d?)(?P<s>[./-]) ?(?P<c>\d\d?)(?P=s) ?{_SHORT_YEAR}{_AFTER}(?!/\d){_CLOCK}",
    rf"{_BEFORE}(?P<d>\d\d?){_ORDINAL}(?:[ ./-]{{0,2}}+(?:de |of )?){_MONTH}{_OF_YEAR}{_SHORT_YEAR}{_AFTER}{_CLOCK}",
    rf"(?<![a-z]){_MONTH}[ ./-]{{0,2}}(?P<d>\d\d?){_ORDINAL}(?:, ?| |-|/){_YEAR}{_AFTER}{_CLOCK}",
    rf"(?<![a-z]){_MONTH}{_OF_YEAR}{_YEAR}{_AFTER}",
    rf"{_BEFORE}(?P<m>0?[1-9]|1[0-2])/(?P<y>(?:19|20)\d\d){_AFTER}(?!/)",
    r"(?<!\d)(?P<y>\d{4})(?:年|년) ?(?P<m>\d\d?)(?:月|월)(?: ?(?P<d>\d\d?)(?:日|일))?",
)
_READABLE = tuple(re.compile(spelling, re.IGNORECASE) for spelling in _SPELLINGS)

_FULL = "|".join(name for name in FULL_NAMES if name != "may")
_SHORT = "|".join(sorted({name.title() for name in NUMBER if len(name) < 5}))
_UNREADABLE = (
    # A day of a month without its year, where the month is beyond doubt, and years of Japanese eras.
    re.compile(rf"{_BEFORE}\d\d?(?:st|nd|rd|th|er|\.)? (?:de |of )?(?:(?i:{_FULL})|{_SHORT})(?![A-Za-z])\.?{_CLOCK}"),
    re.compile(
        rf"(?<![A-Za-z])(?:(?i:{_FULL})|{_SHORT})\.? \d\d?(?:st|nd|rd|th)?(?!\d)(?![.:/-]\d)(?! ?(?:mm|cm|ms|s|x)\b)"
    ),
    re.compile(r"(?:令和|平成|昭和|大正|明治)(?:\d\d?|元)年(?: ?\d\d?月)?(?: ?\d\d?日)?"),
)
_BIRTH = re.compile(
    r"(?:\bd\.?o\.?b\.?|\bborn|\bbirth ?date|\bdate of birth|\bgeb(?:oren|\.)?|\bgeburtsdatum|\bnee? le|\bnacid[oa]"
    r"|\bfecha de nacimiento|\bdate de naissance|生年月日|생년월일)[ :=]{0,3}(?:on |am |el |the |: ?)?$",
    re.IGNORECASE,
)
_BIRTH_REACH = 32
_PIVOT = 50
"""Years of two digits below it are of this century."""


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """A date in a text. `moment` is None if it cannot be read; `parts` are the places of its digits and names."""

    start: int
    end: int
    moment: datetime | None
    parts: tuple[tuple[str, int, int], ...] = ()
    birth: bool = False
    """Whether the text says that it is a birth date."""

    def moved(self, text: str, offset: timedelta) -> str | None:
        """Its new spelling; None if it can't be read or leaves the calendar."""
        if self.moment is None:
            return None
        try:
            new = self.moment + offset
        except OverflowError:
            return None
        halves = any(part == "p" for part, _, _ in self.parts)
        pieces, last = [], self.start
        for part, start, end in self.parts:
            pieces += [text[last:start], _spelled("h" if part == "H" and halves else part, text[start:end], new)]
            last = end
        return "".join([*pieces, text[last : self.end]])


def dates_in(text: str, known: Iterable[date] = ()) -> list[Found]:
    """The dates in a plain text, none overlapping another.

    Of two ways to read 01/02/2020 the one nearer to a known date is taken; without known dates, month first, but day
    first if dots part it.
    """
    near = tuple(known)[:_KNOWN]
    found: dict[int, Found] = {}
    taken = bytearray(len(text))
    for pattern in _READABLE:
        for match in pattern.finditer(text):
            _add(found, taken, _read(match, near))
    for pattern in _UNREADABLE:
        for match in pattern.finditer(text):
            _add(found, taken, Found(match.start(), match.end(), None))
    return [found[start] for start in sorted(found)]


_KNOWN = 64
_ORDERS = {"a": "dm", "c": "md"}


def _add(found: dict[int, Found], taken: bytearray, one: Found | None) -> None:
    if one is not None and not any(taken[one.start : one.end]):
        taken[one.start : one.end] = b"\1" * (one.end - one.start)
        found[one.start] = one


def _read(match: re.Match[str], known: tuple[date, ...]) -> Found | None:
    """What a match says; None if it is no date after all."""
    groups = match.groupdict()
    readings = list(_readings(groups))
    if not readings:
        return None
    order = min(readings, key=lambda one: min((abs(one[1] - day) for day in known), default=timedelta()))
    names, day = order
    clock = time(_hour(groups), int(groups.get("M") or 0), int(groups.get("S") or 0))
    parts = [(name, *match.span(group)) for group, name in names.items() if groups.get(group)]
    parts += [(name, *match.span(name)) for name in "oHMSp" if groups.get(name)]
    before = match.string[max(0, match.start() - _BIRTH_REACH) : match.start()]
    return Found(
        match.start(),
        match.end(),
        datetime.combine(day, clock),
        tuple(sorted(parts, key=lambda part: part[1])),
        _BIRTH.search(before) is not None,
    )


def _readings(groups: dict[str, str | None]) -> Iterator[tuple[dict[str, str], date]]:
    """The days that the groups may mean, the likeliest first, each with what its groups are."""
    year = _year(groups["y"] or "")
    first, second = groups.get("a"), groups.get("c")
    if first is not None and second is not None:
        if len(groups["y"] or "") < 4 and groups["s"] != "/" and not len(first) == len(second) == 2:
            return
        for order in ("dm", "md") if groups["s"] == "." else ("md", "dm"):
            numbers = dict(zip(order, (first, second), strict=True))
            if (day := _day(year, int(numbers["m"]), int(numbers["d"]))) is not None:
                yield dict(zip("acy", (*order, "y"), strict=True)), day
        return
    name = groups.get("b")
    month = NUMBER[name.lower()] if name else int(groups.get("m") or 0)
    # A month as a whole is taken for its middle, so that it moves to the month that most of its days move to.
    if (day := _day(year, month, int(groups.get("d") or 15))) is not None:
        yield {"y": "y", "b": "b", "m": "m", "d": "d"}, day


def _year(text: str) -> int:
    digits = text.lstrip("'")
    year = int(digits)
    return year if len(digits) == 4 else year + (2000 if year < _PIVOT else 1900)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _hour(groups: dict[str, str | None]) -> int:
    hour, half = int(groups.get("H") or 0), (groups.get("p") or "").lower()
    return hour % 12 + (12 if half == "p" else 0) if half else hour


def _ordinal(day: int, old: str) -> str:
    """What follows a day: 1er in French, 1st and 11th in English."""
    if old.lower() == "er":
        return "er" if day == 1 else ""
    return {1: "st", 2: "nd", 3: "rd"}.get(day if day < 20 else day % 10, "th")


def _spelled(part: str, old: str, moment: datetime) -> str:
    """One part of a date or time anew, in the manner of the old one."""
    if part == "b":
        return month_name(moment.month, old)
    if part in "op":
        new = _ordinal(moment.day, old) if part == "o" else "ap"[moment.hour >= 12]
        return new.upper() if old.isupper() else new
    if part == "y":
        mark = "'" if old.startswith("'") else ""
        return f"{moment.year:04}" if len(old) == 4 else f"{mark}{moment.year % 100:02}"
    number = {
        "d": moment.day,
        "m": moment.month,
        "H": moment.hour,
        "h": (moment.hour + 11) % 12 + 1,
        "M": moment.minute,
        "S": moment.second,
    }[part]
    return f"{number:0{len(old)}}" if len(old) == 2 else str(number)
