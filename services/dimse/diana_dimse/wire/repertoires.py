"""Text to bytes in DICOM's character sets, with ISO 2022 escapes (PS3.3 section C.12.1.1.2, PS3.5 section 6.1.2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

UTF_8 = "ISO_IR 192"

_TERM = re.compile(r"ISO(?:_| 2022 )IR (\d+)")
_ALONE = {UTF_8: "utf_8", "GB18030": "gb18030", "GBK": "gbk"}
"""Sets that neither follow another nor are followed by one."""

_CODECS = {
    "100": (b"-A", "latin_1"),
    "101": (b"-B", "iso8859_2"),
    "109": (b"-C", "iso8859_3"),
    "110": (b"-D", "iso8859_4"),
    "126": (b"-F", "iso8859_7"),
    "127": (b"-G", "iso8859_6"),
    "138": (b"-H", "iso8859_8"),
    "144": (b"-L", "iso8859_5"),
    "148": (b"-M", "iso8859_9"),
    "149": (b"$)C", "euc_kr"),
    "166": (b"-T", "iso8859_11"),
    "203": (b"-b", "iso8859_15"),
    "58": (b"$)A", "gb2312"),
}
_JIS = {"87": (b"$B", "iso2022_jp"), "159": (b"$(D", "iso2022_jp_2")}
_KATAKANA = "13"
_DOUBLE = frozenset({"58", "87", "149", "159"})
"""Sets of two bytes a character, which only extend another (PS3.3 Table C.12-4)."""

_DELIMITERS = re.compile(r"([\\\r\n\f\t]+)")
_NAME_DELIMITERS = re.compile(r"([\\\r\n\f\t^=]+)")


class NotInRepertoire(Exception):
    """The text has characters that the character set lacks."""


@dataclass(frozen=True, slots=True)
class _Set:
    """A character set: the escape that brings it in, and a character's bytes in it; ValueError if it has none."""

    escape: bytes
    encode: Callable[[str], bytes]

    @property
    def takes_ascii_away(self) -> bool:
        """Whether it lies where ASCII lies else (G0)."""
        return self.escape in (b"$B", b"$(D")


class Repertoire:
    """Encodes the text of one data set."""

    def __init__(self, first: _Set, others: tuple[_Set, ...] = (), back: bytes = b"(B") -> None:
        """`back`: the escape that brings back the first set's own ASCII."""
        self._first, self._others, self._back = first, others, b"\x1b" + back

    def encode(self, text: str, is_name: bool) -> bytes:
        """The text's bytes; in a name each component begins anew. Raises NotInRepertoire."""
        if not self._others:
            return _encoded(self._first, text)
        parts = (_NAME_DELIMITERS if is_name else _DELIMITERS).split(text)
        return b"".join([self._component(part) for part in parts])

    def _component(self, text: str) -> bytes:
        try:
            return self._first.encode(text)
        except ValueError:
            pass
        pieces: list[bytes] = []
        active = self._first
        for character in text:
            wanted = self._first if character.isascii() else self._set_of(character, active)
            if character.isascii():
                if active.takes_ascii_away:
                    pieces.append(self._back)
                    active = self._first
            elif wanted is not active:
                if active.takes_ascii_away:
                    pieces.append(self._back)
                pieces.append(b"\x1b" + wanted.escape)
                active = wanted
            pieces.append(wanted.encode(character))
        if active.takes_ascii_away:
            pieces.append(self._back)
        return b"".join(pieces)

    def _set_of(self, character: str, active: _Set) -> _Set:
        for one in (active, self._first, *self._others):
            if one.escape:
                try:
                    one.encode(character)
                    return one
                except ValueError:
                    continue
        raise NotInRepertoire


@lru_cache(64)
def repertoire(terms: str) -> Repertoire | None:
    r"""The repertoire of a Specific Character Set, its terms parted by `\`; None for one that cannot be."""
    first, *rest = (term.strip() for term in terms.split("\\"))
    if first in _ALONE:
        return None if rest else Repertoire(_Set(b"", partial(_by_codec, _ALONE[first])))
    numbers = [_number(term) for term in (first, *rest)]
    if None in numbers or numbers[0] in _DOUBLE:
        return None
    initial, *others = (_set(number or "6") for number in numbers)
    return Repertoire(initial, tuple(others), b"(J" if numbers[0] == _KATAKANA else b"(B")


def _number(term: str) -> str | None:
    """A term's number in the ISO registry, that of ASCII for an empty one; None for what is no term."""
    match = _TERM.fullmatch(term) if term else None
    number = match.group(1) if match else "" if term else "6"
    return number if number in _CODECS or number in _JIS or number in ("6", _KATAKANA) else None


def _set(number: str) -> _Set:
    if number in _CODECS:
        escape, codec = _CODECS[number]
        return _Set(escape, partial(_by_codec, codec))
    if number in _JIS:
        escape, codec = _JIS[number]
        return _Set(escape, partial(_jis, codec, b"\x1b" + escape))
    return _Set(b")I", _katakana) if number == _KATAKANA else _Set(b"", partial(_by_codec, "ascii"))


def _encoded(one: _Set, text: str) -> bytes:
    try:
        return one.encode(text)
    except ValueError:
        raise NotInRepertoire from None


def _by_codec(codec: str, text: str) -> bytes:
    return text.encode(codec)


def _jis(codec: str, escape: bytes, character: str) -> bytes:
    data = character.encode(codec)
    if not data.startswith(escape):
        raise ValueError("not in this set")
    return data[len(escape) : len(escape) + 2]


def _katakana(text: str) -> bytes:
    """JIS X 0201: half-width katakana in the upper half; the lower half is taken for ASCII."""
    data = text.encode("shift_jis")
    if len(data) != len(text):
        raise ValueError("not in this set")
    return data
