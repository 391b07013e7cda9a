"""Previews, cohorts and texts; receipts, quarantine and reports; the way back: what is asked and what is told."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.session import Session
from diana_client.errors import InvalidRequest, Unavailable
from diana_endpoints.services import Services
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


def test_a_preview_is_told_in_numbers_and_its_report_is_written(anon: Anonymizing, tmp_path: Path) -> None:
    out = tmp_path / "preview.json"
    result = _run("dgetall", "source", "anonymize", "--preview", "--profile", "trial", "--report", out)
    assert result.exit_code == 0, result.output
    [order] = anon.cohorts
    assert (order.preview, order.target_store, order.source_store, order.profile) == (True, "", "default", "trial")
    assert list(order.study_uids) == ["1.2", "1.3"]
    assert [line.split(maxsplit=1) for line in result.stdout.splitlines()] == [
        ["2", "studies"],
        ["3,000", "instances"],
        ["0", "instances refused"],
        ["17", "different texts that would remain"],
    ]
    assert "deid-report operations/anon-1" in result.stderr
    assert out.read_text() == "operations/anon-1 as json"


def test_studies_done_together_are_one_operation(anon: Anonymizing) -> None:
    result = _run("--json", "anonymize", "1.2", "1.3", "1.2", "--to", "deid", "--together", "--attribute", "trial=x")
    assert json.loads(result.stdout)["operation"] == "operations/anon-1"
    [order] = anon.cohorts
    assert (list(order.study_uids), order.target_store, order.attributes) == (["1.2", "1.3"], "deid", {"trial": "x"})
    assert not anon.orders


def test_texts_are_printed_or_written_under_names_that_tell_nothing(anon: Anonymizing, tmp_path: Path) -> None:
    (tmp_path / "DOE^JOHN.txt").write_text("Seen by Ada.\nWell.\n")
    result = _run("anonymize", tmp_path / "DOE^JOHN.txt", "--of", "1.2.3", "--profile", "trial")
    assert (result.exit_code, result.stdout) == (0, "Seen by [...].\nWell.\n")
    assert anon.texts == [("Seen by Ada.\nWell.\n", "1.2.3", "", "trial")]
    result = _run("anonymize", tmp_path / "DOE^JOHN.txt", tmp_path / "absent.txt", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "DOE" not in result.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["text-1.txt"]


def test_a_text_that_is_there_is_left_alone_unless_it_is_the_same(anon: Anonymizing, tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / f"{name}.txt").write_text(f"Seen by Ada, {name}.")
    line: list[str | Path] = ["anonymize", "--of", "1.2.3", "--out", tmp_path / "out"]
    assert _run(*line, tmp_path / "one.txt").exit_code == 0
    assert _run(*line, tmp_path / "one.txt").exit_code == 0
    result = _run(*line, tmp_path / "other.txt")
    assert result.exit_code == 1
    assert "--out: has another text-1.txt" in result.stderr
    assert (tmp_path / "out" / "text-1.txt").read_text() == "Seen by [...], one."


def test_a_text_whose_dates_move_with_the_patient_asks_for_the_study(anon: Anonymizing, tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("Seen.")
    anon.text_error = InvalidRequest(grpc.StatusCode.INVALID_ARGUMENT, "subject: is required", reason="SUBJECT_INVALID")
    result = _run("anonymize", tmp_path / "report.txt")
    assert result.exit_code == 1
    assert "--of is required" in result.stderr
    assert "--of STUDY_UID" in result.stderr
    assert "--of" not in _run("anonymize", tmp_path / "report.txt", "--of", "1.2.3").stderr


@pytest.mark.parametrize(
    "line",
    [
        "anonymize 1.2 --preview --to deid",
        "anonymize 1.2 --together",
        "anonymize 1.2 --preview --out x",
        "anonymize 1.2 --to deid --report x.html",
        "anonymize 1.2 --preview --no-wait --report x.html",
        "anonymize 1.2 --to deid --of 1.3",
        "anonymize a.txt --to deid",
        "anonymize a.txt --preview",
        "anonymize a.txt --no-wait",
        "anonymize a.dcm --preview",
        "quarantine --release q1",
        "quarantine --by Ada",
        "quarantine --release q1 --by Ada --all",
        "reidentify X",
        "reidentify --reason why",
        "deid-report",
    ],
)
def test_what_makes_no_sense_together_is_refused(anon: Anonymizing, line: str) -> None:
    assert _run(*line.split()).exit_code == 2
    assert not (anon.cohorts or anon.orders or anon.texts or anon.released)


def test_a_receipt_is_shown_by_uid_or_file_and_its_actions_on_request(anon: Anonymizing, tmp_path: Path) -> None:
    file = tmp_path / "1.dcm"
    file.write_bytes(b"x")
    by_file, by_uid = _run("receipt", file), _run("receipt", "1.2.3", "--actions")
    assert by_file.stdout.splitlines() == ["SOP Instance UID  1.dcm", "Signature         good"]
    assert by_uid.stdout.splitlines()[-1].split() == ["identity", "(0010,0010)"]
    assert json.loads(_run("--json", "receipt", "1.2.3").stdout) == {"sop_instance_uid": "1.2.3", "signature": "good"}


def test_a_file_that_does_not_fit_its_receipt_ends_with_1(anon: Anonymizing, tmp_path: Path) -> None:
    (tmp_path / "1.dcm").write_bytes(b"x")
    result = _run("receipt", "1.2.3", "--verify", tmp_path / "1.dcm")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "RECEIPT_INVALID" in result.stderr


def test_quarantine_is_listed_and_released(anon: Anonymizing) -> None:
    shown = _run("quarantine").stdout
    assert "doubtful pixels" in shown
    assert anon.entry[:12] in shown
    assert anon.entry not in shown
    assert json.loads(_run("--json", "quarantine").stdout)["id"] == anon.entry
    assert _run("quarantine", "--release", "q1", "--release", "q2", "--by", "Ada").exit_code == 0
    assert anon.released == [("q1", "q2", "Ada")]


def test_a_report_is_written_whole_or_not_at_all(anon: Anonymizing, tmp_path: Path) -> None:
    assert _run("deid-report", "operations/anon-1").stdout == "operations/anon-1 as html"
    assert _run("deid-report", "operations/anon-1", "--out", tmp_path / "a.csv").exit_code == 0
    assert (tmp_path / "a.csv").read_text() == "operations/anon-1 as csv"
    anon.error = Unavailable(grpc.StatusCode.UNAVAILABLE, "nobody answers")
    assert _run("deid-report", "operations/anon-1", "--format", "json", "--out", tmp_path / "b").exit_code == 3
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_who_pseudonyms_stand_for_and_who_asked(anon: Anonymizing) -> None:
    rows = _run("reidentify", "X", "2.25.1", "--reason", "case-17", "--domain", "trial").stdout.splitlines()
    assert [row.split() for row in rows[1:]] == [["X", "P1", "case-17", "trial"], ["2.25.1", "P1", "case-17", "trial"]]
    listed = _run("reidentifications").stdout
    assert "X Y" in listed
    assert "\x1b" not in listed
