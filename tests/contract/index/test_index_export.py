"""Tables of records, as they are read back by those who know nothing of us."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from diana_common.errors import DianaError, Reason
from diana_index.adapters import tables
from diana_index.adapters.tables import table_writers
from diana_index.core import exporting
from diana_index.core.attributes import Level
from diana_index.core.exporting import Format
from diana_index.core.index import Wait
from diana_index.core.question import Asked, OrderKey
from diana_index.core.vocabulary import make_search_key
from tests.unit.index.index_bench import NO_WAIT, IndexBench, as_keys

HOSTILE = {
    "plain": "plain",
    'comma, quote" and\r\nline': 'comma, quote" and\r\nline',
    "=1+1": "'=1+1",
    "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0",
    "-x": "'-x",
    "@SUM(A1)": "'@SUM(A1)",
    "-5": "-5",
    "+1.5e3": "+1.5e3",
    "\u00c4\u5c71\U0001f600": "\u00c4\u5c71\U0001f600",
}


class Exports:
    """Files that an index writes."""

    def __init__(self, bench: IndexBench, folder: Path) -> None:
        self._bench = bench
        self._folder = folder
        self._writers = table_writers(folder / "exports")

    def file(
        self,
        kind: Format,
        level: Level,
        columns: Sequence[str] = (),
        order: Sequence[str] = (),
        keys: dict[str, str] | None = None,
    ) -> bytes:
        asked = Asked("default", level, as_keys(keys))
        orders = [OrderKey(one.removeprefix("-"), one.startswith("-")) for one in order]
        with self._bench.index.exporting(asked, columns, orders, NO_WAIT) as (table, _):
            return b"".join(self._writers[kind](table))

    def csv(self, *asked: Any, **more: Any) -> list[list[str]]:
        return list(csv.reader(io.StringIO(self.file(Format.CSV, *asked, **more).decode(), newline="")))

    def json(self, *asked: Any, **more: Any) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file(Format.JSON_LINES, *asked, **more).splitlines()]

    def parquet(self, *asked: Any, **more: Any) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
        """Types by column, and rows."""
        path = self._folder / "read.parquet"
        path.write_bytes(self.file(Format.PARQUET, *asked, **more))
        with duckdb.connect() as database:
            found = database.execute("SELECT * FROM read_parquet(?)", [str(path)])
            types = {name: str(kind) for name, kind, *_ in found.description}
            return types, found.fetchall()


@pytest.fixture
def exports(bench: IndexBench, tmp_path: Path) -> Exports:
    return Exports(bench, tmp_path)


def test_a_study_s_usual_columns(bench: IndexBench, exports: Exports) -> None:
    bench.archive.store("1.1.1", PatientID="P1", PatientName="Doe^Jane", StudyDate="20260105", Modality="CT")
    bench.archive.store(
        "1.2.1", series="1.2", PatientID="P1", PatientName="Doe^Jane", StudyDate="20260105", Modality="SR"
    )
    bench.catch_up()
    names, row = exports.csv(Level.STUDY)
    found = dict(zip(names, row, strict=True))
    assert found["PatientName"] == "Doe^Jane"
    assert found["ModalitiesInStudy"] == "CT\\SR"
    assert found["NumberOfStudyRelatedInstances"] == "2"
    assert found["AccessionNumber"] == ""


def test_csv_is_read_back_and_holds_no_formula(bench: IndexBench, exports: Exports) -> None:
    for number, text in enumerate(HOSTILE):
        bench.archive.store(f"{number}.1.1", study=str(number), series=f"{number}.1", StudyDescription=text)
    bench.catch_up()
    rows = exports.csv(Level.STUDY, ["StudyDescription"], order=["StudyInstanceUID"])
    assert rows == [["StudyDescription"], *([text] for text in HOSTILE.values())]


def test_json_lines_keep_numbers_and_several_values(bench: IndexBench, exports: Exports) -> None:
    code = {"00080100": {"vr": "SH", "Value": ["X"]}}
    bench.archive.store("1.1.1", Rows=512, ImageType=["A", "B"], ProcedureCodeSequence=[code], PixelSpacing=[0.5, 0.25])
    bench.archive.store("1.1.2", KVP=80.5, PatientName={"Alphabetic": "A^B", "Ideographic": "\u5c71"})
    bench.catch_up()
    columns = ["SOPInstanceUID", "Rows", "ImageType", "ProcedureCodeSequence", "PixelSpacing", "KVP", "PatientName"]
    assert exports.json(Level.INSTANCE, columns) == [
        dict(zip(columns, ["1.1.1", 512, ["A", "B"], [code], [0.5, 0.25], None, None], strict=True)),
        dict(zip(columns, ["1.1.2", None, None, None, None, 80.5, "A^B=\u5c71"], strict=True)),
    ]
    assert exports.csv(Level.INSTANCE, columns)[1] == [
        "1.1.1",
        "512",
        "A\\B",
        '[{"00080100":{"vr":"SH","Value":["X"]}}]',
        "0.5\\0.25",
        "",
        "",
    ]


def test_parquet_has_types(bench: IndexBench, exports: Exports) -> None:
    bench.archive.store(
        "1.1.1",
        PatientAge="030Y",
        StudyDate="2026.01.05",
        PatientWeight=70.5,
        SeriesNumber=2,
        StudyDescription="a\0b\n\\",
    )
    bench.archive.store("2.1.1", study="2", series="2.1", StudyDate="soon", SeriesNumber=2**40, StudyDescription='"=1')
    bench.catch_up()
    columns = ["StudyInstanceUID", "StudyDate", "PatientWeight", "SeriesNumber", "StudyDescription", "age"]
    types, rows = exports.parquet(Level.SERIES, columns, order=["StudyInstanceUID"])
    assert list(types.values()) == ["VARCHAR", "DATE", "DOUBLE", "BIGINT", "VARCHAR", "DOUBLE"]
    assert list(types) == columns
    assert rows == [
        ("1", date(2026, 1, 5), 70.5, 2, "a\0b\n\\", 30.0),
        ("2", None, None, 2**40, '"=1', None),
    ]


def test_all_formats_hold_all_rows_of_a_long_table(bench: IndexBench, exports: Exports, monkeypatch: Any) -> None:
    monkeypatch.setattr(tables, "_PIECE_BYTES", 1000)
    bench.archive.batch = 1000
    for number in range(1500):
        bench.archive.store(f"1.1.{number}", InstanceNumber=number)
    bench.catch_up()
    columns, order = ["InstanceNumber"], ["-InstanceNumber"]
    expected = list(reversed(range(1500)))
    assert [int(one) for (one,) in exports.csv(Level.INSTANCE, columns, order=order)[1:]] == expected
    assert [one["InstanceNumber"] for one in exports.json(Level.INSTANCE, columns, order=order)] == expected
    assert [one for (one,) in exports.parquet(Level.INSTANCE, columns, order=order)[1]] == expected


def test_no_records_make_an_empty_table(exports: Exports) -> None:
    assert exports.csv(Level.STUDY, ["StudyDate"]) == [["StudyDate"]]
    assert exports.json(Level.STUDY, ["StudyDate"]) == []
    assert exports.parquet(Level.STUDY, ["StudyDate"]) == ({"StudyDate": "DATE"}, [])


def test_search_keys_and_paths_are_columns(bench: IndexBench, exports: Exports) -> None:
    codes = [{"00080100": {"vr": "SH", "Value": [one]}} for one in ("X", "Y")]
    with bench.generations.active() as generation:
        generation.set_search_keys([make_search_key("kvp", "KVP", Level.SERIES, "")])
    bench.archive.store("1.1.1", KVP=120, ProcedureCodeSequence=codes)
    bench.archive.store("2.1.1", study="2", series="2.1")
    bench.catch_up()
    columns = ["kvp", "ProcedureCodeSequence.CodeValue"]
    assert exports.csv(Level.SERIES, columns) == [columns, ["120", "X\\Y"], ["", ""]]
    types, rows = exports.parquet(Level.SERIES, columns)
    assert (list(types.values()), rows) == (["DOUBLE", "VARCHAR"], [(120.0, "X\\Y"), (None, None)])


def test_only_what_is_asked_for_is_written(bench: IndexBench, exports: Exports) -> None:
    for study, modality in (("1", "CT"), ("2", "MR")):
        bench.archive.store(f"{study}.1.1", study=study, series=f"{study}.1", Modality=modality)
    bench.catch_up()
    assert exports.csv(Level.STUDY, ["StudyInstanceUID"], keys={"Modality": "MR"}) == [["StudyInstanceUID"], ["2"]]


@pytest.mark.parametrize(
    ("level", "columns", "reason", "field"),
    [
        (Level.STUDY, ["StudyDate", "Modality"], Reason.KEY_UNSUPPORTED, "columns[1]"),
        (Level.STUDY, ["KVP"], Reason.KEY_UNSUPPORTED, "columns[0]"),
        (Level.PATIENT, ["age"], Reason.KEY_UNSUPPORTED, "columns[0]"),
        (Level.INSTANCE, ["no keyword"], Reason.INVALID_FIELD, "columns[0]"),
        (Level.INSTANCE, ["Rows", "Columns", "00280010"], Reason.INVALID_FIELD, "columns[2]"),
    ],
)
def test_what_is_no_column_is_refused(
    exports: Exports, level: Level, columns: list[str], reason: Reason, field: str
) -> None:
    with pytest.raises(DianaError) as refused:
        exports.csv(level, columns)
    assert (refused.value.reason, refused.value.fields[0].field) == (reason, field)


def test_a_table_is_of_one_state_of_the_records(bench: IndexBench, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(tables, "_PIECE_BYTES", 1)
    for number in range(20):
        bench.archive.store(f"1.1.{number}")
    bench.catch_up()
    write = table_writers(tmp_path / "exports")[Format.JSON_LINES]
    with bench.index.exporting(Asked("default", Level.INSTANCE), ["SOPInstanceUID"], [], NO_WAIT) as (table, _):
        pieces = write(table)
        lines = [next(pieces)]
        bench.archive.store("1.1.99")
        bench.archive.delete("1.1.5", "1.1.9")
        bench.catch_up()
        lines += [one for one in pieces if one]
    assert len(lines) == 20
    assert bench.count(Level.INSTANCE) == 19


def test_tables_end_when_nobody_waits_and_leave_their_place(bench: IndexBench, tmp_path: Path) -> None:
    for number in range(3):
        bench.archive.store(f"1.1.{number}")
    bench.catch_up()
    writers = table_writers(tmp_path / "exports")
    for attempt in range(20):
        waiting = [True] if attempt % 2 else [True, True]
        wait = Wait("", 0.0, partial(_pop, waiting))
        kind = list(Format)[attempt % 3]
        with (
            pytest.raises(DianaError) as gone,
            bench.index.exporting(Asked("default", Level.INSTANCE), [], [], wait) as (
                table,
                _,
            ),
        ):
            while waiting:
                waiting.pop()
            list(writers[kind](table))
        assert gone.value.reason is Reason.OVERLOADED
    assert not list((tmp_path / "exports").iterdir())


def _pop(waiting: list[bool]) -> bool:
    """Whether somebody waits: as often as is written down."""
    return bool(waiting and waiting.pop())


def test_what_a_crash_left_goes_at_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    (folder / "tmpx").mkdir(parents=True)
    (folder / "tmpx" / "rows").write_bytes(b"x")
    table_writers(folder)
    assert not list(folder.iterdir())


def test_a_table_waits_for_its_turn_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_WAIT_SECONDS", 0.1)
    turns = exporting.Turns(1)
    with turns.taken(lambda: True):
        with pytest.raises(DianaError) as caught, turns.taken(lambda: True):
            pass
        assert caught.value.reason is Reason.OVERLOADED
    with turns.taken(lambda: True):
        pass
