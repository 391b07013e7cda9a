"""Reports by themselves, and the concepts of structured content by Table E.3.4-1."""

from __future__ import annotations

import csv
from datetime import timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Profile
from diana_anon.core.rewriting.structured import structured_action
from diana_anon.core.text.identifiers import named
from diana_anon.core.text.report import cleaned_report, text_offset
from tests.support.corpus import CORPUS, needs_corpus

FULL = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES
MODIFIED = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES
OFFSET = timedelta(days=-10)
REPORT = """CT THORAX, 31.01.2020

Patient: Featherstone, Marigold (MRN 4711-22)
Prior of 2019-12-24. Referred by Dr. Okonkwo, tel. 555-123-4567.
FINDINGS: 5 mm nodule in S6, no change. C5/6 degeneration.
IMPRESSION: stable. Discussed with Ms Featherstone.
"""
CLEANED = """CT THORAX, 21.01.2020

Patient: (MRN)
Prior of 2019-12-14. Referred by Dr., tel.
FINDINGS: 5 mm nodule in S6, no change. C5/6 degeneration.
IMPRESSION: stable. Discussed with Ms.
"""


def test_a_report_keeps_its_findings_and_loses_its_people() -> None:
    profile = Profile("p", frozenset({MODIFIED}))
    text, count = cleaned_report(profile, REPORT, named(["Featherstone^Marigold"]), OFFSET)
    assert text == CLEANED
    assert count == 7


def test_dates_move_stay_or_go_by_the_profile() -> None:
    assert text_offset(Profile("p"), OFFSET) is None
    assert text_offset(Profile("p", frozenset({MODIFIED})), OFFSET) == OFFSET
    assert text_offset(Profile("p", frozenset({FULL})), OFFSET) == timedelta()


CONCEPTS: tuple[tuple[str, str, str, set[Option], str | None], ...] = (
    ("121022", "DCM", "TEXT", set(), "X"),
    ("126201", "DCM", "DATE", set(), "X"),
    ("126201", "DCM", "DATE", {FULL}, "K"),
    ("126201", "DCM", "DATE", {MODIFIED}, "C"),
    ("126201", "DCM", "DATE", {FULL, MODIFIED}, "C"),
    ("121122", "DCM", "TEXT", {Option.CLEAN_DESCRIPTORS}, "C"),
    ("121122", "DCM", "TEXT", {Option.CLEAN_DESCRIPTORS, Option.RETAIN_DEVICE_IDENTITY}, "K"),
    ("371524004", "SCT", "TEXT", {Option.RETAIN_UIDS}, "X"),
    ("371524004", "SCT", "COMPOSITE", {Option.RETAIN_UIDS}, "K"),
    ("371524004", "SCT", "NUM", set(), None),
    ("121022", "99X", "TEXT", set(), None),
)


@pytest.mark.parametrize(("code", "scheme", "kind", "options", "action"), CONCEPTS)
def test_a_concept_gets_the_action_of_its_row(
    code: str, scheme: str, kind: str, options: set[Option], action: str | None
) -> None:
    assert structured_action(code, scheme, kind, options) == action


@needs_corpus
def test_every_row_of_the_table_is_there_and_the_generated_files_are_current() -> None:
    tables = CORPUS / "tables"
    with (tables / "ps3_15_table_e3_4_1_clean_struct_content.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found = structured_action(row["code_value"], row["coding_scheme"], row["value_type"], set())
            assert found == row["basic"]
    spec = spec_from_file_location("make_deid_tables", Path(__file__).parents[3] / "tools" / "make_deid_tables.py")
    assert spec is not None and spec.loader is not None
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    for name, content in (tool.make_concepts(tables) | tool.make_words(tables)).items():
        assert tool.is_current(name, content)
