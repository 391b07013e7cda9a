"""The table in a CSV file: rows by key, written whole, safe to open in a spreadsheet."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.settings import build
from diana_endpoints.csv_table import CsvSettings, CsvTable
from diana_endpoints.items import BytesContent, Item
from diana_endpoints.protocol.query import Query
from tests.support.dicom_files import make_small


def _table(path: Path, **settings: Any) -> CsvTable:
    return CsvTable(build(CsvSettings, {"path": str(path), **settings}))


def _put(table: CsvTable, *rows: dict[str, Any]) -> list[str]:
    return [item.failure.reason if item.failure else item.meta["outcome"] for item in table.put(map(_item, rows))]


def _item(row: dict[str, Any]) -> Item:
    return Item(data=row)


def _rows(table: CsvTable) -> list[dict[str, Any]]:
    return [item.data or {} for item in table.list()]


def test_the_first_item_names_the_columns_and_rows_come_back_as_they_went(tmp_path: Path) -> None:
    table = _table(tmp_path / "new" / "t.csv")
    rows = [{"id": "1", "text": 'a "quoted",\nsecond line'}, {"id": "2", "text": "ß"}]
    assert _put(table, *rows) == ["stored", "stored"]
    assert _rows(table) == rows
    assert [item.meta["id"] for item in table.list()] == ["1", "2"]
    [item] = table.get(Item({"id": "2"}))
    assert item.data == rows[1]


def test_a_row_of_the_same_key_is_replaced_in_its_place(tmp_path: Path) -> None:
    table = _table(tmp_path / "t.csv", key="k")
    assert _put(table, {"n": "1", "k": "a"}, {"n": "2", "k": "b"}) == ["stored", "stored"]
    assert _put(table, {"n": "3", "k": "a"}, {"n": "2", "k": "b"}, {"n": "4", "k": "c"}) == [
        "replaced",
        "already_stored",
        "stored",
    ]
    assert (tmp_path / "t.csv").read_text() == "n,k\n3,a\n2,b\n4,c\n"


def test_it_is_refused_where_the_settings_say_so(tmp_path: Path) -> None:
    table = _table(tmp_path / "t.csv", on_conflict="refuse")
    assert _put(table, {"k": "a", "n": 1}, {"k": "a", "n": 2}, {"k": "a", "n": 1}) == [
        "stored",
        "ITEM_EXISTS",
        "already_stored",
    ]


def test_a_new_name_later_fails_unless_the_table_may_grow(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    assert _put(_table(path), {"k": "a"}, {"k": "b", "more": "x"}, {"k": "c"}) == ["stored", "INVALID_FIELD", "stored"]
    assert _put(_table(path, extend=True), {"k": "b", "more": "x"}) == ["stored"]
    assert _rows(_table(path)) == [{"k": "a", "more": ""}, {"k": "c", "more": ""}, {"k": "b", "more": "x"}]


def test_named_columns_are_taken_from_data_and_metadata(tmp_path: Path) -> None:
    table = _table(tmp_path / "t.csv", columns=["trial", "PatientID", "SeriesNumber"], key="PatientID")
    item = Item({"trial": "hobit"}, content=BytesContent(make_small()))
    [put] = table.put([item])
    assert put.failure is None
    assert list(_rows(table)[0]) == ["trial", "PatientID", "SeriesNumber"]
    assert _rows(table)[0]["trial"] == "hobit"


def test_instances_are_rows_by_their_uid(tmp_path: Path) -> None:
    table = _table(tmp_path / "t.csv")
    items = [Item(content=BytesContent(make_small(sop_uid=uid))) for uid in ("1.2", "1.3", "1.2")]
    assert [item.meta["outcome"] for item in table.put(items)] == ["stored", "stored", "already_stored"]
    assert [(item.meta["id"], (item.data or {})["Modality"]) for item in table.list()] == [("1.2", "CT"), ("1.3", "CT")]


def test_an_id_names_a_row_whose_data_does_not(tmp_path: Path) -> None:
    table = _table(tmp_path / "t.csv", key="key")
    [put] = table.put([Item({"id": "study-1"}, data={"data": "test"})])
    assert put.meta["outcome"] == "stored"
    assert _rows(table) == [{"key": "study-1", "data": "test"}]
    assert _put(table, {"data": "nameless"}) == ["INVALID_FIELD"]


def test_several_values_and_nested_ones_fit_a_cell(tmp_path: Path) -> None:
    table = _table(tmp_path / "t.csv")
    _put(table, {"k": 1, "many": ["a", 2], "deep": {"x": [1]}, "yes": True, "no": None})
    assert _rows(table) == [{"k": "1", "many": "a\\2", "deep": '{"x": [1]}', "yes": "true", "no": ""}]


def test_formulas_are_disarmed_in_the_file_and_read_as_they_were(tmp_path: Path) -> None:
    row = {"k": "=1+1", "a": "@x", "b": "-5", "c": "+1.5e3", "d": "-x", "e": "'=y", "f": "'plain", "g": "\tz"}
    table = _table(tmp_path / "t.csv")
    _put(table, row)
    assert (tmp_path / "t.csv").read_text().splitlines()[1] == "'=1+1,'@x,-5,+1.5e3,'-x,''=y,'plain,'\tz"
    assert _rows(table) == [row]
    raw = _table(tmp_path / "raw.csv", safe=False)
    _put(raw, {"k": "=1"})
    assert (tmp_path / "raw.csv").read_text() == "k\n=1\n"


def test_a_table_of_others_says_what_it_says_where_nothing_is_to_be_disarmed(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("k,n\n'=y,1\n=y,2\n''=y,3\n")
    table = _table(path, safe=False)
    assert [row["k"] for row in _rows(table)] == ["'=y", "=y", "''=y"]
    assert table.delete(Item({"id": "=y"})) == 1
    assert path.read_text() == "k,n\n'=y,1\n''=y,3\n"


def test_rows_are_found_by_wildcards_and_ranges(tmp_path: Path) -> None:
    table = _table(tmp_path / "t.csv")
    _put(table, {"k": 1, "name": "DOE^J", "date": "20240101"}, {"k": 2, "name": "ROE^J", "date": "20250101"})
    query = Query("", {"name": ["*OE^J"], "date": ["20240601-"]}, return_keys=["name"])
    assert [(item.meta["id"], item.data) for item in table.find(query)] == [("2", {"name": "ROE^J"})]
    with pytest.raises(DianaError, match="where: "):
        list(table.find(Query("", {}, where="name = 'DOE'")))


def test_cells_are_set_and_rows_deleted_by_key(tmp_path: Path) -> None:
    table = _table(tmp_path / "t.csv")
    _put(table, {"k": "a", "n": "1"}, {"k": "b", "n": "2"})
    assert table.update(Item({"id": "a"}), {"n": None}).data == {"k": "a", "n": ""}
    assert table.update(Item({"id": "b"}), {"n": 7}).data == {"k": "b", "n": "7"}
    assert table.delete(Item({"id": "a"})) == 1
    assert _rows(table) == [{"k": "b", "n": "7"}]
    for wrong in (lambda: table.delete(Item({"id": "a"})), lambda: table.update(Item({"id": "z"}), {})):
        with pytest.raises(DianaError, match="no row of this key"):
            wrong()
    for changes in ({"k": "other"}, {"unknown": 1}):
        with pytest.raises(DianaError):
            table.update(Item({"id": "b"}), changes)
    assert _rows(table) == [{"k": "b", "n": "7"}]


def test_who_takes_only_some_finds_them_in_the_file(tmp_path: Path) -> None:
    table = _table(tmp_path / "t.csv")

    def source() -> Iterator[Item]:
        yield Item(data={"k": "a"})
        yield Item(data={"k": "b"})
        raise DianaError(Reason.PEER_UNAVAILABLE, "gone")

    with pytest.raises(DianaError):
        list(table.put(source()))
    assert [row["k"] for row in _rows(table)] == ["a", "b"]


def test_a_table_that_somebody_else_changed_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    _put(_table(path), {"k": "a"})
    results = _table(path).put([Item(data={"k": "b"})])
    next(results)
    path.write_text("k\nsomebody's\n")
    with pytest.raises(DianaError, match="changed by somebody else"):
        list(results)
    assert path.read_text() == "k\nsomebody's\n"
    assert [one.name for one in tmp_path.iterdir()] == ["t.csv"]


def test_a_foreign_table_is_read_with_its_own_encoding_delimiter_and_mark(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("k;näme\r\n1;ä\r\n".encode("latin-1"))
    assert _rows(_table(tmp_path / "latin.csv", encoding="latin-1", delimiter=";")) == [{"k": "1", "näme": "ä"}]
    (tmp_path / "excel.csv").write_bytes(b"\xef\xbb\xbfk,n\r\n\r\n1\r\n")
    assert _rows(_table(tmp_path / "excel.csv")) == [{"k": "1", "n": ""}]
    wide = _table(tmp_path / "wide.csv", encoding="utf-16")
    _put(wide, {"k": "ß"})
    assert _rows(wide) == [{"k": "ß"}]
    assert _put(_table(tmp_path / "a.csv", encoding="ascii"), {"k": "ß"}) == ["INVALID_FIELD"]


def test_a_row_with_too_many_cells_fails_alone_and_is_never_rewritten(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("k,n\n1,2\n3,4,5\n6,7\n")
    table = _table(tmp_path / "t.csv")
    assert [item.failure is None for item in table.list()] == [True, False, True]
    with pytest.raises(DianaError, match="row 2 has more cells"):
        _put(table, {"k": "8"})


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'k\n"open', b"k,k\n1,2\n", b"k\n" + b"x" * 1_100_000])
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DianaError, match="path: "):
        _rows(_table(tmp_path / "t.csv"))


def test_a_file_that_is_not_there_is_refused_and_its_folder_checked(tmp_path: Path) -> None:
    with pytest.raises(DianaError, match="path: is not a file"):
        _rows(_table(tmp_path / "none.csv"))
    assert _table(tmp_path / "none.csv").check().detail == "no file yet"
    with pytest.raises(DianaError, match="key: is no column"):
        (tmp_path / "t.csv").write_text("k\n1\n")
        _rows(_table(tmp_path / "t.csv", key="other"))


def test_a_long_table_is_listed_in_flat_memory(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("k,text\n" + "".join(f"{number},{'x' * 100}\n" for number in range(5_000)))
    table = _table(tmp_path / "t.csv")
    tracemalloc.start()
    assert sum(1 for _ in table.list()) == 5_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300_000


def test_a_match_that_a_row_cannot_meet_finds_nothing(tmp_path: Path) -> None:
    table = _table(tmp_path / "t.csv")
    _put(table, {"k": 1}, {"k": 2})
    assert list(table.find(Query("", {"k": {"x": ["1"]}}))) == []
