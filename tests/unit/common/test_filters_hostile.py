"""Filters that nobody writes by hand: random trees, random characters, deep and long ones."""

from __future__ import annotations

import random

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.filters import (
    And,
    Comparator,
    Filter,
    Member,
    Not,
    Or,
    Restriction,
    Value,
    Words,
    parse_filter,
    to_text,
)
from diana_common.filters.parser import MAX_DEPTH, MAX_RESTRICTIONS
from diana_common.filters.tokens import MAX_BYTES

PIECES = [
    "a",
    "AND",
    "OR",
    "NOT",
    "-",
    "*",
    "(",
    ")",
    '"',
    "'",
    "\\",
    ".",
    ",",
    "=",
    "!=",
    "<",
    ":",
    " ",
    "\u3000",
    "\u5c71",
    "!",
]


def a_text(chance: random.Random, least: int) -> str:
    return "".join(chance.choice(PIECES) for _ in range(chance.randint(least, 4))) or "x" * least


def a_tree(chance: random.Random, depth: int) -> Filter:
    match chance.randrange(5 if depth else 2):
        case 0:
            return Words(a_text(chance, 1))
        case 1:
            path = tuple(a_text(chance, 1) for _ in range(chance.randint(1, 3)))
            return Restriction(Member(path), chance.choice(list(Comparator)), Value(a_text(chance, 0)))
        case 2:
            return Not(a_tree(chance, depth - 1))
        case kind:
            operands = tuple(a_tree(chance, depth - 1) for _ in range(chance.randint(2, 3)))
            return And(operands) if kind == 3 else Or(operands)


@pytest.mark.parametrize("seed", range(10))
def test_a_tree_is_what_its_text_says(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        tree = a_tree(chance, 4)
        assert parse_filter(to_text(tree)) == tree


@pytest.mark.parametrize("seed", range(10))
def test_random_pieces_are_a_filter_or_refused_at_a_character_of_theirs(seed: int) -> None:
    chance = random.Random(seed)
    refused = 0
    for _ in range(500):
        text = "".join(chance.choice(PIECES) for _ in range(chance.randint(0, 20)))
        try:
            tree = parse_filter(text)
        except DianaError as error:
            refused += 1
            assert error.reason is Reason.FILTER_INVALID
            position = int(error.fields[0].description.split()[2].rstrip(":"))
            assert 1 <= position <= len(text) + 1
        else:
            assert tree is None or parse_filter(to_text(tree)) == tree
    assert refused > 0


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_a_filter_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    for size in (1, 10, 100, MAX_BYTES):
        text = chance.randbytes(size).decode("latin-1")
        try:
            parse_filter(text)
        except DianaError as error:
            assert error.reason is Reason.FILTER_INVALID


def test_brackets_nest_as_deep_as_they_may_and_no_deeper() -> None:
    assert parse_filter("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH) == Words("a")
    assert parse_filter("a=" + "(" * MAX_DEPTH + "b" + ")" * MAX_DEPTH) is not None
    for text in ("(" * (MAX_DEPTH + 1), "NOT (" * (MAX_DEPTH + 1), "a=" + "(" * 5000, "-(" * 5000):
        with pytest.raises(DianaError, match="brackets may nest 20 deep at most"):
            parse_filter(text)


def test_restrictions_are_as_many_as_may_be_and_no_more() -> None:
    assert parse_filter(" ".join(["a"] * MAX_RESTRICTIONS)) is not None
    assert parse_filter(f"a = ({' OR '.join(['b'] * MAX_RESTRICTIONS)})") is not None
    for text in (" ".join(["a"] * 257), f"a = ({' OR '.join(['b'] * 257)})", "a = b " * 257):
        with pytest.raises(DianaError, match="256 comparisons and words at most"):
            parse_filter(text)


def test_a_filter_is_as_long_as_it_may_be_and_no_longer() -> None:
    assert parse_filter(f'"{"x" * (MAX_BYTES - 2)}"') == Words("x" * (MAX_BYTES - 2))
    for text in ("x" * (MAX_BYTES + 1), "\u5c71" * (MAX_BYTES // 2)):
        with pytest.raises(DianaError, match=r"16,384 bytes at most"):
            parse_filter(text)


@pytest.mark.parametrize(
    "piece", ['"', "'", "\\", "-", ".", "=", "(", ")", '"\\', "a.", '"a"', "\\\\", " ", "NOT ", ":("]
)
def test_sixteen_kibibytes_of_anything_are_answered(piece: str) -> None:
    for text in (piece * (MAX_BYTES // len(piece)), ('a="' + piece * MAX_BYTES)[:MAX_BYTES]):
        try:
            parse_filter(text)
        except DianaError as error:
            assert error.reason is Reason.FILTER_INVALID
