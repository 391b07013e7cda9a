"""Free text cleaned in its own character set (PS3.5 section 6.1): text that stays as it is stays the same bytes."""

from __future__ import annotations

import re
from typing import Protocol

from diana_anon.core.rewriting.values import LONGEST
from diana_common.dicom.charset import repertoire

_SINGLE_VALUED = frozenset({"LT", "ST", "UT"})
"""VRs in which a backslash is a character like any other."""

_LONGEST = 1024 * 1024
"""Bytes of a value that are cleaned: more than any report has, and some seconds' work. A longer one is not kept."""
_PADDING = " \0"
_SEGMENT = re.compile(r"([\\\r\n\f\t])")
_EXTENSIONS = {
    "13": (b"\x1b)I", "shift_jis"),
    "58": (b"\x1b$)A", "gb2312"),
    "87": (b"", "iso2022_jp_2"),
    "100": (b"\x1b-A", "latin_1"),
    "101": (b"\x1b-B", "iso8859_2"),
    "109": (b"\x1b-C", "iso8859_3"),
    "110": (b"\x1b-D", "iso8859_4"),
    "126": (b"\x1b-F", "iso8859_7"),
    "127": (b"\x1b-G", "iso8859_6"),
    "138": (b"\x1b-H", "iso8859_8"),
    "144": (b"\x1b-L", "iso8859_5"),
    "148": (b"\x1b-M", "iso8859_9"),
    "149": (b"\x1b$)C", "euc_kr"),
    "159": (b"", "iso2022_jp_2"),
    "166": (b"\x1b-T", "iso8859_11"),
    "203": (b"\x1b-b", "iso8859_15"),
}
"""Of ISO 2022: what introduces a character set, and its codec. The one of Japanese writes its escapes itself."""


class TextCleaner(Protocol):
    """Strikes identifiers out of text, and keeps the rest."""

    def clean(self, text: str) -> str:
        """The text without them: always the same for the same text, and the text itself where there are none."""
        ...


def cleaned(raw: bytes, vr: str, charset: bytes, cleaner: TextCleaner) -> bytes | None:
    """The value of an element without identifiers: `raw` itself if it holds none.

    `charset` is the raw value of Specific Character Set (0008,0005). None: the value can't be read or written in it,
    is longer than 1 MiB, or nothing of it is left.
    """
    declared = repertoire(charset)
    if len(raw) > _LONGEST or not declared.explains(raw):
        return None
    text = declared.decode(raw)
    if "\ufffd" in text:
        return None  # what can't be read may say anything
    new = "\\".join(_value(part, vr, cleaner) for part in ([text] if vr in _SINGLE_VALUED else text.split("\\")))
    if new == text:
        return raw
    return encoded(new, charset) if new.strip("\\ ") else None


def encoded(text: str, charset: bytes) -> bytes | None:
    """The text in a character set, with its extensions if it has any; None if it can't be written so."""
    try:
        return text.encode(repertoire(charset).codec)
    except UnicodeEncodeError:
        pass
    terms = [re.sub(r".*\D", "", term) for term in charset.decode("latin_1").strip(_PADDING).split("\\")[1:]]
    extensions = [_EXTENSIONS[term] for term in terms if term in _EXTENSIONS]
    # Delimiters end the reach of an escape, so that each segment has its own.
    parts = [_segment(part, repertoire(charset).codec, extensions) for part in _SEGMENT.split(text)]
    known = [part for part in parts if part is not None]
    written = b"".join(known)
    return written if len(known) == len(parts) and repertoire(charset).decode(written) == text else None


def _segment(text: str, codec: str, extensions: list[tuple[bytes, str]]) -> bytes | None:
    for escape, extension in [(b"", codec), *extensions]:
        try:
            return escape + text.encode(extension)
        except UnicodeEncodeError:
            continue
    return None


def _value(text: str, vr: str, cleaner: TextCleaner) -> str:
    """One value cleaned. Padding is not text; what has become too long for its VR is cut."""
    bare = text.strip(_PADDING)
    new = cleaner.clean(bare) if bare else bare
    return text if new == bare else new[: LONGEST.get(vr)]
