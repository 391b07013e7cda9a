"""The reference pages, and what they are made of: comments that say enough, and one error catalogue."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from diana.type.v1.error_reason_pb2 import ErrorReason
from diana_common.errors import Reason
from tools.make_reference import make_pages, write_pages
from tools.reference.configuration import settings_of
from tools.reference.contracts import load_contracts
from tools.reference.markdown import GENERATED, anchor, prose, table

ROOT = Path(__file__).parents[3]
PROTOS = sorted((ROOT / "protos" / "diana").rglob("*.proto"))
PREFIX = "ERROR_REASON_"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return make_pages()


def test_the_pages_do_not_depend_on_the_terminal_or_on_hashing(pages: dict[str, str], tmp_path: Path) -> None:
    terminal = {"COLUMNS": "40", "FORCE_COLOR": "1", "TERM": "xterm", "PYTHONHASHSEED": "7", "HOME": "/"}
    command = [sys.executable, str(ROOT / "tools/make_reference.py"), str(tmp_path)]
    subprocess.run(command, env={**os.environ, **terminal}, cwd=tmp_path, check=True)
    assert {page.name: page.read_text(encoding="utf-8") for page in tmp_path.iterdir()} == pages


def test_a_page_that_is_generated_no_longer_is_removed(tmp_path: Path) -> None:
    (tmp_path / "rpc-gone.md").write_text(f"{GENERATED}# diana.gone.v1\n")
    (tmp_path / "by-hand.md").write_text("# Written by hand\n")
    write_pages(tmp_path)
    assert not (tmp_path / "rpc-gone.md").exists()
    assert (tmp_path / "by-hand.md").exists()


def test_every_link_of_the_pages_leads_to_a_heading(pages: dict[str, str]) -> None:
    headings = {name: [anchor(one) for one in re.findall(r"^#+ (.*)$", text, re.M)] for name, text in pages.items()}
    for name, text in pages.items():
        assert len(headings[name]) == len(set(headings[name])), f"{name}: two headings of one name"
        for target in re.findall(r"\]\((?!https:)([^)]*)\)", text):
            page, _, heading = target.partition("#")
            assert not heading or f"#{heading}" in headings[page or name], f"{name}: {target}"


def test_every_declaration_of_the_contracts_is_on_its_page(pages: dict[str, str]) -> None:
    for package in load_contracts():
        page = pages[f"rpc-{package.area}.md"]
        for service in package.services:
            assert all(f"### {method.name}\n" in page for method, _ in service.methods)
        for message in package.messages:
            assert f"### {message.name}\n" in page
            assert all(f"**`{one.name}`**" in page for one, _ in message.fields)
        for enum in package.enums:
            assert all(f"`{value.name}`" in page for value, _ in enum.values)


@pytest.mark.parametrize("proto", PROTOS, ids=lambda path: path.stem)
def test_comments_are_over_half_of_a_contract(proto: Path) -> None:
    lines = [line.strip() for line in proto.read_text(encoding="utf-8").splitlines() if line.strip()]
    comments = sum(line.startswith("//") for line in lines)
    assert comments / len(lines) > 0.5, f"{comments} of {len(lines)} lines"


def test_the_published_reasons_are_those_of_the_catalogue() -> None:
    published = {name.removeprefix(PREFIX): number for name, number in ErrorReason.items()}
    assert list(published) == ["UNSPECIFIED", *(reason.name for reason in Reason)]
    assert list(published.values()) == list(range(len(Reason) + 1))


def test_the_published_remedies_are_those_of_the_catalogue() -> None:
    (enum,) = (one for package in load_contracts() for one in package.enums if one.name == "ErrorReason")
    published = {value.name.removeprefix(PREFIX): " ".join(comment.split()) for value, comment in enum.values[1:]}
    assert published == {reason.name: f"{reason.code.name}. {reason.remedy}" for reason in Reason}


def test_a_comments_indented_lines_become_a_list() -> None:
    comment = (
        " What it does,\n in two lines.\n\n Errors:\n   GONE: it is\n     not there.\n   INTERNAL: else.\n After.\n"
    )
    listed = "What it does, in two lines.\n\nErrors:\n\n- GONE: it is not there.\n- INTERNAL: else.\n\nAfter."
    assert prose(comment, {}) == listed


def test_names_are_linked_and_words_are_not() -> None:
    links = {"GetStudy": "#getstudy", "Instance": "#instance", "UID_MISSING": "errors.md#uid_missing"}
    linked = "[GetStudy](#getstudy), [Instance.version](#instance): an Instance; [UID_MISSING](errors.md#uid_missing)"
    assert prose("GetStudy, Instance.version: an Instance; UID_MISSING", links) == linked
    assert prose("`GetStudy`", links) == "`GetStudy`"


def test_what_markdown_would_take_for_markup_stays_text() -> None:
    assert prose(' "*", "_" and some_name <b> `*`', {}) == '"\\*", "\\_" and some_name \\<b> `*`'
    assert table(["a"], [["`x|y`"]]).splitlines()[2] == "| `x\\|y` |"


@dataclass(frozen=True)
class Inner:
    size: int = 1
    """How large."""


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=lambda: Inner(size=2))
    """Its own default wins over the class's."""

    named: dict[str, Inner] = field(default_factory=dict)
    """By name."""

    maybe: Inner | None = None
    """Perhaps."""


def test_settings_are_listed_with_those_below_them() -> None:
    found = {one.path: one.default for one in settings_of(Outer)}
    assert list(found) == ["inner", "inner.size", "named", "named.NAME.size", "maybe", "maybe.size"]
    assert (found["inner.size"], found["named.NAME.size"]) == (2, 1)


@dataclass(frozen=True)
class Bare:
    size: int = 1


def test_a_setting_without_a_docstring_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Bare\.size has no docstring"):
        list(settings_of(Bare))
