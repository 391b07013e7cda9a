"""Person names by sound and spelling, and their folding."""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from diana_index.core.folding import folded, folded_name
from diana_index.core.names import name_sounds, query_sounds
from tests.support.corpus import CORPUS, needs_corpus


def sounds_like(query: str, held: object) -> bool:
    sounds = set(name_sounds(held))
    return all(sounds.intersection(alternatives) for alternatives in query_sounds(query))


ALIKE = """
    Meier Mayer Maier Meyer Meijer; Smith Smyth Smythe; Jonson Johnson Johnsson; Philip Filip Phillip;
    Catherine Kathryn Katherine Cathrin Katrin; Schmidt Schmitt Schmid; Mohammed Muhammad Mohamed Mohammad;
    M\u00fcller Mueller Muller; Stephen Steven Stefan; Thompson Thomson Tompson; Clark Clarke; Allan Allen Alan;
    Kristin Christine; Erik Eric; Jeffrey Geoffrey; Shawn Shaun; Lindsay Lindsey; McDonald MacDonald;
    Nielsen Nilsen; Petersen Pedersen; Reid Reed; Hoffman Hofmann; Schwartz Schwarz; Gray Grey; Brown Braun;
    Snyder Snider; Cohen Kohn; Fischer Fisher; Joseph Josef J\u00f3zef; Maurice Morris; Laurence Lawrence;
    Nicholas Nikolas Nicolas; Michael Mikael; Youssef Yusuf; Wright Right; Vaughn Vaughan; Sara Sarah;
    Elisabeth Elizabeth; Stewart Stuart; Bauer Bower; Louis Lewis; Schulz Schultz;
    Schr\u00f6der Schroeder Schroder; Hughes Hews; Rogers Rodgers;
    Tchaikovsky Chaikovsky; Ibrahim Ebrahim; O'Brien OBrien O\u2019Brien;
    J\u00e4ger Jaeger Jager; S\u00f8rensen Soerensen Sorensen; Wa\u0142\u0119sa Walesa; \u00d8degaard Odegaard
"""
SLIPS = [
    ("Johnson", "Johsnon"),
    ("Hernandez", "Hernadez"),
    ("Rodriguez", "Rodriquez"),
    ("Martinez", "Matinez"),
    ("Richard", "Richrad"),
    ("Williams", "Wiliams"),
    ("Schneider", "Schneidre"),
    ("Kowalski", "Kowlaski"),
    ("Christopher", "Chrisopher"),
]
UNLIKE = [
    ("Smith", "Jones"),
    ("Smith", "Schmidt"),
    ("Meyer", "Moore"),
    ("Brown", "Green"),
    ("Johnson", "Jensen"),
    ("Miller", "M\u00fcller"),
    ("Anna", "Ina"),
    ("Lee", "Lou"),
    ("Bell", "Hall"),
    ("Hansen", "Jansen"),
    ("Walker", "Weber"),
    ("Thomas", "Tamara"),
]


@pytest.mark.parametrize("names", [row.split() for row in ALIKE.split(";")])
def test_common_spellings_of_a_name_find_one_another(names: list[str]) -> None:
    assert [pair for pair in permutations(names, 2) if not sounds_like(*pair)] == []


@pytest.mark.parametrize("pair", SLIPS)
def test_a_letter_missing_or_in_another_s_place_is_forgiven(pair: tuple[str, str]) -> None:
    assert sounds_like(*pair)
    assert sounds_like(*reversed(pair))


@pytest.mark.parametrize("pair", UNLIKE)
def test_other_names_are_not_found(pair: tuple[str, str]) -> None:
    assert not sounds_like(*pair)
    assert not sounds_like(*reversed(pair))


