"""The generic verbs against endpoints that keep values by key: by place as in the older system, and by option."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.commands import health as health_commands
from diana_cli.session import Session
from diana_common.errors import invalid_field
from diana_endpoints.items import Item
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.protocol.query import Query
from diana_endpoints.services import Services
from tests.support.dicom_files import make_small


class Keys:
    """Values by key, in memory, with one method of its own."""

    methods: Mapping[str, str] = {"flush": "Forget all keys."}

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {"a": {"n": 1, "name": "Ada"}, "b": {"n": 2}}
        self.passed_over: dict[str, int] = {}
        self.asked: list[Any] = []

    def close(self) -> None:
        """Nothing."""

    def check(self) -> Health:
        return Health(bool(self.kept), f"{len(self.kept)} keys")

    def list(self) -> Iterator[Item]:
        for number, key in enumerate(tuple(self.kept), 1):
            yield Item({"id": key}, data=self.kept[key], number=number)

    def get(self, wanted: Item) -> Iterator[Item]:
        self.asked.append(dict(wanted.meta))
        yield Item({"id": wanted.meta["id"]}, data=self._of(wanted))

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            self.kept[str(item.meta["id"])] = {**(item.data or {}), "by": item.meta.get("by")}
            item.meta["outcome"] = "stored"
            yield item

    def find(self, query: Query) -> Iterator[Item]:
        self.asked.append(query)
        yield from self.list()

    def update(self, wanted: Item, changes: Mapping[str, Any]) -> Item:
        self._of(wanted).update(changes)
        return Item({"id": wanted.meta["id"]}, data=self._of(wanted))

    def delete(self, wanted: Item) -> int:
        self._of(wanted)
        del self.kept[wanted.meta["id"]]
        return 1

    def handle(self, method: str, arguments: Sequence[Any], options: Mapping[str, Any]) -> Iterator[Item]:
        self.asked.append((method, arguments, options))
        yield Item({"outcome": "flushed"})

    def secret(self) -> None:
        """Nothing that may be called by name."""
        raise AssertionError

    def _of(self, wanted: Item) -> dict[str, Any]:
        found = self.kept.get(str(wanted.meta.get("id")))
        if found is None:
            raise invalid_field("id", "is no key")
        return found


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Keys:
    double = Keys()
    services = Services({})
    services._made |= {"keys": double, "other": Keys()}
    monkeypatch.setattr(Session, "services", services)
    return double


def _run(*args: str | Path, **more: Any) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args], env={"COLUMNS": "200", "TERM": "dumb"}, **more)


def _lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_items_are_got_by_id_in_the_older_form(keys: Keys) -> None:
    assert _lines(_run("get", "keys", "a,b", "print", "jsonl")) == [
        {"id": "a", "n": 1, "name": "Ada"},
        {"id": "b", "n": 2},
    ]
    assert _run("get", "-k", "level: series", "-b", "keys", "a").stdout == "1 items\n"
    assert keys.asked[-1] == {"level": "series", "id": "a"}


def test_one_that_is_not_there_is_told_and_the_rest_go_on(keys: Keys) -> None:
    result = _run("get", "keys", "a,x,b", "print", "jsonl")
    assert [line["id"] for line in _lines(result)] == ["a", "b"]
    assert result.exit_code == 1
    assert "get: item 2: INVALID_FIELD" in result.stderr


def test_without_ids_the_items_before_say_what_is_meant(keys: Keys) -> None:
    result = _run("find", "keys", "get", "keys", "setmeta", "{by: me}", "put", "other", "print", "jsonl", "-r", "by")
    assert [(line["id"], line["by"]) for line in _lines(result)] == [("a", "me"), ("b", "me")]


def test_an_empty_list_is_refused_wherever_it_stands_and_nothing_is_done(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("\n")
    for given in (f"@{tmp_path / 'ids'}", "[]", "", ",", '[""]', '["a", " "]'):
        for line in (["delete", "keys", given, "--yes"], ["ofind", "-a", given, "keys", "delete", "keys", "--yes"]):
            result = _run(*line)
            assert result.exit_code == 2, (line, result.output)
            assert "has no values" in result.stderr or "has a value that is empty" in result.stderr
    for query in ("{AccessionNumber: []}", "{Sequence: {AccessionNumber: []}}", '{AccessionNumber: ["", A1]}'):
        assert _run("find", "-q", query, "keys", "delete", "keys", "--yes").exit_code == 2
    assert _run("do", "keys", "find", "-m", "{AccessionNumber: []}").exit_code == 2
    assert _run("dgetall", "keys", "delete", "keys", "--study", "", "--yes").exit_code == 2
    assert len(keys.kept) == 2
    assert not keys.asked


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["get", "keys", "a", "--from", "keys"], "name the endpoint once"),
        (["get", "keys", "a", "--study", "1.2"], "name what is wanted once"),
        (["get", "keys"], "get needs items"),
        (["get", "keys", "a", "b"], "No such command 'b'"),
        (["find", "-m", "A=1", "-q", "A: 1", "keys"], "both name A"),
        (["find", "-q", "A: [{B: 1}]", "keys"], "A must have values"),
        (["delete", "keys", "a"], "give --yes"),
        (["do", "keys", "delete", "-g", "a"], "give --yes"),
        (["do", "keys", "secret"], "is none of this endpoint's"),
        (["do", "keys", "flsh"], "did you mean 'flush'"),
        (["do", "keys", "find", "-k", "levl: study"], "did you mean 'level'"),
        (["do", "keys", "put"], "do needs items"),
        (["update", "keys", "a"], "must be a mapping"),
        (["dgetall", "keys", "print", "yaml"], "is not one of"),
        (["guid", "Doe^John", "--name", "Doe^Jane"], "NAME is given twice"),
    ],
)
def test_a_line_that_makes_no_sense_says_why(keys: Keys, args: list[str], hint: str) -> None:
    result = _run(*args)
    assert result.exit_code == 2, result.output
    assert hint in result.stderr
    assert len(keys.kept) == 2


def test_a_question_is_a_mapping_beside_matching_keys(keys: Keys) -> None:
    _run(
        "find",
        "-q",
        "{Modality: [CT, MR], StudyDate: , Seq: {Code: 1}}",
        "-m",
        "PatientID=P1",
        "--level",
        "series",
        "keys",
    )
    [query] = keys.asked
    assert query.level == "series"
    assert query.matches == {"PatientID": ["P1"], "Modality": ["CT", "MR"], "StudyDate": [""], "Seq": {"Code": ["1"]}}


def test_what_is_found_and_is_no_record_is_shown_as_lines(keys: Keys) -> None:
    assert _run("find", "keys").stdout.splitlines() == ["item 1  id=a  n=1  name=Ada", "item 2  id=b  n=2"]


def test_keys_are_deleted_once_that_is_sure(keys: Keys) -> None:
    assert _run("delete", "keys", "a", "--yes").stdout == "1 deleted\n"
    assert list(keys.kept) == ["b"]
    assert _run("find", "keys", "delete", "keys", "--yes").exit_code == 0
    assert not keys.kept


def test_what_is_kept_is_updated_by_id_or_through_a_chain(keys: Keys) -> None:
    assert _lines(_run("--json", "update", "keys", "{n: 3}", "a")) == [{"id": "a", "n": 3, "name": "Ada"}]
    assert _run("find", "keys", "update", "keys", "seen: true").exit_code == 0
    assert [one["seen"] for one in keys.kept.values()] == [True, True]


def test_metadata_is_set_and_taken_away(keys: Keys) -> None:
    result = _run("dgetall", "keys", "setmeta", "{trial: hobit, n: 3}", "setmeta", "id: null", "print", "jsonl")
    assert _lines(result)[1] == {"trial": "hobit", "n": 3}


def test_what_setmeta_sets_is_printed_and_put_instead_of_what_a_row_says(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("id,v,w\nold,1,2\n")
    changes = "{id: new, v: 5, w: null, more: 7}"
    one, other = (f"csv:{tmp_path / name}" for name in ("b.csv", "c.csv"))
    result = _run("dgetall", one, "setmeta", changes, "put", other, "print", "jsonl")
    assert {**_lines(result)[0], "outcome": ""} == {"id": "new", "v": 5, "more": 7, "outcome": ""}
    assert (tmp_path / "c.csv").read_text().split() == ["id,v", "new,5"]


def test_do_calls_roles_by_name(keys: Keys) -> None:
    assert _run("do", "keys", "check").stdout == "health=ok  detail=2 keys\n"
    assert [line["id"] for line in _lines(_run("do", "keys", "get", "-g", "a", "print", "jsonl"))] == ["a"]
    assert _run("do", "keys", "find", "-m", '{"data":"test"}').exit_code == 0
    assert keys.asked[-1] == Query("study", {"data": ["test"]})
    assert len(_lines(_run("--json", "do", "keys", "list"))) == 2
    assert _run("do", "keys", "update", "-g", "a", "-m", "n: 9").stdout == "id=a  n=9  name=Ada\n"
    assert _run("do", "keys", "delete", "-g", "[a, b]", "--yes").exit_code == 0
    assert _run("do", "keys", "check").exit_code == 3


def test_do_calls_what_a_kind_publishes_and_lists_it(keys: Keys) -> None:
    assert _run("do", "keys", "flush", "-g", "[1, x]", "-m", "{a: 1}", "-k", "{b: 2}").stdout == "flushed\n"
    assert keys.asked == [("flush", [1, "x", {"a": 1}], {"b": 2})]
    told = {line["method"] for line in _lines(_run("--json", "do", "keys", "methods"))}
    assert told == {"flush", "check", "list", "get", "find", "put", "update", "delete"}


def test_csv_has_the_columns_of_the_first_item_and_tells_of_others(keys: Keys) -> None:
    keys.kept = {"a": {"n": 1}, "b": {"n": 2, "more": 3}, "c": {}}
    result = _run("dgetall", "keys", "print", "csv")
    assert result.stdout == "id,n\na,1\nb,2\nc,\n"
    assert "left out here: more" in result.stderr


def test_csv_has_the_columns_that_are_named_even_without_items(keys: Keys) -> None:
    assert _run("dgetall", "keys", "print", "csv", "-r", "name", "-r", "id").stdout == "name,id\nAda,a\n,b\n"
    keys.kept = {}
    assert _run("dgetall", "keys", "print", "csv", "-r", "id").stdout == "id\n"
    assert _run("dgetall", "keys", "print", "csv").stdout == ""


def test_csv_is_quoted_and_safe_in_a_spreadsheet(keys: Keys) -> None:
    told = ["=1+1", "@x", "-5", "+1 800", 'a,"b"', "two\nlines", "a\rb", ["CT", "MR"], {"x": 1}, None, True]
    keys.kept = {"a": {f"c{number}": value for number, value in enumerate(told)}}
    _, row = csv.reader(io.StringIO(_run("dgetall", "keys", "print", "csv").stdout, newline=""))
    assert row[1:] == ["'=1+1", "'@x", "-5", "'+1 800", 'a,"b"', "two\nlines", "a\rb", "CT\\MR", '{"x": 1}', "", "true"]


def test_what_is_printed_as_csv_is_read_as_it_was(keys: Keys, tmp_path: Path) -> None:
    told = ["=1+1", "'=1+1", "''@x", "'plain", "-5", "a,b"]
    keys.kept = {"a": {f"c{number}": value for number, value in enumerate(told)}}
    (tmp_path / "t.csv").write_text(_run("dgetall", "keys", "print", "csv").stdout, newline="")
    printed = json.loads(_run("dgetall", f"csv:{tmp_path / 't.csv'}", "print", "jsonl").stdout)
    assert [printed[f"c{number}"] for number in range(len(told))] == told


def test_a_file_is_got_from_a_folder_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "IM0001.dcm").write_bytes(make_small())
    result = _run("get", f"path:{tmp_path}", "IM0001.dcm", "print", "csv", "-r", "path", "-r", "Modality")
    assert (result.exit_code, result.stdout) == (0, "path,Modality\nIM0001.dcm,CT\n")
    assert "is not a file in the folder" in _run("get", f"path:{tmp_path}", "../x").stderr


class Broken:
    """An endpoint of others that does not keep to the protocol."""

    def close(self) -> None:
        """Nothing."""

    def check(self) -> Health:
        raise KeyError("Doe^John")


class Hanging(Broken):
    """An endpoint that does not answer."""

    def __init__(self) -> None:
        self.freed = threading.Event()

    def check(self) -> Health:
        self.freed.wait(60)
        return Health(True, "")


def test_a_broken_or_hanging_endpoint_does_not_keep_the_others_from_being_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = ("good", "broken", "hanging", "unmade")
    services = Services({name: {"ctype": "folder", "path": str(tmp_path)} for name in names})
    services.entries["unmade"] = {"ctype": "folder", "path": 3}
    hanging = Hanging()
    services._made |= {"broken": Broken(), "hanging": hanging}
    monkeypatch.setattr(Session, "services", services)
    monkeypatch.setattr(health_commands, "_PATIENCE_SECONDS", 0.3)
    result = _run("--json", "ls")
    hanging.freed.set()
    told = {line["endpoint"]: line["detail"] for line in _lines(result)}
    assert result.exit_code == 3
    assert list(told) == list(names)
    assert told["broken"] == "its check failed (KeyError)"
    assert told["hanging"].startswith("did not answer within")
    assert [line["endpoint"] for line in _lines(_run("--json", "ls", "-k"))] == list(names)


def test_every_global_option_is_an_environment_variable_too() -> None:
    for option in cli.params:
        if option.name not in ("version", "help"):
            assert str(option.envvar).startswith("DIANA_"), option.name


def test_options_come_from_the_environment(tmp_path: Path) -> None:
    services = tmp_path / "services.yaml"
    services.write_text(f"here: {{ctype: DcmDir, path: '{tmp_path}'}}")
    env = {"DIANA_SERVICES": f"@{services}", "DIANA_JSON": "1", "DIANA_FAILURES": str(tmp_path / "failures.jsonl")}
    (tmp_path / "bad.dcm").write_bytes(bytes(128) + b"DICM")
    result = CliRunner().invoke(cli, ["dgetall", "here", "print", "-r", "Modality"], env=env)
    assert result.exit_code == 1
    assert json.loads((tmp_path / "failures.jsonl").read_text())["path"] == "bad.dcm"
    assert json.loads(result.stderr)["error"]["where"] == "print"


class Shut:
    """An endpoint whose own connection breaks."""

    def close(self) -> None:
        """Nothing."""

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        for _ in items:
            raise BrokenPipeError(32, "Broken pipe")
        yield from ()


def test_an_endpoints_broken_connection_is_no_reader_that_went_away(monkeypatch: pytest.MonkeyPatch) -> None:
    services = Services({})
    services._made |= {"shut": Shut(), "keys": Keys()}
    monkeypatch.setattr(Session, "services", services)
    result = _run("dgetall", "keys", "put", "shut")
    assert result.exit_code == 1
    assert "FILE_UNREADABLE" in result.stderr
