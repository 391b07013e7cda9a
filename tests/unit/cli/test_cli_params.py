"""MAPPING, ARRAY and VALUES: what they take, and that what they refuse is told with the option and the remedy."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import rich_click as click
from click.testing import CliRunner

from diana_cli.params import ARRAY, MAPPING, MOST_CHARACTERS, MOST_YAML, VALUES


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('{"data": "test"}', {"data": "test"}),
        ("{trial: hobit, site: site_xxx}", {"trial": "hobit", "site": "site_xxx"}),
        ("project: hobit", {"project": "hobit"}),
        ("msg_text: Hello 123", {"msg_text": "Hello 123"}),
        ("{'StudyDescription': ''}", {"StudyDescription": ""}),
        ("signature:[AccessionNumber,trial]", {"signature": ["AccessionNumber", "trial"]}),
        ("{a: 1, b: 1.5, c: true, d: null}", {"a": 1, "b": 1.5, "c": True, "d": None}),
        ("{00100020: 0012, day: 2020-01-31, answer: yes}", {"00100020": "0012", "day": "2020-01-31", "answer": "yes"}),
        ('{"a": NaN}', {"a": "NaN"}),
    ],
)
def test_a_mapping_is_json_or_yaml_whose_texts_stay_as_they_are_written(text: str, meant: dict[str, Any]) -> None:
    assert MAPPING.convert(text, None, None) == meant


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{a: 1, a: 2}", "twice"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{1: x, "1": y}', "twice"),
        ("a: [{b: 1, b: 2}]", "twice"),
        ("a: 1e999", "too great"),
        ('{"a": -1e999}', "too great"),
        ("{null: 1}", "without a name"),
        ("? \n: 1", "without a name"),
    ],
)
def test_a_mapping_that_says_two_things_or_none_is_refused(text: str, hint: str) -> None:
    with pytest.raises(click.BadParameter, match=hint):
        MAPPING.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("my_key", ["my_key"]),
        ("520001, 0012,,x", ["520001", "0012", "x"]),
        ("[1, 1.10, 0012]", ["1", "1.10", "0012"]),
        ('["a,b", 2.50]', ["a,b", "2.50"]),
        ("- one\n- two", ["one", "two"]),
    ],
)
def test_an_array_holds_texts_as_they_are_written(text: str, meant: list[str]) -> None:
    assert ARRAY.convert(text, None, None) == meant


def test_values_are_what_json_says() -> None:
    assert VALUES.convert('[1, "a", null, {b: 2}]', None, None) == [1, "a", None, {"b": 2}]
    assert VALUES.convert("1,a", None, None) == ["1", "a"]


def test_a_file_holds_a_line_each_or_a_tree(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfA1\r\n\r\n  A2 \r\n")
    (tmp_path / "list.yaml").write_text("[A1, 007]")
    (tmp_path / "map.yaml").write_text("trial: hobit\n")
    assert ARRAY.convert(f"@{tmp_path / 'list.txt'}", None, None) == ["A1", "A2"]
    assert ARRAY.convert(f"@{tmp_path / 'list.yaml'}", None, None) == ["A1", "007"]
    assert MAPPING.convert(f"@{tmp_path / 'map.yaml'}", None, None) == {"trial": "hobit"}


@pytest.mark.parametrize("text", ["-", "@-"])
def test_a_list_comes_from_standard_input(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("A1\nA2\n"))
    assert ARRAY.convert(text, None, None) == ["A1", "A2"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("word", "must be a mapping"),
        ("[1]", "must be a mapping"),
        ("{a: ", "is neither JSON nor YAML (line 1"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("a: !!python/object/apply:os.getcwd []", "tags"),
        ("{a: " + "[" * 100 + "]" * 100 + "}", "nested more than 32 deep"),
        ('{"a": ' + "[" * 100_000, "nested more than 32 deep"),
        ("a: " + "9" * 5000, "too many digits"),
        ("a: |\n  " + "x" * MOST_YAML, "1 Mi characters of YAML"),
        ("@missing", "cannot be read"),
        ("@/dev/zero", "has more than 16 Mi characters"),
    ],
)
def test_a_mapping_that_cannot_be_read_is_refused(text: str, hint: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        MAPPING.convert(text, None, None)
    assert hint in refused.value.message
    assert "or @FILE of it" in refused.value.message


@pytest.mark.parametrize(
    ("text", "hint"), [("[[1]]", "list of plain values"), ("@missing", "cannot be read"), ("[a", "is neither JSON")]
)
def test_an_array_that_cannot_be_read_is_refused(text: str, hint: str) -> None:
    with pytest.raises(click.BadParameter, match="@FILE with a line each") as refused:
        ARRAY.convert(text, None, None)
    assert hint in refused.value.message


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes("é".encode("utf-16"))
    with pytest.raises(click.BadParameter, match="not UTF-8"):
        ARRAY.convert(f"@{tmp_path / 'list'}", None, None)


def test_a_long_list_may_be_json_or_lines(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("A123456789\n" * 200_000)
    assert len(ARRAY.convert(f"@{tmp_path / 'list'}", None, None)) == 200_000
    assert MOST_CHARACTERS > 11 * 200_000


def test_an_error_names_the_option_and_holds_no_value() -> None:
    @click.command()
    @click.option("-m", "--mapargs", type=MAPPING)
    def command(mapargs: dict[str, Any]) -> None:
        """Nothing."""

    told = CliRunner().invoke(command, ["-m", "Doe^John"], env={"TERM": "dumb", "COLUMNS": "300"})
    assert told.exit_code == 2
    assert "'-m' / '--mapargs'" in told.stderr
    assert "Doe" not in told.stderr
