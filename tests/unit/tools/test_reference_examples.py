"""Every command stands in the reference with an example whose output a test has checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.reference.cli import leaves
from tools.reference.examples import example_of, examples, pages

_TESTS = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", leaves())
def test_a_command_has_an_example_with_its_output(path: str) -> None:
    assert example_of(path, examples()), f"no page that a test types runs {path}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_page_that_shows_output_is_typed_by_a_test(page: Path) -> None:
    assert any(f'"{page.name}"' in test.read_text("utf-8") for test in _TESTS.rglob("*.py"))
