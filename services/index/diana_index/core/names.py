"""Person names by sound and spelling: fuzzy semantic matching (PS3.4 section C.2.2.2.1.1 leaves the how to us).

Each word of a name is stored as its consonants, each as a letter for all that sound like it, and whether the
first vowel is a round one: `smt-` for Smith and Smyth, `mr-` for Meier and Mayer; and as it is written, to be
found with a letter missing, too many, or in another's place. The rules are our own, after the ideas of
L. Philips, "Hanging on the Metaphone" (1990), for English and H. J. Postel, "Die Koelner Phonetik" (1969), for
German. Chinese, Japanese and Korean names go by characters, all else by whole words.

Sounds are stored: a change of rules needs a new generation of the index.
"""

from __future__ import annotations

import re
from functools import lru_cache
from string import ascii_lowercase

from diana_common.values import PersonName
from diana_index.core.folding import folded

_MOST_WORDS = 16
"""Words of a name that count."""
_LONGEST_WORD = 32
"""Letters of a word that count."""
_NO_MIDDLE_NAME = "."
"""The sound of a name of one or two words."""
_MOST_SOUNDS = 16
"""Sounds of a word that count."""
_LEAST_FOR_SLIPS = 5
"""How many letters a word that is searched for needs before one of them may be a slip."""

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")
_WORD = re.compile(rf"{_CJK.pattern}|(?:(?!{_CJK.pattern})[^\W_])+")
_APOSTROPHES = re.compile(r"['`\u00b4\u02bc\u2018\u2019*?]")
_KATAKANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}
_TITLES = frozenset({"dr", "prof", "mr", "mrs", "ms", "miss", "sir", "jr", "sr", "ii", "iii", "iv", "md", "phd"})

# Spellings in the order in which they are replaced; capitals are sounds already: X as in ship, C as in chip.
_SPELLINGS = [
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"^mc(?=[^e])", "mac"),
        (r"^(?:kn|gn|pn)", "n"),
        (r"^wr", "r"),
        (r"tsch|tch", "C"),
        (r"sch|sh", "X"),
        (r"^(?:ps|ts|tz|cz|x)", "s"),
        (r"pf|ph", "f"),
        (r"ch(?=[^aeiouy]|$)|(?<=.)ch(?=[ao])", "k"),
        (r"ch", "C"),
        (r"ck|cq|q", "k"),
        (r"(?:ts|tz|cz|dz|ss|z)(?=[^h]|$)", "s"),
        (r"c(?=[eiy])", "s"),
        (r"c", "k"),
        (r"x", "ks"),
        (r"^g(?=[eiy])", "j"),
        (r"^gh", "g"),
        (r"(?<=[aeo][iu])gh|(?<=[aeiouy])gh(?![aiou])", ""),
        (r"dg", "g"),
        (r"mp(?=[st])", "m"),
        (r"th|dt", "t"),
        (r"^y(?=[aeiou])", "j"),
        (r"(?<=[aeiouy])j", "y"),
        (r"(?<=[aeiouy])w", "u"),
    )
]
_INNER = str.maketrans("bdgqvwz", "ptkkffs", "h")
_VOWELS = re.compile(r"[aeiouy]+")
_ROUND = re.compile(r"[ou]|[ae][uw]|e[ao]u")
_FIRST_VOWEL = {"e": "i", "y": "i", "u": "o"}
_DOUBLED = re.compile(r"(.)\1+")


def name_sounds(value: object) -> list[str]:
    """What is stored for one person name, as text or as DICOM JSON has it: short texts, about three a word."""
    if isinstance(value, str):
        name = PersonName.parse(value)
    elif isinstance(value, dict):
        name = PersonName.from_json(value)
    else:
        return []
    words = [word for group in name.groups() for word in _group_words(group)][:_MOST_WORDS]
    found = [sound for word in words for sound in _word_sounds(word)]
    if 0 < len(_group_words(name.alphabetic)) <= 2:
        found.append(_NO_MIDDLE_NAME)
    return list(dict.fromkeys(found))


