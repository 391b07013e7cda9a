"""collect: what is asked of the router, and the table that says who is who."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from diana_cli.app import cli
from diana_cli.session import Session
from diana_endpoints.items import Failure, Item
from diana_endpoints.protocol.collect import Order
from diana_endpoints.protocol.endpoint import Endpoint, OnProgress
from diana_endpoints.services import Services
from tests.unit.cli.doubles import Source

OPERATION = "operations/route-1"


def _header(**values: str) -> dict[str, object]:
    tags = {"name": "00100010", "patient": "00100020", "number": "00080050", "uid": "0020000D", "date": "00080020"}
    header: dict[str, object] = {tags[key]: {"vr": "LO", "Value": [value]} for key, value in values.items()}
    if "name" in values:
        header[tags["name"]] = {"vr": "PN", "Value": [{"Alphabetic": values["name"]}]}
    return header


@dataclass
class Collecting:
    """A router that collects at once; of two studies, one is not there."""

    orders: list[Order] = field(default_factory=list)
    mark: str = ""
    result_store: str = ""

    def close(self) -> None:
        """Nothing to give back."""

    def start_collection(self, order: Order) -> str:
        self.orders.append(order)
        return OPERATION

    def await_work(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        yield Item({"item": "item 2"}, failure=Failure("STUDY_NOT_FOUND", "no such study", "Look."), number=2)
        yield self.collection(operation)

    def collection(self, operation: str) -> Item:
        counts = {"items": 2, "delivered": 1, "failed": 1, "delivered_instances": 9, "waiting_for": ""}
        told = {"operation": operation, "outcome": "succeeded", "mark": self.mark, "result_store": self.result_store}
        return Item({**told, **counts})

    def collected_items(self, operation: str, state: str = "") -> Iterator[Item]:
        for number, one in enumerate(("delivered", "failed"), 1):
            if state in ("", one):
                uid, reason = ("1.2.3", "") if one == "delivered" else ("", "STUDY_NOT_FOUND")
                told = {"item": number, "accession_number": f"A{number}", "study_uid": uid, "state": one}
                counts = {
                    "retrieved": 9,
                    "confirmed": one == "delivered",
                    "attempts": 0,
                    "reason": reason,
                    "last_error": "",
                }
                yield Item({**told, **counts}, number=number)

    def source_studies(self, operation: str) -> Iterator[Item]:
        yield Item(header=_header(name="=HYPERLINK(1)", patient="P1", number="A1", uid="1.2.3", date="20260101"))

    def retry_collection(self, operation: str) -> str:
        return "operations/route-2"

    def cancel_collection(self, operation: str) -> Item:
        return Item({**self.collection(operation).meta, "outcome": "cancelled"})


@dataclass
class Made:
    """The store of what was de-identified."""

    def close(self) -> None:
        """Nothing to give back."""

    def marked(self, attribute: str, text: str) -> Iterator[Item]:
        if (attribute, text) == ("collection", "the-mark"):
            header = _header(name="Sham^Ann", patient="S1", number="B1", uid="2.25.7", date="20250603")
            yield Item({"study_uid": "2.25.7"}, header=header)


@dataclass
class Knowing:
    """The crosswalk."""

    reasons: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Nothing to give back."""

    def reidentify(self, pseudonyms: Sequence[str], reason: str, domain: str = "") -> Iterator[Item]:
        self.reasons.append(reason)
        yield from (Item({"pseudonym": one, "study_uid": "1.2.3"}) for one in pseudonyms)

    def reidentifications(self) -> Iterator[Item]:
        yield from ()


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Collecting:
    double = Collecting()
    services = Services({})
    studies = [Item({"study_uid": uid}, number=number) for number, uid in enumerate(("1.2", "1.3", "1.2"), 1)]
    made: dict[str, Endpoint] = {
        "route:": double,
        "source": Source(studies),
        "archive:trial": Made(),
        "anon:": Knowing(),
    }
    services._made |= made
    monkeypatch.setattr(Session, "services", services)
    return double


def _run(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args], env={"COLUMNS": "200", "TERM": "dumb"})


