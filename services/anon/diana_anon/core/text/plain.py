"""A text as patterns see it: every character in its plain form, every one in its place.

Full-width and Arabic digits become ASCII digits, letters lose their accents, controls are spaces. Positions stay what
they were, so that what a pattern finds can be struck out of the text itself.
"""

from __future__ import annotations

import unicodedata


class _Plain(dict[int, str]):
    """Worked out for each character when first met; there are no more of them than Unicode has."""

    def __missing__(self, code: int) -> str:
        return self.setdefault(code, _plain(chr(code)))


def plain(text: str) -> str:
    """The text in plain characters, as long as it was."""
    return text if text.isascii() and text.isprintable() else text.translate(_TABLE)


def _plain(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if character in _DASHES:
        return "-"
    if unicodedata.category(character) in ("Zs", "Cc", "Cf"):
        return character if character in _LINES else " "
    first = unicodedata.normalize("NFKD", character)[:1]
    return (
        first if first.isascii() and (first.isalpha() or not character.isalpha()) and first.isprintable() else character
    )


_LINES = "\t\n\r\f"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
_TABLE = _Plain()
