"""The words of full text, and that the databases keep them as they are."""

from __future__ import annotations

import sqlite3
import unicodedata

import pytest

from diana_index.core.reports.words import MAX_WORD, MAX_WORDS, Phrase, phrase, words

_TSVECTOR_BYTES = (1 << 20) - 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No acute FRACTURE.", "no acute fracture"),
        ("Crohn's disease", "crohn s disease"),
        ("4.5 x 3 mm", "4 5 x 3 mm"),
        ("BI-RADS\u00ae 4A, T2-weighted", "bi rads 4a t2 weighted"),
        ("Na\u00efve Br\u00fcche, Stra\u00dfe, \u0130zmir", "naive bruche strasse izmir"),
        ("e\u0301paississement \ufb01brosis \uff23\uff34", "epaississement fibrosis ct"),
        ("12 cm\u00b2 \u00b5g", "12 cm2 \u03bcg"),
        ("\u80ba\u304c\u3093 CT", "\u80ba \u304c \u3093 ct"),
        ("\ud3d0\ub834\uc774", "\ud3d0 \ub834 \uc774"),
        ("\u30ac\u30f3 \uff76\uff9e\uff9d", "\u30ac \u30f3 \u30ac \u30f3"),
        ("snake_case <b>bold</b> \x00\ud800", "snake case b bold b"),
        ("", ""),
    ],
)
def test_a_text_has_words(text: str, expected: str) -> None:
    """Case, accents, forms and punctuation make no difference; scripts without spaces have a word a character."""
    assert words(text) == expected.split()


def test_a_phrase_may_end_in_a_beginning() -> None:
    """A star counts only right behind the last word."""
    assert phrase("Pulmonary emb*") == Phrase(("pulmonary", "emb"), True)
    assert phrase("pulmonary embolism ") == Phrase(("pulmonary", "embolism"), False)
    assert phrase("4.5*") == Phrase(("4", "5"), True)
    assert phrase("nodule *") == Phrase(("nodule",), False)
    assert phrase(" * ") == Phrase((), False)
    assert phrase("a" * 100 + "*") == Phrase(("a" * MAX_WORD,), False)


@pytest.fixture(scope="module")
def alphabet() -> list[str]:
    """Every character that words are made of."""
    return sorted({letter for point in range(0x110000) for word in words(chr(point)) for letter in word})


def test_words_of_words_are_the_same_words(alphabet: list[str]) -> None:
    """A database that is fed the words joined by spaces has what was meant."""
    for letter in alphabet:
        found = words(f"qa{letter}za")
        assert words(" ".join(found)) == found, hex(ord(letter))


def test_sqlite_keeps_every_letter_within_its_word(alphabet: list[str]) -> None:
    """Over all letters and digits: FTS5 neither splits a word nor changes it."""
    fed = [f"qa{letter}za" for letter in alphabet]
    assert len(fed) > 100_000
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE text USING fts5(words, tokenize = 'unicode61 remove_diacritics 0')")
    database.execute("CREATE VIRTUAL TABLE terms USING fts5vocab(text, instance)")
    database.executemany("INSERT INTO text (rowid, words) VALUES (?, ?)", enumerate(fed, 1))
    kept = database.execute('SELECT term FROM terms ORDER BY doc, "offset"').fetchall()
    database.close()
    assert [term for (term,) in kept] == fed


def test_words_are_letters_and_digits_only(alphabet: list[str]) -> None:
    """So that none needs quoting, neither in a query of FTS5 nor in a tsvector or tsquery."""
    assert {unicodedata.category(letter)[0] for letter in alphabet} == {"L", "N"}


@pytest.mark.parametrize(
    "text",
    [
        "a" * (2 << 20),
        "a b " * (1 << 19),
        "".join(chr(0x20000 + number % 40_000) for number in range(1 << 20)),
        " ".join(chr(0x10400 + number % 3000) * 64 for number in range(30_000)),
        " ".join(f"{number:064}" for number in range(17_000)),
        "a" + "\u0301\u0316" * (1 << 19),
        "\u304b" + "\u3099" * (1 << 20),
        "\u0344" * (1 << 20),
        "\ufdfa" * (1 << 18),
        "\ud800\x00" * (1 << 19),
    ],
)
def test_any_text_fits_into_a_tsvector(text: str) -> None:
    """Few enough words, each short enough for a lexeme, together small enough; hostile marks cost no time."""
    found = words(text)
    assert len(found) <= MAX_WORDS
    assert all(0 < len(word) <= MAX_WORD and len(word.encode()) < 2046 for word in found)
    assert sum(len(word.encode()) + 5 for word in found) < _TSVECTOR_BYTES
