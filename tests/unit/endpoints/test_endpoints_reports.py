"""The folder of reports: text by id, found by words; structured reports are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

from diana_client.errors import MeshError
from diana_common.errors import DianaError, Reason
from diana_endpoints.items import BytesContent, FileContent, Item, chunks
from diana_endpoints.protocol.query import Query
from diana_endpoints.report_text import structured_text
from diana_endpoints.reports import Reports
from diana_endpoints.services import Services
from tests.support.dicom_files import make_small


def _reports(path: Path, **settings: Any) -> Reports:
    made = Services({"reports": {"ctype": "ReportDir", "path": str(path), **settings}}, {}).endpoint("reports")
    assert isinstance(made, Reports)
    return made


def _put(reports: Reports, *items: Item) -> list[str]:
    return [item.failure.reason if item.failure else item.meta["outcome"] for item in reports.put(items)]


def _text(name: str, text: str) -> Item:
    return Item({"id": name}, content=BytesContent(text.encode()))


def test_reports_are_kept_as_text_by_id(tmp_path: Path) -> None:
    reports = _reports(tmp_path / "new")
    items = [_text("A1", "Täxt\n"), Item({"report": "A2", "text": "Two"}), Item({"id": "A3"}, data={"text": "3"})]
    assert _put(reports, *items) == ["stored"] * 3
    assert (tmp_path / "new" / "A1.txt").read_text() == "Täxt\n"
    assert sorted(item.meta["id"] for item in reports.list()) == ["A1", "A2", "A3"]
    [found] = reports.get(Item({"id": "A1"}))
    assert found.data == {"text": "Täxt\n"}
    assert found.content
    assert b"".join(chunks(found.content)).decode() == "Täxt\n"
    assert reports.delete(Item({"id": "A1"})) == 1
    for ask in (lambda: list(reports.get(Item({"id": "A1"}))), lambda: reports.delete(Item({"id": "A1"}))):
        with pytest.raises(DianaError, match="no report of this id"):
            ask()


def test_reports_are_found_by_words(tmp_path: Path) -> None:
    reports = _reports(tmp_path)
    _put(reports, _text("A1", "A small NODULE, left."), _text("A2", "No nodules."), _text("B1", "Left nodule"))

    def found(**matches: list[str]) -> list[str]:
        return sorted(item.meta["id"] for item in reports.find(Query("", matches)))

    assert found(text=["left nodule"]) == ["A1", "B1"]
    assert found(text=["nodules", "small"]) == ["A1", "A2"]
    assert found(text=["nodule"], id=["A*"]) == ["A1"]
    assert found() == ["A1", "A2", "B1"]


def test_a_structured_report_is_written_as_its_text_under_its_uid(tmp_path: Path) -> None:
    path = Path(str(get_testdata_file("test-SR.dcm")))
    [put] = _reports(tmp_path).put([Item(content=FileContent(path, path.stat().st_size))])
    assert put.failure is None
    [file] = tmp_path.iterdir()
    assert file.name == f"{put.meta['sop_instance_uid']}.txt"
    lines = file.read_text().splitlines()
    assert len(lines) > 5
    assert any(": " in line for line in lines)


def test_the_tree_is_told_in_order_without_whom_it_observed() -> None:
    def code(meaning: str) -> dict[str, Any]:
        return {"vr": "SQ", "Value": [{"00080104": {"vr": "LO", "Value": [meaning]}}]}

    def item(kind: str, name: str, **elements: Any) -> dict[str, Any]:
        node = {"0040A040": {"vr": "CS", "Value": [kind]}, "0040A043": code(name)}
        return node | {tag.removeprefix("t"): value for tag, value in elements.items()}

    def text(name: str, said: str, **more: Any) -> dict[str, Any]:
        return item("TEXT", name, t0040A160={"vr": "UT", "Value": [said]}, **more)

    measured = {"0040A30A": {"vr": "DS", "Value": [4.5]}}
    unit = {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["mm"]}}]}
    tree = item(
        "CONTAINER",
        "Report",
        t0040A730={
            "vr": "SQ",
            "Value": [
                text("Observer", "DOE", t0040A010={"vr": "CS", "Value": ["HAS OBS CONTEXT"]}),
                text("Finding", "A nodule\0"),
                item("NUM", "Size", t0040A300={"vr": "SQ", "Value": [measured | {"004008EA": unit}]}),
                item("CODE", "Side", t0040A168=code("Left")),
                item("PNAME", "Person", t0040A123={"vr": "PN", "Value": [{"Alphabetic": "DOE"}]}),
            ],
        },
        t00080016={"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.88.11"]},
    )
    assert structured_text(tree) == "Report:\nFinding: A nodule\nSize: 4.5 mm\nSide: Left"
    assert structured_text({"00080016": {"vr": "UI", "Value": ["1.2"]}}) == ""
    assert structured_text(json.loads('{"00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.88.11"]}}')) == ""


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: _text("../x", "text"), "INVALID_FIELD"),
        (lambda: _text("a/b", "text"), "INVALID_FIELD"),
        (lambda: _text(".hidden", "text"), "INVALID_FIELD"),
        (lambda: Item(content=BytesContent(b"nameless")), "INVALID_FIELD"),
        (lambda: Item({"id": "x"}), "INVALID_FIELD"),
        (lambda: _text("x", "\0binary"), "INVALID_FIELD"),
        (lambda: Item({"id": "x"}, content=BytesContent(b"\xff")), "INVALID_FIELD"),
        (lambda: _text("x", "x" * (1024 * 1024 + 1)), "INSTANCE_TOO_LARGE"),
        (lambda: Item({"id": "x"}, content=BytesContent(make_small())), "INVALID_FIELD"),
    ],
)
def test_what_is_no_report_or_has_no_name_for_a_file_fails_alone(
    tmp_path: Path, make: Callable[[], Item], reason: str
) -> None:
    assert _put(_reports(tmp_path / "in"), make(), _text("good", "text")) == [reason, "stored"]
    assert [str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*.txt")] == ["in/good.txt"]


def test_a_file_that_is_no_text_fails_alone_when_words_are_sought(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "good.txt").write_text("nodule")
    (tmp_path / "image.png").write_bytes(b"x")
    (tmp_path / "link.txt").symlink_to("/etc/hostname")
    reports = _reports(tmp_path)
    found = list(reports.find(Query("", {"text": ["nodule"]})))
    assert sorted("failed" if item.failure else item.meta["id"] for item in found) == ["failed", "good"]
    assert reports.passed_over == {"files that are not .txt": 1, "links, and special files": 1}
    with pytest.raises(DianaError):
        list(reports.get(Item({"id": "link"})))


def test_a_report_that_is_to_be_deidentified_is_not_written_while_anon_is_not_there(tmp_path: Path) -> None:
    reports = _reports(tmp_path, anonymize=True, anon={"address": "127.0.0.1:1", "timeout": 1})
    item = Item({"id": "A1", "PatientName": "DOE^JANE"}, data={"text": "Jane Doe has a nodule."})
    with pytest.raises(MeshError):
        list(reports.put([item]))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DianaError, match="anonymize needs anon"):
        _reports(tmp_path, anonymize=True)


def test_words_that_are_asked_for_as_a_sequence_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DianaError) as refused:
        list(_reports(tmp_path).find(Query("", {"text": {"x": ["nodule"]}})))
    assert refused.value.reason is Reason.KEY_UNSUPPORTED
