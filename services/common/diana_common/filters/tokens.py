"""A filter's tokens. Time is linear in the length of the text.

Text that is not in quotation marks ends at white space and at `. , ( ) " < > = : ! \\`; an apostrophe within a
word belongs to it (O'Brien). In quotation marks, double or single, a backslash stands before a backslash or
a quotation mark that is meant itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from diana_common.filters.tree import filter_error

MAX_BYTES = 16 * 1024
"""The longest filter, in UTF-8."""

_TOKEN = re.compile(
    r"""(?P<SPACE>\s+) | (?P<COMPARATOR><=|>=|!=|<|>|=|:) | (?P<OPEN>\() | (?P<CLOSE>\)) | (?P<DOT>\.)
    | (?P<STRING>"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+') | (?P<TEXT>[^\s.,()"'<>=:!\\][^\s.,()"<>=:!\\]*)""",
    re.VERBOSE | re.DOTALL,
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_STRAY = {
    '"': "a quoted text must end with the quotation mark it began with",
    "'": "a quoted text must end with the quotation mark it began with",
    ",": '"," has no meaning here; put what contains it in quotation marks, a tag too: "(0010,0020)"',
    "!": '"!" has a meaning only in "!="; put what contains it in quotation marks',
    "\\": "a backslash may stand only in quotation marks",
}


class Kind(Enum):
    """Kinds of tokens."""

    COMPARATOR = auto()
    OPEN = auto()
    CLOSE = auto()
    DOT = auto()
    STRING = auto()
    TEXT = auto()
    STRAY = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a filter."""

    kind: Kind
    text: str
    """What it means: a STRING without its quotation marks and escapes; why a STRAY one is none."""
    position: int
    spaced: bool
    """Whether white space, or the filter's beginning or end, stands before it."""


def tokens(text: str, field: str) -> Iterator[Token]:
    """The tokens of a filter, END last, or a STRAY one where no token can be.

    Raises FILTER_INVALID for the request's `field`: for too long a text, or characters and escapes that may not be.
    """
    _check(text, field)
    at, spaced = 0, True
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            yield Token(Kind.STRAY, _STRAY[text[at]], at + 1, spaced)
            return
        name = match.lastgroup or ""
        if name != "SPACE":
            found = match.group()
            yield Token(Kind[name], _unquoted(found, at, field) if name == "STRING" else found, at + 1, spaced)
        spaced = name == "SPACE"
        at = match.end()
    yield Token(Kind.END, "", at + 1, True)


def _check(text: str, field: str) -> None:
    control = _CONTROL.search(text)
    if control:
        raise filter_error(control.start() + 1, "is a control character, which no filter may contain", field)
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise filter_error(error.start + 1, "is half of a surrogate pair, which is no character", field) from None
    if size > MAX_BYTES:
        raise filter_error(MAX_BYTES + 1, f"a filter may have {MAX_BYTES:,} bytes at most", field)


def _unquoted(quoted: str, at: int, field: str) -> str:
    inner = quoted[1:-1]
    if "\\" not in inner:
        return inner
    for escape in _ESCAPE.finditer(inner):
        if escape.group(1) not in "\\\"'":
            raise filter_error(
                at + 2 + escape.start(),
                "a backslash may stand only before a backslash or a quotation mark; write two where one is meant",
                field,
            )
    return _ESCAPE.sub(r"\1", inner)
