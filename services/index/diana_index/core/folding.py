"""Person names for comparison: any case, with or without accents (PS3.4 section C.2.2.2.1 lets them count for nothing).

Stored forms and matching keys are folded by the same function. `diana_common.values.normalised_name`, by which
identities are minted, keeps accents and is another thing.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from diana_common.values import normalised_text

_MARKS = re.compile(r"[\u0300-\u036f]+")
# Latin letters, in lower case, that Unicode does not take for a letter with a mark; as they are written without.
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ŧ": "t"}
)
_NO_CHARACTERS = {0: "\ufffd", 0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}


def folded(text: str) -> str:
    """`text` without case, accents, and spaces too many. Marks of other than Latin, Greek and Cyrillic letters stay."""
    text = normalised_text(text)
    if text.isascii():
        return comparable(text)
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text)).translate(_LETTERS)
    return comparable(normalised_text(bare))


def comparable(text: str) -> str:
    """`text` with a sign in place of each character that some database refuses, or takes for another."""
    if text.isascii():
        return text.replace("\0", "\ufffd")
    return text.translate(_NO_CHARACTERS).encode("utf-8", "replace").decode()


@lru_cache(maxsize=4096)
def folded_name(group: str) -> str:
    """One component group of a person name, each component folded, delimiters at the end gone."""
    return "^".join(folded(component) for component in group.split("^")).rstrip("^")
