"""peers, associations, echo, find-at, pull and push: what is asked of the DICOM door, and what is told of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.commands import peer as commands
from diana_cli.session import Session
from diana_endpoints.items import Failure, Item
from diana_endpoints.protocol.dimse import Parcel, Wanted
from diana_endpoints.services import Services
from tests.unit.cli.doubles import PeerUsing, Source

_REFUSED = Failure("PEER_REFUSED", "it could not send the instance", "See its log.")


@pytest.fixture
def source() -> Source:
    """What stands before pull and push in a chain."""
    return Source([])


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch, source: Source) -> PeerUsing:
    double = PeerUsing()
    services = Services({})
    services._made |= {"dimse:": double, "source": source}
    monkeypatch.setattr(Session, "services", services)
    return double


def _run(*args: str | Path, typed: str = "") -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args], input=typed, env={"COLUMNS": "200", "TERM": "dumb"})


def _study(uid: str, **more: str) -> Item:
    return Item({"study_uid": uid, **more}, {"00100020": {"vr": "LO", "Value": ["P1"]}})


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (["peers"], ["pacs", "PACS", "10.1.2.3:104"]),
        (["echo", "pacs"], ["pacs", "1.5"]),
        (["associations"], ["DIANA", "10.1.2.4", "7"]),
    ],
)
def test_peers_and_associations_are_told_in_a_table(door: PeerUsing, line: list[str], shown: list[str]) -> None:
    result = _run(*line)
    assert result.exit_code == 0, result.output
    assert set(shown) <= set(result.stdout.splitlines()[1].split())


def test_an_ae_title_does_not_steer_the_terminal(door: PeerUsing) -> None:
    assert "\x1b" not in _run("associations").stdout


def test_a_query_goes_to_the_peer_as_it_was_typed_and_its_answers_are_shown(door: PeerUsing) -> None:
    door.answers = [_study("1.2.3")]
    result = _run("find-at", "pacs", "-m", "PatientID=P1", "-m", "StudyDate=20260101-", "-r", "StudyID", "--limit", "5")
    assert result.exit_code == 0, result.output
    matches = {"PatientID": ["P1"], "StudyDate": ["20260101-"]}
    assert door.asked == [("pacs", "study", matches, ("StudyID",), 5)]
    assert {"P1", "1.2.3"} <= set(result.stdout.splitlines()[1].split())


def test_what_a_peer_was_found_to_have_is_pulled_each_study_once(door: PeerUsing) -> None:
    door.answers = [_study("1.2.3"), _study("1.2.4"), _study("1.2.3", series_uid="1.2.3.1")]
    result = _run("find-at", "pacs", "--level", "series", "pull", "pacs")
    assert result.exit_code == 0, result.output
    assert [list(one.study_uids) for one in door.pulled] == [["1.2.3", "1.2.4"]]
    assert "77" in result.stdout.splitlines()[1].split()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--study", "1.2.3", "--study", "1.2.4"], Wanted(["1.2.3", "1.2.4"])),
        (["--accession", "A1", "--method", "get"], Wanted(accession_numbers=["A1"], method="get")),
        (["--accession", "-"], Wanted(accession_numbers=["A2", "A3"])),
        (["--accession", "A1,A2", "--accession", "A3"], Wanted(accession_numbers=["A1", "A2", "A3"])),
        (
            ["--from", "20260101", "--to", "20260131", "--days", "7", "-m", "ModalitiesInStudy=CT"],
            Wanted((), (), "20260101", "20260131", 7, {"ModalitiesInStudy": ["CT"]}),
        ),
    ],
)
def test_studies_are_pulled_by_uid_by_accession_number_or_by_day(
    door: PeerUsing, options: list[str], wanted: Wanted
) -> None:
    result = _run("pull", "pacs", *options, typed="A2\n\n A3\n")
    assert result.exit_code == 0, result.output
    assert door.pulled == [wanted]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--study", "1.2.3", "--accession", "A1"], "exclude one another"),
        (["--from", "20260101"], "go together"),
        (["--study", "1.2.3", "-m", "PatientID=P1"], "needs --from and --to"),
        (["--accession", "-"], "has no values"),
        ([], "needs items"),
    ],
)
def test_a_pull_that_says_too_much_or_too_little_is_refused(
    door: PeerUsing, options: list[str], complaint: str
) -> None:
    result = _run("pull", "pacs", *options)
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())
    assert door.pulled == []


def test_what_could_not_be_had_is_told_with_its_reason(door: PeerUsing, tmp_path: Path) -> None:
    door.failed = [Item({"uid": "1.2.3.9"}, failure=_REFUSED), Item({"item": "A1"}, failure=_REFUSED, number=2)]
    result = _run("--failures", tmp_path / "failures", "pull", "pacs", "--study", "1.2.3")
    assert result.exit_code == 1
    assert "pull: 1.2.3.9: PEER_REFUSED" in result.stderr
    assert "pull: item 2: PEER_REFUSED" in result.stderr and "A1" not in result.output
    assert json.loads((tmp_path / "failures").read_text().splitlines()[1])["item"] == "A1"
    assert "77" in result.stdout.splitlines()[1].split()


def test_more_studies_than_an_operation_takes_are_pulled_by_several(
    door: PeerUsing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_TOGETHER", 2)
    result = _run("--json", "pull", "pacs", "--study", "1.1", "--study", "1.2", "--study", "1.3", "--no-wait")
    assert [list(one.study_uids) for one in door.pulled] == [["1.1", "1.2"], ["1.3"]]
    started = [json.loads(line)["operation"] for line in result.stdout.splitlines()]
    assert started == ["operations/dimse-1", "operations/dimse-2"]


def test_named_studies_and_instances_are_pushed(door: PeerUsing) -> None:
    result = _run("push", "pacs", "--study", "1.2.3", "--instance", "1.2.9.1", "--commit")
    assert result.exit_code == 0, result.output
    assert door.pushed == [Parcel(["1.2.3"], commit=True), Parcel(sop_instance_uids=["1.2.9.1"], commit=True)]
    assert "76" in result.stdout.splitlines()[1].split()


def test_items_are_pushed_from_the_store_that_they_are_in(door: PeerUsing, source: Source) -> None:
    source.items = [_study("1.2", store="trial"), _study("1.3"), _study("1.4", sop_instance_uid="1.4.1")]
    result = _run("dgetall", "source", "push", "pacs")
    assert result.exit_code == 0, result.output
    assert door.pushed == [Parcel(["1.2"], store="trial"), Parcel(["1.3"]), Parcel(sop_instance_uids=["1.4.1"])]


@pytest.mark.parametrize(("verb", "meta"), [("push", {"study_uid": "1.2", "series_uid": "1.2.3"}), ("pull", {})])
def test_an_item_that_is_no_study_fails_and_the_others_go_on(
    door: PeerUsing, source: Source, verb: str, meta: dict[str, str]
) -> None:
    source.items = [Item(meta, number=1), _study("1.5")]
    result = _run("dgetall", "source", verb, "pacs")
    assert result.exit_code == 1
    assert f"{verb}: " in result.stderr and "INVALID_FIELD" in result.stderr
    assert [list(one.study_uids) for one in door.pushed or door.pulled] == [["1.5"]]


def test_an_endpoint_that_deals_with_no_peers_is_refused(door: PeerUsing) -> None:
    result = _run("echo", "pacs", "--in", "source")
    assert result.exit_code == 2
    assert "cannot deal with DICOM peers" in result.stderr