def query_sounds(text: str) -> list[list[str]]:
    """For each word of a name that is searched for: the sounds of which a record's name must have one.

    All words must be met, in any order. A word may be met by an initial (J for Jane) unless it is the family
    name, or the longer one of the first and the last where no "^" says which that is. Middle names may be
    missing. Without any word, the list is empty.
    """
    groups = PersonName.parse(text).groups()
    return [alternatives for group in groups for alternatives in _group_query(group)][:_MOST_WORDS]


def _group_query(group: str) -> list[list[str]]:
    words = _group_words(group)
    if not words:
        return []
    if len(words) == 1:
        initials, middle = set[int](), set[int]()
    elif "^" in group:
        components = [len(_words(component)) for component in group.split("^")[:3]]
        family, named = components[0], sum(components[:2])
        initials = set(range(family, len(words)))
        middle = set(range(named, len(words))) if named else set()
    else:
        words = tuple(word for word in words if word not in _TITLES) or words
        last = len(words) - 1
        initials = set(range(len(words))) - {0 if len(words[0]) > len(words[last]) else last}
        middle = set(range(1, last))
    return [_alternatives(word, n in initials, n in middle) for n, word in enumerate(words)]


def _alternatives(word: str, initial: bool, middle: bool) -> list[str]:
    if _CJK.match(word):
        return [word]
    found = [f"{word}."] if len(word) == 1 else [_key(word), *_slips(word)]
    if initial and len(word) > 1:
        found.append(f"{word[0]}_")
    return [*found, _NO_MIDDLE_NAME] if middle else found


def _word_sounds(word: str) -> list[str]:
    """`j.` for all words that begin with j, `j_` for the initial alone, else the word's sound and `john=`, itself."""
    if _CJK.match(word):
        return [word]
    if len(word) == 1:
        return [f"{word}.", f"{word}_"]
    return [f"{word[0]}.", _key(word), *([f"{word}="] if _is_latin(word) else [])]


def _is_latin(word: str) -> bool:
    return word.isascii() and word.isalpha()


@lru_cache(maxsize=4096)
def _group_words(group: str) -> tuple[str, ...]:
    """The words of a component group, folded, without prefix and suffix."""
    return tuple(word for component in group.split("^")[:3] for word in _words(component))


def _words(text: str) -> list[str]:
    plain = folded(_APOSTROPHES.sub("", text[: _MOST_WORDS * _LONGEST_WORD])).translate(_KATAKANA)
    return [word[:_LONGEST_WORD] for word in _WORD.findall(plain)]


@lru_cache(maxsize=16384)
def _key(word: str) -> str:
    """The sounds of a word: consonants behind the first letter; "-" or, with a round first vowel, "o" at the end."""
    if not _is_latin(word):
        return word
    spelled = word
    for pattern, sound in _SPELLINGS:
        spelled = pattern.sub(sound, spelled)
    first, rest = spelled[:1], spelled[1:]
    if _VOWELS.match(first):
        return _FIRST_VOWEL.get(first, first) + _consonants(rest)
    vowels = _VOWELS.search(rest)
    is_round = vowels and _ROUND.match(rest, vowels.start())
    return _consonants(("f" if first in "vw" else first) + rest, keep=1) + ("o" if is_round else "-")


def _consonants(text: str, keep: int = 0) -> str:
    """What is left without vowels, the first `keep` letters as they are; the same sound twice in a row is one."""
    coded = text[:keep] + text[keep:].translate(_INNER)
    return _VOWELS.sub("", _DOUBLED.sub(r"\1", coded))[:_MOST_SOUNDS]


def _slips(word: str) -> list[str]:
    """The words with one letter more, one less, or two neighbours in each other's place; the first stays."""
    if len(word) < _LEAST_FOR_SLIPS or not _is_latin(word):
        return []
    found = {word[:n] + word[n + 1 :] for n in range(1, len(word))}
    found |= {word[:n] + letter + word[n:] for n in range(1, len(word) + 1) for letter in ascii_lowercase}
    found |= {word[:n] + word[n + 1] + word[n] + word[n + 2 :] for n in range(1, len(word) - 1)}
    return [f"{one}=" for one in sorted(found)]
