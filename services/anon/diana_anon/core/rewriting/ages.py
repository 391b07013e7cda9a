"""Ages over 89, which are one category (45 CFR 164.514(b)(2)(i)(C)): 090Y, and a birth date that tells no more."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

from diana_anon.core.planning.rules import Kind
from diana_common.values import parse_age, parse_date

_DAYS_A_YEAR = 365.2425
OLDEST = 90
"""Years, as the category is called."""

CATEGORY = b"090Y"


def ages(raw: bytes) -> bytes | None:
    """The values of an AS element, every age over 89 years as 090Y; None if one can't be read."""
    values = raw.decode("latin_1").strip("\0 ").split("\\")
    if any(text.strip() and parse_age(text) is None for text in values):
        return None
    if not any(is_over_89(text) for text in values):
        return raw
    return b"\\".join(CATEGORY if is_over_89(text) else text.encode() for text in values)


def is_over_89(age: str) -> bool:
    """Whether an age (nnnD, nnnW, nnnM, nnnY) is of the category; False for one that can't be read."""
    days = parse_age(age)
    return days is not None and days / _DAYS_A_YEAR + 1e-9 >= OLDEST


def years(born: date, on: date) -> int:
    """Whole years from birth to a day."""
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


@lru_cache(maxsize=1024)
def births(
    dates: tuple[tuple[str, Kind], ...], true: str, age: str, minted: date | None, offset: timedelta
) -> tuple[bytes, bytes]:
    """The minted and the true birth date as they may be written; empty for one that may not, or is not there.

    `dates` are those of the study, the best first, and what becomes of each: the first that can be read counts. `true`
    and `age` are Patient's Birth Date and Age of the source.
    """
    read = ((parse_date(text), kind) for text, kind in dates)
    studied, kind = next((one for one in read if one[0] is not None), (None, Kind.REMOVE))
    known = parse_date(true)
    untold = studied is None and parse_age(age) is None  # nothing shows that it is not one of these
    shown = known is not None and studied is not None and years(known, studied) >= OLDEST
    over_89 = untold or shown or is_over_89(age)
    on = _written(studied, kind, offset)
    agreed = [_agreeing(born, on, over_89) if born else None for born in (minted, known)]
    first, second = (born.isoformat().replace("-", "").encode() if born else b"" for born in agreed)
    return first, second


def _agreeing(born: date, on: date | None, over_89: bool) -> date | None:
    """The birth date to write beside a day of the study that is written too, or None for no such day.

    Whoever is over 89, or seems to be by these two, was born on the first day of the year by which they are 90 in that
    of the study; without a day nothing agrees, and none is written.
    """
    if not over_89 and (on is None or years(born, on) < OLDEST):
        return born
    return None if on is None or on.year <= OLDEST else date(on.year - OLDEST, 1, 1)


def _written(studied: date | None, kind: Kind, offset: timedelta) -> date | None:
    """The date of the study as it will be written; None if it won't."""
    if studied is None or kind is Kind.KEEP:
        return studied
    try:
        return studied + offset if kind is Kind.SHIFT else None
    except OverflowError:
        return None