@pytest.mark.parametrize(
    ("query", "held", "found"),
    [
        # Words in any order, however they are parted.
        ("jane doe", "Doe^Jane", True),
        ("doe jane", "Doe^Jane", True),
        ("Jane^Doe", "Doe^Jane", True),
        ("doe", "Doe^Jane", True),
        ("jane", "Doe^Jane", True),
        ("DOE^JANE^^DR", "Doe^Jane", True),
        ("Dr. Jane Doe", "Doe^Jane", True),
        ("doe john", "Doe^Jane", False),
        ("doe jane extra", "Doe^Jane", False),
        ("Meyer-Smith", "Smyth-Maier^Ann", True),
        ("Smi*th?", "Smith^Ann", True),
        # Middle names may be missing on either side, but not differ.
        ("Smith^John", "Smith^John^Michael", True),
        ("Smith^John^Michael", "Smith^John", True),
        ("Smith^John^Michael", "Smith^John^Peter", False),
        ("John Michael Smith", "Smith^John", True),
        ("John Michael Smith", "Smith^John^Peter", False),
        ("John Michael Smith", "Smith^Peter", False),
        # Initials.
        ("J Smith", "Smith^John", True),
        ("J. Smith", "Smith^John", True),
        ("Smith^J", "Smith^John", True),
        ("K Smith", "Smith^John", False),
        ("John Smith", "Smith^J", True),
        ("Smith^John", "Smith^J", True),
        ("John Smith", "Smith^K", False),
        ("Smith", "Jones^S", False),
        ("Smith^John", "Jones^S^J", False),
        ("John Smith", "Jones^John^S", False),
        # By characters, and both kana alike.
        ("\u5c71\u7530\u592a\u90ce", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce", True),
        ("\u592a\u90ce \u5c71\u7530", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce", True),
        ("\u5c71\u672c", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce", False),
        ("\u5c71\u672c\u592a\u90ce", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce", False),
        ("\u30e4\u30de\u30c0", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce=\u3084\u307e\u3060^\u305f\u308d\u3046", True),
        ("\u304b", "=\u5c71\u7530=\u304c", False),
        ("\uae40\ud76c\uc911", "Hong^Gildong=\uae40^\ud76c\uc911", True),
        ("Jamada Taro", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce", True),
        # Other scripts by whole words, accents or none.
        ("\u03b3\u03b9\u03ce\u03c1\u03b3\u03bf\u03c2", "\u0393\u03b9\u03c9\u03c1\u03b3\u03bf\u03c2", True),
        ("\u0418\u0432\u0430\u043d", "\u041f\u0435\u0442\u0440\u043e\u0432^\u0418\u0432\u0430\u043d", True),
        ("PAT007", "PAT007^Test", True),
        ("PAT007", "PAT008^Test", False),
        ("Doe", "D\u00f6e^X", True),
    ],
)
def test_names_are_found_by_their_words(query: str, held: str, found: bool) -> None:
    assert sounds_like(query, held) is found


def test_names_are_taken_as_dicom_json_has_them() -> None:
    held = {"Alphabetic": "Yamada^Tarou", "Ideographic": "\u5c71\u7530^\u592a\u90ce"}
    assert name_sounds(held) == name_sounds("Yamada^Tarou=\u5c71\u7530^\u592a\u90ce")
    assert name_sounds(None) == name_sounds("") == name_sounds({}) == name_sounds(7) == []


@pytest.mark.parametrize("query", ["", " ", "^^", "*", "=", "...", "'"])
def test_a_query_without_words_asks_for_nothing(query: str) -> None:
    assert query_sounds(query) == []


def test_a_name_costs_a_few_short_texts() -> None:
    assert name_sounds("Smith^John") == ["s.", "smt-", "smith=", "j.", "jno", "john=", "."]
    for hostile in ("x" * 1_000_000, "a b " * 100_000, "\u5c71" * 100_000, "\ud800^\x00", "^" * 100_000):
        assert len(name_sounds(hostile)) <= 49
        assert all(len(sound) <= 33 for sound in name_sounds(hostile))
        assert len(query_sounds(hostile)) <= 16


def test_stored_sounds_never_change() -> None:
    # A change here needs a new version of the index's generations.
    stored = {
        "Schwarzenegger": "Xfrsnkr-",
        "Nguyen": "nkno",
        "Xavier": "sfr-",
        "Quigley": "kklo",
        "Wojciechowski": "fsksko",
        "Aoife": "af",
        "Zhang": "znk-",
        "Yvonne": "ifn",
        "McKenzie": "mkns-",
        "Pfeiffer": "ffr-",
        "M\u00fcller": "mlro",
        "\u0418\u0432\u0430\u043d": "\u0438\u0432\u0430\u043d",
    }
    assert {name: name_sounds(name)[1] for name in stored} == stored


@needs_corpus
def test_among_the_commonest_names_few_others_are_found() -> None:
    """Of the 1,000 commonest surnames one finds itself and less than one other."""
    lines = (CORPUS / "us_census" / "dist.all.last.txt").read_text().splitlines()[:1000]
    names = [line.split()[0] for line in lines]
    by_sound: dict[str, set[str]] = {}
    for name in names:
        for sound in name_sounds(name):
            by_sound.setdefault(sound, set()).add(name)
    found = {name: set().union(*(by_sound.get(sound, set()) for sound in query_sounds(name)[0])) for name in names}
    assert all(name in found[name] for name in names)
    assert sum(len(others) for others in found.values()) / len(names) < 2


@needs_corpus
@pytest.mark.parametrize("slip", ["double", "swap", "omit"])
def test_names_with_a_slip_are_found(slip: str) -> None:
    """One letter behind the first doubled, swapped with the next, or left out, in surnames of six letters or more."""
    chance = random.Random(1)
    lines = (CORPUS / "us_census" / "dist.all.last.txt").read_text().splitlines()[:2000]
    names = [name for line in lines if len(name := line.split()[0]) >= 6]
    assert [name for name in names if not sounds_like(_slipped(name, slip, chance), name)] == []


def _slipped(name: str, slip: str, chance: random.Random) -> str:
    n = chance.randrange(1, len(name) - 1)
    letters = {"double": name[n] * 2 + name[n + 1], "swap": name[n + 1] + name[n], "omit": name[n + 1]}
    return name[:n] + letters[slip] + name[n + 2 :]


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("M\u00dcLLER", "muller"),
        ("Mu\u0308ller", "muller"),
        ("Stra\u00dfe", "strasse"),
        ("\u00d8ster\u00e5", "ostera"),
        ("\u0141\u00f3d\u017a", "lodz"),
        ("\u00c6r\u00f8 \u0152uvre", "aero oeuvre"),
        ("\u0110\u1eb7ng \u00dei\u00f0rik", "dang thidrik"),
        ("I\u015f\u0131k \u0130nci", "isik inci"),
        ("\u0386\u03bd\u03bd\u03b1", "\u03b1\u03bd\u03bd\u03b1"),
        ("\u304c\u30d1", "\u304c\u30d1"),
        ("\uff76\uff9e", "\u30ac"),
        ("\ud55c\uae00", "\ud55c\uae00"),
        ("\u05e9\u05c1", "\u05e9\u05c1"),
        ("a\ud800b", "a?b"),
    ],
)
def test_folding_takes_away_case_and_accents_but_no_more(text: str, bare: str) -> None:
    assert folded(text) == bare
    assert folded(bare) == bare


def test_a_folded_name_keeps_its_components() -> None:
    assert folded_name(" M\u00fcller ^ J\u00f6rg  Ren\u00e9 ^^Dr^ ") == "muller^jorg rene^^dr"
