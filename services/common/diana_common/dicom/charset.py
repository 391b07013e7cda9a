"""Specific Character Set (0008,0005) to Unicode, with ISO 2022 escapes (PS3.3 C.12.1.1.2, PS3.5 6.1.2).

Text never fails: bytes that mean nothing in the declared repertoire become U+FFFD. Undeclared text is
read as Latin 1, of which the default repertoire is a part.
"""

from __future__ import annotations

import re
from functools import lru_cache

_TERM = re.compile(r"ISO[ _-]*(?:2022[ _-]*)?IR[ _-]*(\d+)")
_CODECS = {
    "13": "shift_jis",
    "58": "gb2312",
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "126": "iso8859_7",
    "127": "iso8859_6",
    "138": "iso8859_8",
    "144": "iso8859_5",
    "148": "iso8859_9",
    "149": "euc_kr",
    "166": "iso8859_11",
    "192": "utf_8",
    "203": "iso8859_15",
}
_NAMED = {"GB18030": "gb18030", "GBK": "gbk", "UTF-8": "utf_8", "UTF8": "utf_8"}
_DEFAULT = "latin_1"

_ESCAPE = re.compile(rb"\x1b(\([BJ]|\$[B@]|\$\(D|\)I|-[ABCDFGHLMTb]|\$\)[AC])")
_TWO_BYTE_G0 = {b"$B", b"$@", b"$(D"}
_G1 = {
    b")I": "shift_jis",
    b"-A": "latin_1",
    b"-B": "iso8859_2",
    b"-C": "iso8859_3",
    b"-D": "iso8859_4",
    b"-F": "iso8859_7",
    b"-G": "iso8859_6",
    b"-H": "iso8859_8",
    b"-L": "iso8859_5",
    b"-M": "iso8859_9",
    b"-T": "iso8859_11",
    b"-b": "iso8859_15",
    b"$)A": "gb2312",
    b"$)C": "euc_kr",
}
_INTRODUCED = {
    "13": (b"(J", b")I"),
    "14": (b"(J",),
    "87": (b"$B", b"$@", b"(J"),
    "159": (b"$(D", b"(J"),
} | {term: (escape,) for escape, codec in _G1.items() for term in _CODECS if _CODECS[term] == codec and term != "13"}
"""The escapes that introduce a declared character set; that of ASCII needs no declaration."""
_DELIMITERS = re.compile(rb"[\\\r\n\f\t]")
_NAME_DELIMITERS = re.compile(rb"[\\\r\n\f\t^=]")


class Repertoire:
    """How the text of one data set is decoded; made by `repertoire`."""

    __slots__ = ("_escapes", "codec", "resets")

    def __init__(self, codec: str, resets: bool, escapes: frozenset[bytes]) -> None:
        self.codec = codec
        self.resets = resets
        self._escapes = escapes

    def explains(self, data: bytes) -> bool:
        """Whether every escape in a value introduces a declared character set."""
        found = _ESCAPE.findall(data) if b"\x1b" in data else ()
        return self._escapes.issuperset(found) and len(found) == data.count(b"\x1b")

    def decode(self, data: bytes, name: bool = False) -> str:
        """The text of a value; `name` is true for PN, whose ^ and = also end an escape's reach."""
        if b"\x1b" in data:
            return self._decode_escaped(data, _NAME_DELIMITERS if name else _DELIMITERS)
        return data.decode(self.codec, "replace")

    def _decode_escaped(self, data: bytes, delimiters: re.Pattern[bytes]) -> str:
        first, *rest = _ESCAPE.split(data)
        text = [first.decode(self.codec, "replace")]
        codec, shift = self.codec, b""
        for escape, run in zip(rest[::2], rest[1::2], strict=True):
            if escape in _G1:
                codec = _G1[escape]
            else:
                shift = escape if escape in _TWO_BYTE_G0 else b""
            if shift:
                text.append((b"\x1b" + shift + run + b"\x1b(B").decode("iso2022_jp_2", "replace"))
                continue
            # Writers that declare no G1 of their own often leave out the escape after a delimiter: keep theirs.
            end = delimiters.search(run) if self.resets else None
            cut = end.start() if end else len(run)
            text.append(run[:cut].decode(codec, "replace") + run[cut:].decode(self.codec, "replace"))
            codec = self.codec if end else codec
        return "".join(text)


@lru_cache(maxsize=64)
def repertoire(declared: bytes) -> Repertoire:
    """The repertoire for a raw value of Specific Character Set; unknown terms mean the default."""
    first, *rest = (term.strip(" \0").upper() for term in declared.decode("latin_1").split("\\"))
    number = _number(first)
    codec = _CODECS.get(number, _DEFAULT) if number else _NAMED.get(first, _DEFAULT)
    escapes = {escape for term in (number, *map(_number, rest)) for escape in _INTRODUCED.get(term, ())}
    return Repertoire(codec, resets=bool(number), escapes=frozenset(escapes | {b"(B"} if escapes else ()))


def _number(term: str) -> str:
    """The number of a character set in the ISO registry; empty for others."""
    match = _TERM.fullmatch(term)
    return match.group(1) if match else ""
