"""Words of a chained command stand before, between and after its options, and end at the next command."""

from __future__ import annotations

from typing import Any

import pytest
import rich_click as click
from click.testing import CliRunner

from diana_cli.words import Worded


def _line(*args: str) -> tuple[int, list[tuple[str, dict[str, Any]]]]:
    """What each command of a chain was told."""
    told: list[tuple[str, dict[str, Any]]] = []

    @click.group(chain=True)
    def chain() -> None:
        pass

    @chain.command(cls=Worded)
    @click.argument("channel")
    @click.option("--subject", default="")
    @click.option("-v", "--value", multiple=True)
    def one(**given: Any) -> None:
        told.append(("one", given))

    @chain.command(cls=Worded)
    @click.argument("names", nargs=-1)
    @click.option("--out", default="")
    @click.option("--dry", is_flag=True)
    def many(**given: Any) -> None:
        told.append(("many", given))

    return CliRunner().invoke(chain, args).exit_code, told


@pytest.mark.parametrize(
    "args",
    [
        ("one", "news", "--subject", "Hi", "-v", "a=1"),
        ("one", "--subject", "Hi", "news", "-v", "a=1"),
        ("one", "--subject=Hi", "-va=1", "news"),
    ],
)
def test_a_word_stands_anywhere_among_the_options(args: tuple[str, ...]) -> None:
    assert _line(*args) == (0, [("one", {"channel": "news", "subject": "Hi", "value": ("a=1",)})])


def test_words_of_any_number_end_at_the_next_command() -> None:
    status, told = _line("many", "a", "--dry", "b", "--out", "many", "many", "c")
    assert status == 0
    assert told == [
        ("many", {"names": ("a", "b"), "out": "many", "dry": True}),
        ("many", {"names": ("c",), "out": "", "dry": False}),
    ]


def test_a_required_word_may_be_a_commands_name() -> None:
    status, told = _line("one", "many", "many", "x")
    assert (status, told[0][1]["channel"], told[1][1]["names"]) == (0, "many", ("x",))


def test_a_missing_word_one_too_many_and_an_unknown_option_are_refused() -> None:
    assert _line("one", "--subject", "Hi") == (2, [])
    assert _line("one", "news", "more")[0] == 2
    assert _line("one", "news", "--subjct", "Hi")[0] == 2
    assert _line("one", "news", "--subject")[0] == 2


def _optional(*args: str) -> tuple[int, list[tuple[str, dict[str, Any]]]]:
    """A chain of a command with a required and an optional word, and one with an optional word alone."""
    told: list[tuple[str, dict[str, Any]]] = []

    @click.group(chain=True)
    def chain() -> None:
        pass

    @chain.command(cls=Worded)
    @click.argument("source")
    @click.argument("items", required=False)
    @click.option("-k")
    def get(**given: Any) -> None:
        told.append(("get", given))

    @chain.command("print", cls=Worded)
    @click.argument("form", required=False)
    def print_(**given: Any) -> None:
        told.append(("print", given))

    return CliRunner().invoke(chain, args).exit_code, told


def _got(source: str, items: str | None, k: str | None = None) -> tuple[str, dict[str, Any]]:
    return "get", {"source": source, "items": items, "k": k}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("get a b print csv", [_got("a", "b"), ("print", {"form": "csv"})]),
        ("get a print", [_got("a", None), ("print", {"form": None})]),
        ("get a -k x b print", [_got("a", "b", "x"), ("print", {"form": None})]),
        ("get get print get a", [_got("get", None), ("print", {"form": None}), _got("a", None)]),
        ("get a [print] print", [_got("a", "[print]"), ("print", {"form": None})]),
        ("get a -k x -- print print", [_got("a", "print", "x"), ("print", {"form": None})]),
        ("get a -- -x print", [_got("a", "-x"), ("print", {"form": None})]),
        ("get -k x -- -a", [_got("-a", None, "x")]),
    ],
)
def test_an_optional_word_is_no_commands_name_unless_after_two_dashes(
    line: str, told: list[tuple[str, dict[str, Any]]]
) -> None:
    assert _optional(*line.split()) == (0, told)
