"""Texts made to hurt: the work stays linear, and nothing of an identifier is left, whatever stands around it."""

from __future__ import annotations

import random
import re
import sys
import unicodedata
from datetime import timedelta
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType

import pytest

from diana_anon.core.rewriting import retext
from diana_anon.core.text import addresses, ages, days, forms, matching, numbers, patterns, titles
from diana_anon.core.text.cleaner import TextCleaner
from diana_anon.core.text.identifiers import gathered, named
from diana_anon.core.text.words import folded, words
from tests.unit.anon.test_anon_text_cleaner import KEPT, KNOWN

CLEANER = TextCleaner(KNOWN)
MODULES = (addresses, ages, days, forms, matching, numbers, patterns, titles)
PIECES = (
    *(
        "1",
        "12 ",
        "1.",
        "1/2/",
        "2020-01-",
        "01 23 ",
        "+1 2 ",
        "tel 1 ",
        "mrn ",
        "id-",
        "A b ",
        "Abc ",
        "1 Abc Def ",
        "Dr. ",
    ),
    *(
        "Dr. A.",
        "name: ",
        "Aa, ",
        "jan 1 ",
        "a@",
        "a.b",
        "a:",
        "http://",
        "(",
        "^",
        "-",
        " ",
        "\n",
        "\\",
        "山",
        "a\u0301",
        "\u0301",
    ),
    *("smith_", "john smith ", "aStr", "1 rue de la ", "calle de la ", "x\u200d", "MÜLLER ", "92 y ", "年", "ı", "ß"),
    *("s m i t h ", "s.m.\u200b", "\x01", "Ⓢ", "smi th ", "a     ", "\u1112\u1161"),
)


def _compiled(module: ModuleType) -> list[re.Pattern[str]]:
    found: list[re.Pattern[str]] = []
    pending = list(vars(module).values())
    while pending:
        value = pending.pop()
        if isinstance(value, re.Pattern):
            found.append(value)
        elif isinstance(value, tuple):
            pending += value
    return found


def _ways(parsed: object) -> int:
    """An upper bound of the ways a pattern may take at one place before it gives up; repetitions must be bounded."""
    ways = 1
    for code, argument in parsed:  # type: ignore[attr-defined]
        if code is codes.BRANCH:
            ways *= sum(_ways(branch) for branch in argument[1])
        elif code is codes.SUBPATTERN:
            ways *= _ways(argument[-1])
        elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            low, high, inner = argument
            assert high is not codes.MAXREPEAT
            ways *= (
                min(sum(_ways(inner) ** count for count in range(low, high + 1)), 10**12)
                if _ways(inner) < 10**6
                else 10**12
            )
        elif code is codes.POSSESSIVE_REPEAT:
            assert argument[1] is not codes.MAXREPEAT
    return ways


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_every_repetition_in_a_pattern_is_bounded(module: ModuleType) -> None:
    for pattern in _compiled(module):
        assert _ways(parser.parse(pattern.pattern, pattern.flags)) > 0


