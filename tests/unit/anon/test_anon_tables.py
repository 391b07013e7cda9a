"""The packaged tables are Table E.1-1 and PS3.3's types, and a choice follows from both."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import subprocess
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest

from diana_anon.core.planning.tables import EDITION, Option, Rule, attribute_type, chosen_action, demanded_type, rules
from tests.support.corpus import CORPUS, needs_corpus

GENERATOR = Path(__file__).parents[3] / "tools" / "make_deid_tables.py"
TABLES = CORPUS / "tables"
DATA = files("diana_anon").joinpath("data")

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
MR = "1.2.840.10008.5.1.4.1.1.4"
US = "1.2.840.10008.5.1.4.1.1.6.1"
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
PRIVATE_SOP_CLASS = "1.3.12.2.1107.5.9.1"
RETIRED_US = "1.2.840.10008.5.1.4.1.1.6"

CONTENT = 0x0040A730
PER_FRAME = 0x52009230


def rule(pattern: str) -> Rule:
    (found,) = (one for one in rules() if one.pattern == pattern)
    return found


def test_the_record_names_the_edition_and_the_count() -> None:
    record = json.loads(DATA.joinpath("rules_source.json").read_text())
    assert (record["edition"], record["rules"]) == (EDITION, len(rules()))


def test_the_types_have_the_digest_on_record() -> None:
    record = json.loads(DATA.joinpath("types_source.json").read_text())
    types = gzip.decompress(DATA.joinpath("types.json.gz").read_bytes())
    assert hashlib.sha256(types).hexdigest() == record["types_sha256"]


def test_rules_come_in_order_each_pattern_once() -> None:
    patterns = [one.pattern for one in rules()]
    assert patterns == sorted(set(patterns))


@needs_corpus
def test_every_row_of_the_standards_table_is_a_rule() -> None:
    with (TABLES / "ps3_15_table_e1_1.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    exact = {row["tag"].replace(",", ""): row for row in rows if "odd" not in row["tag"]}
    assert {one.pattern for one in rules()} == {*exact, "private"}
    for one in rules():
        row = exact.get(one.pattern) or next(row for row in rows if "odd" in row["tag"])
        assert (one.keyword, one.basic) == (row["keyword"], row["basic"])
        overrides = [value for column, value in row.items() if column.startswith(("rtn_", "clean_")) and value]
        assert sorted(one.options.values()) == sorted(overrides)


@pytest.mark.parametrize(
    ("pattern", "keyword", "basic", "options"),
    [
        ("00100010", "PatientName", "Z", {}),
        ("00100020", "PatientID", "Z/D", {}),
        ("00080018", "SOPInstanceUID", "U", {Option.RETAIN_UIDS: "K"}),
        ("00100040", "PatientSex", "Z", {Option.RETAIN_PATIENT_CHARACTERISTICS: "K"}),
        ("0008103E", "SeriesDescription", "X", {Option.CLEAN_DESCRIPTORS: "C"}),
        ("00082112", "SourceImageSequence", "X/Z/U*", {Option.RETAIN_UIDS: "K"}),
        ("00080080", "InstitutionName", "X/Z/D", {Option.RETAIN_INSTITUTION_IDENTITY: "K"}),
        ("00181000", "DeviceSerialNumber", "X/Z/D", {Option.RETAIN_DEVICE_IDENTITY: "K"}),
        ("0040A123", "PersonName", "D", {}),
        ("50xxxxxx", "", "X", {Option.CLEAN_GRAPHICS: "C"}),
        ("60xx3000", "OverlayData", "X", {Option.CLEAN_GRAPHICS: "C"}),
        ("60xx4000", "OverlayComments", "X", {Option.CLEAN_GRAPHICS: "C"}),
        ("private", "", "X", {Option.RETAIN_SAFE_PRIVATE: "C"}),
    ],
)
def test_a_row_is_what_the_standard_prints(pattern: str, keyword: str, basic: str, options: dict[Option, str]) -> None:
    found = rule(pattern)
    assert (found.keyword, found.basic, dict(found.options)) == (keyword, basic, options)


def test_dates_are_kept_whole_or_modified_as_the_option_says() -> None:
    assert dict(rule("00080020").options) == {
        Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES: "K",
        Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES: "C",
    }


@pytest.mark.parametrize(
    ("sop_class", "tag", "path", "expected"),
    [
        (CT, 0x00100010, (), "2"),
        (CT, 0x00080018, (), "1"),
        (CT, 0x00080023, (), "2C"),
        (CT, 0x00080080, (), "3"),
        (CT, 0x00080060, (), "1"),  # Modality, which Table E.1-1 does not name
        (CT, 0x00081155, (0x00081140,), "1"),
        (ENHANCED_CT, 0x00189074, (PER_FRAME, 0x00209111), "1C"),
        (MR, 0x00180010, (), "2"),
        (MR, 0x00200052, (), "1"),
        (US, 0x00102203, (), "2C"),
        (SEG, 0x00181000, (), "1"),
        (SEG, 0x00082112, (PER_FRAME, 0x00089124), "2"),
        (SEG, 0x00081155, (PER_FRAME, 0x00089124, 0x00082112), "1"),
        (GSPS, 0x00081140, (0x00081115,), "1"),
        (COMPREHENSIVE_SR, 0x00081111, (), "2"),
        (COMPREHENSIVE_SR, 0x00080023, (), "1"),
        (COMPREHENSIVE_SR, 0x0040A123, (CONTENT,), "1C"),
    ],
)
def test_a_type_is_what_the_iod_says(sop_class: str, tag: int, path: tuple[int, ...], expected: str) -> None:
    assert attribute_type(sop_class, tag, path) == expected


@pytest.mark.parametrize("depth", [1, 2, 9, 400])
def test_content_items_have_their_types_at_any_depth(depth: int) -> None:
    path = (CONTENT,) * depth
    assert attribute_type(COMPREHENSIVE_SR, 0x0040A032, path) == "1C"
    assert attribute_type(COMPREHENSIVE_SR, 0x00081155, (*path, 0x00081199)) == "1"


@pytest.mark.parametrize(
    ("tag", "expected"),
    [(0x00080060, "1"), (0x00080070, "2"), (0x00080080, None), (0x00200052, "1"), (0x00120010, None)],
)
def test_every_object_has_what_mandatory_modules_demand(tag: int, expected: str | None) -> None:
    """Not so Clinical Trial Sponsor Name, of type 1 in a module that may be missing."""
    assert demanded_type(CT, tag) == expected
    assert demanded_type(PRIVATE_SOP_CLASS, tag) is None


def test_an_attribute_beyond_the_iod_is_of_type_3() -> None:
    """Radiotherapy's date in a CT image: the definition of a Standard Extended SOP Class."""
    assert attribute_type(CT, 0x30080250) == "3"