def test_a_list_is_asked_for_as_it_is_said_and_what_failed_makes_the_exit_status(
    router: Collecting, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("A1\nA2\n")
    pace = ("--rate", "30", "--hours", "19:00-06:00", "--hours", "12:00-13:00", "--time-zone", "Europe/Berlin")
    listed = ("--accession", f"@{tmp_path / 'list.txt'}", "--anonymize", "basic")
    result = _run("collect", "--from", "pacs", "--to", "archive:trial", *listed, *pace, "--name", "night")
    assert result.exit_code == 1, result.output
    hours = ("19:00-06:00", "12:00-13:00")
    [order] = router.orders
    assert (order.source, order.destination, list(order.accession_numbers)) == ("pacs", "archive:trial", ["A1", "A2"])
    assert (order.profile, order.studies_per_minute, order.time_zone) == ("basic", 30.0, "Europe/Berlin")
    assert (tuple(order.hours), order.name) == (hours, "night")
    assert "item 2: STUDY_NOT_FOUND" in result.stderr


def test_the_studies_of_the_items_before_are_collected_each_once(router: Collecting) -> None:
    _run("dgetall", "source", "collect", "--from", "pacs", "--to", "archive:trial")
    assert list(router.orders[0].study_uids) == ["1.2", "1.3"]


def test_what_became_of_each_is_listed(router: Collecting) -> None:
    lines = _run("collect", "status", OPERATION).stdout.splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [["1", "A1", "1.2.3", "delivered"], ["2", "A2", "failed", "9"]]
    assert len(_run("collect", "status", OPERATION, "--state", "failed").stdout.splitlines()) == 2
    assert "route-2" in _run("collect", "retry", OPERATION).stdout


def test_the_key_table_is_safe_in_a_spreadsheet_and_its_owners_alone(router: Collecting, tmp_path: Path) -> None:
    file = tmp_path / "key.csv"
    assert _run("collect", "key", OPERATION, file).exit_code == 0
    [row] = csv.DictReader(file.read_text("utf-8").splitlines())
    assert (row["PatientName"], row["AccessionNumber"], row["StudyDate"]) == ("'=HYPERLINK(1)", "A1", "20260101")
    assert row["ShamID"] == row["ShamStudyUID"] == row["StudyTime"] == ""
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_a_study_became_is_told_for_a_reason(router: Collecting, tmp_path: Path) -> None:
    router.mark, router.result_store = "the-mark", "trial"
    file = tmp_path / "key.csv"
    refused = _run("collect", "key", OPERATION, file)
    assert (refused.exit_code, "--reason" in refused.stderr, file.exists()) == (2, True, False)
    assert _run("collect", "key", OPERATION, file, "--reason", "audit 7").exit_code == 0
    [row] = csv.DictReader(file.read_text("utf-8").splitlines())
    shams = {"ShamName": "Sham^Ann", "ShamID": "S1", "ShamAccessionNumber": "B1", "ShamStudyUID": "2.25.7"}
    assert {key: row[key] for key in shams} == shams
    assert (row["PatientID"], row["ShamStudyDate"]) == ("P1", "20250603")


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["--accession", "A", "--study", "1.2"], "exclude one another"),
        (["--accession", "A", "--key", "k.csv", "--no-wait"], "collect key OPERATION FILE"),
        (["--accession", "A", "--anonymize", ""], "--anonymize default"),
        (["--accession", "A", "--key", "there.csv"], "never written over"),
        ([], "needs items"),
    ],
)
def test_what_makes_no_sense_is_told_with_what_does(
    router: Collecting, args: list[str], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.csv").touch()
    result = _run("collect", "--from", "pacs", "--to", "archive:trial", *args)
    assert result.exit_code == 2, result.output
    assert word in " ".join(result.stderr.replace("│", " ").split())
    assert not router.orders


def test_a_collection_is_cancelled_by_its_operation(router: Collecting) -> None:
    result = _run("collect", "cancel", OPERATION)
    assert result.exit_code == 0, result.output
    assert "cancelled" in result.stdout
