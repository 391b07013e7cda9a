"""Order and pages."""

from __future__ import annotations

from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_index.core import index
from diana_index.core.attributes import Level
from tests.unit.index.index_bench import IndexBench, unique


def pages(bench: IndexBench, level: Level, size: int, **question: Any) -> list[str]:
    found, token = [], ""
    while True:
        page = bench.find(level, size=size, token=token, **question)
        assert len(page.records) <= size
        found += [unique(level, record) for record in page.records]
        token = page.next_token
        if not token:
            return found


@pytest.fixture
def studies(bench: IndexBench) -> IndexBench:
    rows = [("C", "20260102"), ("A", "20260101"), (None, "20260103"), ("B", None), ("A", "20260104"), (None, None)]
    for number, (description, day) in enumerate(rows):
        bench.archive.store(
            f"{number}.1.1",
            study=str(number),
            series=f"{number}.1",
            PatientID=f"P{number % 2}",
            PatientName=f"Name{number % 3}^X",
            StudyDescription=description,
            StudyDate=day,
            InstanceNumber=number,
        )
    bench.catch_up()
    return bench


ORDERS = [
    ([], ["0", "1", "2", "3", "4", "5"]),
    (["StudyDescription"], ["2", "5", "1", "4", "3", "0"]),
    (["-StudyDescription"], ["0", "3", "1", "4", "2", "5"]),
    (["StudyDescription", "-StudyDate"], ["2", "5", "4", "1", "3", "0"]),
    (["-StudyDate", "StudyDescription"], ["4", "2", "0", "1", "5", "3"]),
    (["PatientID", "-StudyInstanceUID"], ["4", "2", "0", "5", "3", "1"]),
    (["-PatientName"], ["1", "3", "5", "0", "2", "4"]),
]


@pytest.mark.parametrize(("order", "expected"), ORDERS)
@pytest.mark.parametrize("size", [1, 2, 5, 6, 100])
def test_pages_follow_the_order_without_gap_or_repetition(
    studies: IndexBench, order: list[str], expected: list[str], size: int
) -> None:
    assert pages(studies, Level.STUDY, size, order=order) == expected


def test_a_page_goes_on_where_the_last_one_ended_whatever_came_or_went(studies: IndexBench) -> None:
    page = studies.find(Level.STUDY, size=3, order=["StudyDescription"])
    assert [one.study_uid for one in page.records] == ["2", "5", "1"]
    studies.archive.delete("1.1.1")
    studies.archive.store("7.1.1", study="7", series="7.1", StudyDescription="0")
    studies.archive.store("8.1.1", study="8", series="8.1", StudyDescription="Z")
    studies.catch_up()
    rest = studies.find(Level.STUDY, size=10, order=["StudyDescription"], token=page.next_token)
    assert [one.study_uid for one in rest.records] == ["4", "3", "0", "8"]


def test_a_full_last_page_has_no_token(studies: IndexBench) -> None:
    assert studies.find(Level.STUDY, size=6).next_token == ""
    assert studies.find(Level.PATIENT, size=2).next_token == ""


def test_instances_are_sorted_by_what_is_above_them(studies: IndexBench) -> None:
    assert pages(studies, Level.INSTANCE, 2, order=["-PatientID", "InstanceNumber"]) == [
        f"{n}.1.1" for n in (1, 3, 5, 0, 2, 4)
    ]


def test_an_attribute_of_a_lower_level_is_no_order(studies: IndexBench) -> None:
    with pytest.raises(DianaError) as refused:
        studies.find(Level.STUDY, order=["StudyDate", "Modality"])
    assert refused.value.reason is Reason.KEY_UNSUPPORTED
    assert refused.value.fields[0].field == "order_by[1].attribute"


def test_a_token_opens_for_its_own_request_only(studies: IndexBench) -> None:
    token = studies.find(Level.STUDY, size=1, request=b"one").next_token
    assert studies.find(Level.STUDY, size=1, request=b"one", token=token).records[0].study_uid == "1"
    for request, bad in (
        (b"two", token),
        (b"one", token[:-2] + "AA"),
        (b"one", "x"),
        (b"one", "\u00e4"),
        (b"one", "AAAA"),
    ):
        with pytest.raises(DianaError) as refused:
            studies.find(Level.STUDY, size=1, request=request, token=bad)
        assert refused.value.reason is Reason.PAGE_TOKEN_INVALID


def test_large_records_make_short_pages(bench: IndexBench) -> None:
    for number, size in enumerate([900_000, 900_000, 900_000, 3_000_000, 900_000]):
        bench.archive.store(f"1.1.{number}", TextComments="x" * size)
    bench.catch_up()
    lengths, token = [], ""
    while True:
        page = bench.find(Level.INSTANCE, returned=["TextComments"], token=token)
        lengths.append(len(page.records))
        token = page.next_token
        if not token:
            break
        assert len(page.records) == 1 or sum(one.size_bytes for one in page.records) <= 2 << 20
    assert lengths == [2, 1, 1, 1]


def test_large_headers_make_short_pages_however_little_is_asked_of_them(
    bench: IndexBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_READ_BYTES", 10_000)
    for number in range(5):
        bench.archive.store(f"1.1.{number}", TextComments="x" * 5_000, KVP=120)
    bench.catch_up()
    assert len(bench.find(Level.INSTANCE).records) == 5
    assert len(bench.find(Level.INSTANCE, returned=["KVP"]).records) == 2
    assert pages(bench, Level.INSTANCE, 100, returned=["KVP"]) == [f"1.1.{number}" for number in range(5)]
