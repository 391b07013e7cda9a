"""The names of months in English, German, French and Spanish, in full and short."""

from __future__ import annotations

from diana_anon.core.text.plain import plain

_FULL = (
    "january february march april may june july august september october november december",
    "januar februar märz april mai juni juli august september oktober november dezember",
    "jänner feber maerz april mai juni juli august september oktober november dezember",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
)
_SHORT = (
    "jan feb mar apr may jun jul aug sep oct nov dec",
    "jan feb mrz apr mai jun jul aug sept okt nov dez",
    "janv févr mars avr mai juin juil août sept oct nov déc",
    "ene feb mar abr may jun jul ago sept oct nov dic",
)
_YEARS = tuple(tuple(line.split()) for line in (*_FULL, *_SHORT))

NUMBER = {plain(name): number for year in _YEARS for number, name in enumerate(year, start=1)}
"""A month's number by its name in plain characters."""

ALTERNATIVES = "|".join(sorted(NUMBER, key=lambda name: (-len(name), name)))
"""For a regular expression, the longer ones first."""

FULL_NAMES = tuple(
    sorted({plain(name) for line in _FULL for name in line.split()}, key=lambda name: (-len(name), name))
)
"""The names that are not short for others, likewise."""


def month_name(number: int, like: str) -> str:
    """Another month's name in the language, length and case of a given one."""
    low = plain(like.lower())
    year = next(year for year in _YEARS if plain(year[NUMBER[low] - 1]) == low)
    name = year[number - 1]
    return name.upper() if like.isupper() else name.title() if like.istitle() else name