@pytest.mark.parametrize(
    ("sop_class", "tag", "path"),
    [
        (PRIVATE_SOP_CLASS, 0x00100010, ()),
        (RETIRED_US, 0x00100010, ()),
        ("", 0x00100010, ()),
        (CT, 0x00181210, ()),
        (CT, 0x00080060, (0x00081140,)),
        (CT, 0x00020003, ()),
        (CT, 0x00091001, ()),
        (CT, 0x00100020, (0x00091001,)),
        (CT, 0x00080022, (0x52009229, 0x00209111)),
    ],
)
def test_what_the_tables_do_not_hold_has_no_type(sop_class: str, tag: int, path: tuple[int, ...]) -> None:
    assert attribute_type(sop_class, tag, path) is None


@pytest.mark.parametrize(
    ("code", "type_3", "type_2", "type_1", "unknown"),
    [
        ("X/Z", "X", "Z", "D", "Z"),
        ("X/D", "X", "D", "D", "D"),
        ("Z/D", "Z", "Z", "D", "D"),
        ("X/Z/D", "X", "Z", "D", "D"),
        ("X/Z/U*", "X", "U", "U", "U"),
        ("Z", "Z", "Z", "D", "Z"),
        *((code, code, code, code, code) for code in "XDUCK"),
    ],
)
def test_the_type_decides_a_choice(code: str, type_3: str, type_2: str, type_1: str, unknown: str) -> None:
    assert chosen_action(code, "3") == type_3
    assert chosen_action(code, "2") == chosen_action(code, "2C") == type_2
    assert chosen_action(code, "1") == chosen_action(code, "1C") == type_1
    assert chosen_action(code, None) == unknown


def test_every_code_of_the_table_resolves_to_one_action() -> None:
    codes = {one.basic for one in rules()} | {code for one in rules() for code in one.options.values()}
    types = ("1", "1C", "2", "2C", "3", None)
    assert {chosen_action(code, found) for code in codes for found in types} == set("XZDUCK")


@needs_corpus
def test_the_packaged_rules_are_not_stale() -> None:
    check = [sys.executable, str(GENERATOR), str(TABLES), "--check", "--only", "rules"]
    assert subprocess.run(check, check=False).returncode == 0


@needs_corpus
@pytest.mark.skipif(find_spec("highdicom") is None, reason="highdicom, which the types come from, is not installed")
def test_the_packaged_types_are_not_stale() -> None:
    check = [sys.executable, str(GENERATOR), str(TABLES), "--check", "--only", "types"]
    assert subprocess.run(check, check=False).returncode == 0


@needs_corpus
@pytest.mark.skipif(find_spec("highdicom") is not None, reason="highdicom is installed")
def test_the_generator_says_that_it_needs_highdicom() -> None:
    made = subprocess.run([sys.executable, str(GENERATOR), str(TABLES), "--check"], capture_output=True, text=True)
    assert made.returncode == 1
    assert "pip install highdicom" in made.stderr
