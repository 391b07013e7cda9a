"""Values that databases trip over: every store takes them, and finds the same by the same keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from diana_common.errors import DianaError
from diana_index.core.attributes import Level
from diana_index.core.reports.report import make_report
from diana_index.core.store import PutReport
from diana_index.core.vocabulary import make_search_key
from tests.unit.index.index_bench import STORES, IndexBench

NASTY = [
    "'",
    '"',
    "\\",
    "\\\\",
    "%",
    "_",
    "100%",
    "a_b",
    "axb",
    "[a]",
    "[^a]",
    "]",
    "a*b",
    "a?b",
    "$1",
    "?1",
    "a\0b",
    "a\ufffdb",
    "\\u0000",
    "a\nb\tc",
    "\x7f\x1f",
    "\U0001f9e0 \U0001f4a9",
    "e\u0301",
    "\u00e9",
    "E\u0301",
    "\u00c9",
    "\u0130\u0131I",
    "\ufb01",
    "\u05e9\u05dc\u05d5\u05dd",
    "\u202eabc",
    "\u200b",
    "\u0644\u0627",
    "山田",
    "\ud800",
    "z\udfffz",
    "\uffff",
    "\U0010ffff",
    "{}",
    '["a"]',
    "null",
    "NaN",
    "1e5",
    "-0",
    "A" * 64,
    "B" * 300,
    "\U0001f9e0" * 1000,
    "".join(chr(0x4E00 + n * 7 % 20000) for n in range(9000)),
]
TEXTS = ["PatientID", "StudyDescription", "PatientComments", "AccessionNumber", "Manufacturer", "ImageType", "comment"]
NUMBERS = [0, -0.0, 7, 7.5, -1, 1e-300, 1e300, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**400, "1e5", "0x10", ""]
WORDS = ["the", "the heart", "o'brien", "heart*", "caf\u00e9", "t2", "4.5", "\u5fc3\u81df", "\\", "%", "'", "a&b", "!x"]


class Grid(IndexBench):
    """Each value in each kind of attribute, an instance a value."""

    def fill(self) -> None:
        for number, value in enumerate(NASTY):
            names = f"{number}.1", f"{number}"
            self.archive.store(
                f"{number}.1.1",
                study=names[1],
                series=names[0],
                **{name: value for name in TEXTS if name not in ("ImageType", "comment")},
                PatientName=value,
                ImageType=[value, "x"],
                ImageComments=value,
            )
        for number, size in enumerate(NUMBERS):
            uid = f"9{number}"
            self.archive.store(f"{uid}.1.1", study=uid, series=f"{uid}.1", SeriesNumber=size, Rows=size)
        with self.generations.active() as generation:
            generation.set_search_keys([make_search_key("comment", "ImageComments", Level.INSTANCE, "")])
        self.catch_up()

    def write_reports(self) -> None:
        with self.generations.active() as generation:
            texts = [*WORDS, "the lung. The heart of O'Brien " + "the heart " * 400 + "is well", *NASTY]
            reports = [make_report(f"r{n}", str(n), "", text) for n, text in enumerate(texts)]
            generation.write([PutReport(n, "default", one) for n, one in enumerate(reports, 1)], len(reports))

    def asked(self, level: Level, **asked: object) -> object:
        try:
            return self.uids(level, **asked)  # type: ignore[arg-type]
        except DianaError as error:
            return error.reason.name, error.message


@pytest.fixture(scope="module")
def grids(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder: Path = tmp_path_factory.mktemp("nasty")
    opened = [open_(folder / name) for name, open_ in STORES.items()]
    grids = [Grid(one) for one in opened]
    for grid in grids:
        grid.fill()
        grid.write_reports()
    yield grids
    for one in opened:
        one.close()


def equal(grids: list[Grid], level: Level, **asked: object) -> object:
    """What all stores answer alike."""
    first, *others = [grid.asked(level, **asked) for grid in grids]
    assert all(one == first for one in others)
    return first


def test_every_value_is_taken(grids: list[Grid]) -> None:
    for grid in grids:
        assert grid.listener.skips == []
        assert grid.count(Level.INSTANCE) == len(NASTY) + len(NUMBERS)
        for level in Level:
            for record in grid.find(level, size=1000).records:
                json.loads(record.dicom_json)


def quoted(text: str) -> str:
    """A filter's string."""
    return json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False)


def wildcards(value: str) -> list[str]:
    short = value[:600]
    return [short, f"{short[:40]}*", f"*{short[-3:]}", f"*{short[1:3]}*", "?" * len(short[:20]), f"{short[:1]}?*"]


@pytest.mark.parametrize("name", [*TEXTS, "PatientName"])
def test_keys_and_filters_find_the_same_in_every_store(grids: list[Grid], name: str) -> None:
    found = 0
    for value in NASTY:
        for key in wildcards(value.encode("utf-8", "replace").decode()):
            found += bool(equal(grids, Level.INSTANCE, keys={name: key}, size=1000))
        for operator in (":", "=", "!=", "<", ">="):
            equal(grids, Level.STUDY, filter=f"{name} {operator} {quoted(value[:600])}", size=1000)
        equal(grids, Level.STUDY, keys={name: [value[:3], "*"]}, size=1000)
    assert found > len(NASTY)
    many = [f"{value[:20]}*" for value in NASTY] * 2
    equal(grids, Level.INSTANCE, keys={name: many}, size=1000)
    equal(grids, Level.INSTANCE, keys={name: [value[:200] for value in NASTY]}, size=1000)


@pytest.mark.parametrize("name", ["PatientID", "StudyDescription", "PatientComments", "ImageType", "comment", "Rows"])
def test_the_order_is_the_same_in_every_store_page_by_page(grids: list[Grid], name: str) -> None:
    for order in (name, f"-{name}"):
        pages = []
        for grid in grids:
            token = ""
            found: list[str] = []
            while not found or token:
                page = grid.find(Level.INSTANCE, order=[order], size=7, token=token)
                found += [one.sop_uid for one in page.records]
                token = page.next_token
            assert len(found) == len(set(found)) == len(NASTY) + len(NUMBERS)
            pages.append(found)
        assert all(one == pages[0] for one in pages)


@pytest.mark.parametrize("name", ["SeriesNumber", "Rows"])
def test_numbers_compare_alike_in_every_store(grids: list[Grid], name: str) -> None:
    for number in [*NUMBERS, "7.50", "1e300", "9007199254740992", "9007199254740993", "18446744073709551616", "-0.0"]:
        for operator in ("=", "!=", "<", "<=", ">", ">="):
            equal(grids, Level.INSTANCE, filter=f"{name} {operator} {quoted(str(number))}", size=1000)
        equal(grids, Level.INSTANCE, keys={name: [str(number), "3"]}, size=1000)


def test_words_are_found_alike_in_every_store(grids: list[Grid]) -> None:
    found = 0
    for level in (Level.PATIENT, Level.STUDY, Level.INSTANCE):
        for text in [*WORDS, *NASTY, "heart is well", "the heart is", "well", "th*", "o'b*", "a_b", "R\u00f6n*"]:
            found += bool(equal(grids, level, filter=quoted(text[:200]), size=1000))
    assert found > 20
    for value in ("x'", "%", "_", "\\"):
        equal(grids, Level.STUDY, filter=f"report : {quoted(value)}", size=1000)