def _work(text: str) -> int:
    """The calls and returns, of Python and C functions alike, that cleaning a text takes."""
    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(counted)
    try:
        CLEANER.cleaned(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("piece", PIECES)
def test_twice_the_text_is_twice_the_work(piece: str) -> None:
    times = 1 + 2000 // len(piece)
    assert _work(piece * times * 2) < 2.5 * _work(piece * times) + 500


def test_names_are_looked_for_in_linear_work_however_many_they_are() -> None:
    many = TextCleaner(named(f"n{number:05}a{number}" for number in range(2000)))
    assert many.clean("n00001a1 chest " * 2000).split() == ["chest"] * 2000


def test_nothing_of_an_identifier_is_left_wherever_it_stands() -> None:
    planted = (
        "Smith",
        "John Smith",
        "SMITH^JOHN",
        "Müller",
        "mueller",
        "Hans Peter",
        "Springfield",
        "8765432",
        "PAT-0012345",
    )
    secrets = {folded(word.text) for one in planted for word in words(one)} - {"pat"}
    rng = random.Random(7)
    kept = [line.strip() for line in KEPT.strip().splitlines()]
    for _ in range(1500):
        glue = rng.choice((" ", "_", "-", "^", ", ", "; ", "\n", " / ", "(", ") "))
        one = rng.choice(planted)
        spelled = rng.choice((one, one.upper(), one.lower(), one.title()))
        parts = [rng.choice(kept), spelled, rng.choice(kept)]
        rng.shuffle(parts)
        text = glue.join(parts)
        left = {word.text for word in words(CLEANER.clean(text))}
        assert not left & secrets, text


HIDDEN = {
    "spaces": " ".join("SMITH"),
    "wide spaces": "   \u3000 ".join("SMITH"),
    "stops": ".".join("Smith"),
    "lines": "\r\n".join("SMITH"),
    "dots and dashes": "S. M-I....T_H",
    "a control": "SMI\x01TH",
    "controls": "\x07".join("SMITH"),
    "controls and spaces": "\x7f ".join("SMITH"),
    "a C1 control": "SMI\x9fTH",
    "NUL": "SM\x00ITH",
    "soft hyphen": "SMI\u00adTH",
    "no width": "S\u200bM\u200dI\u2060T\ufeffH",
    "right to left": "\u202eSM\u202cITH",
    "tags": "SM\U000e0041ITH",
    "fillers": "S\u115fM\u3164I\u2800T\uffa0H",
    "accents": "S\u0301M\u0336I\u034fT\ufe0fH",
    "marks of another script": "SM\u093cI\u17b4TH",
    "enclosed": "S\u20ddM\u20ddI\u20ddT\u20ddH\u20dd",
    "full width": "ＳＭＩＴＨ",
    "mathematical": "𝐒𝑀𝕀𝖳𝚷".replace("𝚷", "𝙷"),
    "circled": "ⓈⓂⒾⓉⒽ",
    "squared": "🅂🄼🄸🅃🄷",
    "white in black": "🅢🅜🅘🅣🅗",
    "brackets": "⒮⒨⒤⒯⒣",
    "flags": "🇸🇲🇮🇹🇭",
    "superscript": "Sᴹᴵᵀᴴ",
    "syllables taken apart": unicodedata.normalize("NFD", "홍길동"),
    "an id in circles": "⑧⑦⑥⑤④③②",
    "a telephone number": "+49 30 12\u200b34\u200b567",
    "a date": "20\u200b20-01\u200b-31",
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_is_hidden_between_other_characters_is_struck(name: str) -> None:
    left = CLEANER.clean(f"chest {HIDDEN[name]} seen")
    assert "".join(filter(str.isalnum, left)) == "chestseen"


@pytest.mark.parametrize("glue", ["\x1c", "\u200b", "\u00ad", "\x00"])
def test_what_joins_words_for_one_reader_parts_them_for_another(glue: str) -> None:
    assert "smith" not in CLEANER.clean(f"smith{glue}chest").lower()
    assert CLEANER.clean(f"mel{glue}anoma") == f"mel{glue}anoma"


def test_a_date_with_invisible_characters_moves_whole() -> None:
    assert TextCleaner(KNOWN, timedelta(days=-10)).clean("on 2020-01-3\u200b1 seen") == "on 2020-01-21 seen"


def test_a_name_in_two_pieces_is_struck_unless_common_words_make_it() -> None:
    cleaner = TextCleaner(gathered({"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Featherstone Headband^X"}]}}))
    assert cleaner.clean("FEATHER STONE chest") == "chest"
    assert cleaner.clean("headb and head") == "head"
    assert cleaner.clean("head band head") == "head band head"


@pytest.mark.parametrize(
    ("charset", "raw"),
    [
        (b"", b"MI\x1b(BLLER"),
        (b"ISO_IR 192", b"MI\x1bLLER"),
        (b"ISO_IR 192", b"\x1b$B;3ED\x1b(B"),
        (b"\\ISO 2022 IR 87", b"MI\x1b$)CLLER"),
        (b"\\ISO 2022 IR 87", b"MILLER\x1b"),
        (b"GB18030", b"\x1b[31mchest"),
    ],
)
def test_text_with_escapes_that_nothing_declares_is_not_kept(charset: bytes, raw: bytes) -> None:
    assert retext.cleaned(raw, "LO", charset, CLEANER) is None


def test_text_with_declared_escapes_stays_the_same_bytes() -> None:
    raw = b"CT \x1b$B6;It\x1b(B"
    assert retext.cleaned(raw, "LO", b"\\ISO 2022 IR 87", CLEANER) is raw


def test_a_name_far_into_a_text_is_struck() -> None:
    text = "lung " * 60_000
    assert CLEANER.clean(f"{text}Smith lung") == f"{text}lung"


def test_what_holds_nothing_stays_as_it_is() -> None:
    rng = random.Random(11)
    kept = [line.strip() for line in KEPT.strip().splitlines()]
    for _ in range(1500):
        text = rng.choice((" ", "; ", "\n", " - ")).join(rng.sample(kept, 3))
        assert CLEANER.cleaned(text) == (text, 0)


def test_cleaning_twice_changes_nothing_more() -> None:
    mover = TextCleaner(KNOWN, timedelta())
    rng = random.Random(13)
    alphabet = "aZ ^_-,.;:()/\\\n0123459é山ß@#"
    for _ in range(3000):
        text = "".join(
            rng.choices([*alphabet, "Smith", "John", "Dr. ", "MRN ", "2020-01-31", "8765432"], k=rng.randrange(14))
        )
        once = mover.clean(text)
        assert len(once) <= len(text)
        assert {"smith", "8765432"}.isdisjoint(word.text for word in words(mover.clean(once))), (text, once)
