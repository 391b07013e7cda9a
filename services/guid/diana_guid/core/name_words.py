"""A person's name as a key: its words, whatever their order, case and script."""

from __future__ import annotations

import re
import unicodedata

from diana_guid.core.subject import plain_text

_NOT_ASCII_WORD = re.compile("[^a-z0-9]+")


def name_words(name: str) -> str:
    """A name's words in any script, case folded and sorted, so that `Doe^Jane` and `Jane DOE` are the same.

    Of the component groups of PN (PS3.5 section 6.2.1) the first that holds a word counts; empty when none does.
    Raises SUBJECT_INVALID for a name that is too long, or no text.
    """
    for group in plain_text(name, "name").split("="):
        if words := _words(group):
            return " ".join(sorted(words))
    return ""


def _words(group: str) -> list[str]:
    if group.isascii():
        return list(filter(None, _NOT_ASCII_WORD.split(group.lower())))
    folded = unicodedata.normalize("NFKC", group).casefold()
    # Marks stay: they are the vowels of many scripts, and names differ by them.
    return "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded).split()
