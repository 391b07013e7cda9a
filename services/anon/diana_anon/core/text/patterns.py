"""What has the form of an identifier, whoever it may be of.

Every pattern is bounded, and where it repeats at length it gives nothing back (possessive): the time is linear in the
text. The text must be plain (`plain`). Numbers of anatomy, physics and geometry have other forms than those of people:
few digits, a unit, a fraction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from diana_anon.core.text.addresses import ADDRESSES
from diana_anon.core.text.forms import Form, Span
from diana_anon.core.text.numbers import LABELLED, NUMBERS
from diana_anon.core.text.titles import names

_DIGIT = re.compile("[0-9]")
_ELECTRONIC = (
    Form(re.compile(r"(?<![\w.+-])[\w.+-]{1,64}+@[\w-]{1,63}+(?:\.[\w-]{1,63}+){1,6}+")),
    Form(re.compile(r"(?:(?<![a-z])[a-z][a-z0-9+.-]{1,10}://|\bwww\.)[^\s<>\"]{1,2000}+", re.IGNORECASE)),
)


def has_digits(text: str) -> bool:
    """Whether a text holds a digit at all; most forms need one."""
    return _DIGIT.search(text) is not None


def certain(text: str) -> Iterator[Span]:
    """What is beyond doubt, and wins over dates: e-mail and web addresses, numbers with a label."""
    return _found((*_ELECTRONIC, *LABELLED) if has_digits(text) else _ELECTRONIC, text)


def likely(text: str) -> Iterator[Span]:
    """What gives way to dates: numbers of people, phones and hosts, postal addresses, names beside a title or label."""
    if has_digits(text):
        yield from _found((*NUMBERS, *ADDRESSES), text)
    yield from names(text)


def _found(forms: Iterable[Form], text: str) -> Iterator[Span]:
    for expression, struck, holds in forms:
        for match in expression.finditer(text):
            if holds is None or holds(match):
                yield match.span(struck)
