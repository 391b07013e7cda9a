"""Search keys and reports through diana-cli: filled, killed in the middle, resumed; put, found, shown, deleted."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from diana.index.v1.index_service_pb2 import BackfillResult
from diana.index.v1.report_service_pb2 import Report
from diana.operation.v1.operation_service_pb2 import Operation
from diana_cli.app import cli
from diana_client import ArchiveClient, IndexClient, OperationClient, ReportClient, UploadItem, connect
from tests.support.dicom_files import make_small
from tests.support.mesh import Mesh

INSTANCES = 6_000


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    with Mesh(tmp_path / "state", "index") as mesh:
        yield mesh


def run(mesh: Mesh, tmp_path: Path, *args: str | Path) -> Result:
    services = tmp_path / "services.yaml"
    entries = {name: {"ctype": name, "address": one.address} for name, one in mesh.processes.items()}
    services.write_text(yaml.safe_dump(entries))
    return CliRunner().invoke(cli, ["--services", str(services), "--json", *map(str, args)])


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.002)


def upload(mesh: Mesh, count: int, **values: str) -> str:
    """Store instances of one study, in the archive and the index; returns the position."""
    items = [UploadItem(n, make_small(sop_uid=f"1.2.3.{n}", rows=8, cols=8, **values)) for n in range(count)]
    position = ""
    with connect(mesh.archive) as archive, connect(mesh.index, timeout=120) as index:
        for result in ArchiveClient(archive).upload(items):
            assert result.error is None, result.error
            position = result.position
        assert IndexClient(index).count("instance", at_least_position=position) == count
    return position


def left_to_fill(mesh: Mesh) -> int | None:
    """The last record that the key was filled for; None once it is ready."""
    records = mesh.processes["index"].state / "index" / "records"
    with closing(sqlite3.connect(records / (records / "active").read_text())) as db:
        (filled,) = db.execute("SELECT filled FROM search_key").fetchone()
    return None if filled is None else int(filled)


def test_a_filling_killed_in_the_middle_goes_on_and_counts_all_once(mesh: Mesh) -> None:
    upload(mesh, INSTANCES)
    with connect(mesh.index) as channel:
        name = IndexClient(channel).create_search_key("kvp", "KVP").operation.name
        until(lambda: OperationClient(channel).get(name).progress.done > 0)
    mesh.processes["index"].kill()
    assert left_to_fill(mesh)
    mesh.processes["index"].start()
    with connect(mesh.index) as channel:
        ended = OperationClient(channel).wait(name, 120)
        assert ended.state == Operation.STATE_SUCCEEDED, ended
        result = BackfillResult()
        assert ended.result.Unpack(result)
        assert (result.instance_count, result.value_count) == (INSTANCES, INSTANCES)
        assert IndexClient(channel).count("instance", {"kvp": "120"}) == INSTANCES
        (active,) = [one for one in OperationClient(channel).list() if one.kind == "index.backfill"]
        assert active.name == name


def test_reports_put_before_a_kill_are_found_after_it_and_no_more_often(mesh: Mesh) -> None:
    upload(mesh, 1, AccessionNumber="A1")
    kept: list[str] = []
    with connect(mesh.index) as channel:
        for report in ReportClient(channel).put(
            Report(report_id=f"r{n}", accession_number="A1", text="granuloma " * 1000) for n in range(500)
        ):
            kept.append(report.report_id)
            if len(kept) == 400:
                break
    mesh.processes["index"].kill()
    mesh.processes["index"].start()
    with connect(mesh.index) as channel:
        found = {one.report_id for one in ReportClient(channel).of_study(study_of(mesh))}
        assert found >= set(kept)
        assert len(ReportClient(channel).of_study(study_of(mesh))) == len(found)


def study_of(mesh: Mesh) -> str:
    with connect(mesh.index) as channel:
        (record,) = IndexClient(channel).find("study")
        return record.study_uid


def test_a_key_is_made_listed_used_and_deleted_from_the_shell(mesh: Mesh, tmp_path: Path) -> None:
    upload(mesh, 3)
    made = lines(run(mesh, tmp_path, "key", "create", "vendor", '(0019,"DIANA CT 1",02)', "--vr", "IS"))
    assert (made[0]["instance_count"], made[0]["value_count"], made[0]["outcome"]) == (3, 3, "filled")
    assert lines(run(mesh, tmp_path, "count", "--level", "instance", "-m", "vendor=64")) == [{"count": 3}]
    lines(run(mesh, tmp_path, "key", "create", "region", "ProcedureCodeSequence.CodeMeaning", "--level", "series"))
    listed = lines(run(mesh, tmp_path, "key", "list"))
    assert [(one["key"], one["level"], one["ready"]) for one in listed] == [
        ("region", "series", True),
        ("vendor", "instance", True),
    ]
    counted = lines(run(mesh, tmp_path, "count", "--level", "series", "-m", "region=CT*"))
    assert counted == [{"count": 1}]
    assert lines(run(mesh, tmp_path, "key", "delete", "vendor")) == []
    gone = run(mesh, tmp_path, "key", "delete", "vendor")
    assert gone.exit_code == 1 and "SEARCH_KEY_NOT_FOUND" in gone.stderr
    bad = run(mesh, tmp_path, "key", "create", "vendor", "Nonsense")
    assert bad.exit_code == 2 and "search_key.path" in bad.stderr


def test_reports_are_put_from_files_and_shown_and_deleted(mesh: Mesh, tmp_path: Path) -> None:
    upload(mesh, 1, AccessionNumber="A1")
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "A1.txt").write_text("BI-RADS 4B. Gro\u00dfe Raumforderung.", "utf-8")
    (folder / "A2.txt").write_bytes(b"\xff\xfe no text")
    (folder / "A3.txt").write_text("x" * 1_048_577)
    (folder / "notes.md").write_text("not a report")
    result = run(mesh, tmp_path, "report", "put", folder)
    assert result.exit_code == 1
    (kept,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (kept["report"], kept["accession_number"], kept["findings"]) == ("A1", "A1", ["bi_rads=4B"])
    assert result.stderr.count("INVALID_FIELD") == 2 and "A2" not in result.stderr
    more = tmp_path / "second.txt"
    more.write_text("Never smoker.")
    study = study_of(mesh)
    assert lines(run(mesh, tmp_path, "report", "put", more, "--study", study))[0]["findings"] == ["smoking=never"]
    listed = lines(run(mesh, tmp_path, "report", "list", study))
    assert [one["report"] for one in listed] == ["A1", "second"]
    (shown,) = lines(run(mesh, tmp_path, "report", "show", "A1"))
    assert shown["text"].startswith("BI-RADS 4B")
    assert lines(run(mesh, tmp_path, "report", "delete", "A1")) == []
    gone = run(mesh, tmp_path, "report", "show", "A1")
    assert gone.exit_code == 1 and "REPORT_NOT_FOUND" in gone.stderr
    assert "Raumforderung" not in mesh.processes["index"].log()
