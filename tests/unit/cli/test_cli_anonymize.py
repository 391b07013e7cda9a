"""anonymize: studies by name or from the items before, instances as they pass; what was refused is told."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.session import Session
from diana_client.errors import NotFound, Unavailable
from diana_endpoints.folder import Folder
from diana_endpoints.services import Services
from tests.support.dicom_files import ROOT, make_small
from tests.unit.cli.doubles import Anonymizing, Source, instance


@pytest.fixture
def anon(monkeypatch: pytest.MonkeyPatch) -> Anonymizing:
    double = Anonymizing()
    services = Services({})
    services._made |= {"anon:": double, "source": Source([instance(1), instance(2), instance(3, "1.3")])}
    monkeypatch.setattr(Session, "services", services)
    return double


def _run(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args], env={"COLUMNS": "200", "TERM": "dumb"})


def test_a_study_is_named_and_its_new_uid_is_printed(anon: Anonymizing) -> None:
    result = _run("anonymize", "1.2.3", "--to", "deid", "--attribute", "trial=mammo", "--copy", "site")
    assert result.exit_code == 0, result.output
    title, row = result.stdout.splitlines()
    assert title.split()[:4] == ["Store", "Instances", "Refused", "Complete"]
    assert row.split() == ["deid", "3", "0", "yes", "1.2.3.9"]
    [order] = anon.orders
    assert (order.study_uid, order.target_store, order.source_store) == ("1.2.3", "deid", "")
    assert (order.attributes, order.copied_attributes) == ({"trial": "mammo"}, ("site",))


def test_items_are_drawn_first_and_each_of_their_studies_goes_once(anon: Anonymizing) -> None:
    result = _run("--json", "dgetall", "source", "anonymize", "--to", "deid", "--profile", "longitudinal")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["study_uid"], line["source_study_uid"]) for line in lines] == [("1.2.9", "1.2"), ("1.3.9", "1.3")]
    assert {order.source_store for order in anon.orders} == {"default"}
    assert {order.profile for order in anon.orders} == {"longitudinal"}


def test_the_store_that_is_named_wins_and_the_global_one_serves_names(anon: Anonymizing) -> None:
    _run("dgetall", "source", "anonymize", "--from", "raw", "--to", "deid")
    _run("--store", "pacs", "anonymize", "1.5", "--to", "deid")
    assert [order.source_store for order in anon.orders] == ["raw", "raw", "pacs"]


def test_refused_instances_are_told_with_their_reason_and_the_status_is_1(anon: Anonymizing, tmp_path: Path) -> None:
    anon.refused = ("1.2.3.4", "1.2.3.5")
    result = _run("--failures", tmp_path / "failures", "anonymize", "1.2.3", "--to", "deid")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1].split() == ["deid", "3", "2", "no", "1.2.3.9"]
    assert "anonymize: 1.2.3.4: NOT_DEIDENTIFIABLE: it cannot be de-identified for sure" in result.stderr
    kept = [json.loads(line) for line in (tmp_path / "failures").read_text().splitlines()]
    assert [(one["study_uid"], one["sop_instance_uid"]) for one in kept] == [("1.2.3", "1.2.3.4"), ("1.2.3", "1.2.3.5")]


def test_a_study_that_is_not_there_is_told_and_a_service_that_is_not_there_ends_with_3(anon: Anonymizing) -> None:
    anon.error = NotFound(grpc.StatusCode.NOT_FOUND, "no such profile", reason="PROFILE_UNKNOWN")
    result = _run("anonymize", "1.2.3", "--to", "deid")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "1.2.3: PROFILE_UNKNOWN" in result.stderr
    anon.error = Unavailable(grpc.StatusCode.UNAVAILABLE, "nobody answers")
    assert _run("anonymize", "1.2.3", "--to", "deid").exit_code == 3


def test_without_waiting_the_operation_is_printed(anon: Anonymizing) -> None:
    result = _run("--json", "anonymize", "1.2.3", "--to", "deid", "--no-wait")
    assert json.loads(result.stdout)["operation"] == "operations/anon-1"


def test_files_that_are_named_are_written_under_their_new_uids(anon: Anonymizing, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(make_small(sop_uid=f"{ROOT}.1.1"))
    (tmp_path / "two").write_bytes(make_small(sop_uid=f"{ROOT}.1.2"))
    result = _run("anonymize", "--out", tmp_path / "out", tmp_path / "one", tmp_path / "two")
    assert (result.exit_code, result.stdout) == (0, "2 stored\n")
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 2


def test_a_file_that_is_not_there_is_told_by_number_and_the_rest_go_on(anon: Anonymizing, tmp_path: Path) -> None:
    (tmp_path / "two").write_bytes(make_small())
    result = _run("anonymize", "--out", tmp_path / "out", tmp_path / "Doe^John", tmp_path / "two")
    assert (result.exit_code, result.stdout) == (1, "1 stored, 1 failed\n")
    assert "item 1: FILE_UNREADABLE" in result.stderr
    assert "Doe" not in result.stderr


def test_a_folder_flows_through_into_another(anon: Anonymizing, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one").write_bytes(make_small())
    chain = ["dgetall", f"path:{tmp_path / 'in'}", "anonymize", "--profile", "p", "put", f"path:{tmp_path / 'out'}"]
    result = _run(*chain)
    assert (result.exit_code, result.stdout) == (0, "1 stored\n"), result.output
    assert anon.profiles == ["p"]
    assert len(list(Folder.list(_folder(tmp_path / "out")))) == 1


def _folder(path: Path) -> Folder:
    from diana_endpoints.folder import FolderSettings

    return Folder(FolderSettings(path))


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["anonymize"], "anonymize needs items"),
        (["anonymize", "1.2.3"], "needs --to STORE"),
        (["anonymize", "a.dcm", "--to", "deid"], "by their Study Instance UIDs"),
        (["anonymize", "1.2.3", "--to", "deid", "--out", "x"], "exclude one another"),
        (["dgetall", "source", "anonymize", "--copy", "site"], "--copy needs --to STORE"),
        (["anonymize", "1.2.3", "--to", "deid", "--attribute", "site"], "must be KEY=VALUE"),
        (["anonymize", "1.2.3", "--to", "deid", "--attribute", "a=1", "--attribute", "a=2"], "gives a twice"),
        (["dgetall", "source", "anonymize", "1.2.3", "--to", "deid"], "anonymize begins a chain"),
        (["anonymize", "1.2.3", "--to", "deid", "--in", "source"], "cannot de-identify"),
    ],
)
def test_what_makes_no_sense_ends_with_status_2(anon: Anonymizing, args: list[str], hint: str) -> None:
    result = _run(*args)
    assert result.exit_code == 2, result.output
    assert hint in result.stderr
    assert not anon.orders
