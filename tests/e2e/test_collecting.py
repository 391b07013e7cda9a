"""Collecting from Orthanc by a live mesh and the CLI: de-identified, to a store and to another PACS, with kills."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.peers import orthanc
from diana.operation.v1.operation_service_pb2 import Operation
from diana.route.v1 import collect_service_pb2 as pb
from diana_cli.app import cli
from diana_client import (
    ArchiveClient,
    CohortClient,
    CollectClient,
    OperationClient,
    collect_request,
    connect,
    raise_if_failed,
)
from tests.support.awaiting import awaited
from tests.support.dcmqrscp import dcmqrscp
from tests.support.dicom_files import ROOT, make_small
from tests.support.mesh import Mesh
from tests.support.smtp import free_port

pytestmark = pytest.mark.skipif(
    not (orthanc.BINARY.exists() and shutil.which("dcmqrscp")) and "CI" not in os.environ,
    reason="Orthanc or DCMTK is not installed",
)

STUDIES, INSTANCES = 6, 2
TOKEN = "a-token-of-the-lead-coordinator"


def study_uid(number: int) -> str:
    return f"{ROOT}.55.{number}"


def studies() -> Iterator[bytes]:
    """Studies with accession numbers A1 to A4, and two with TWO."""
    for number in range(1, STUDIES + 1):
        for instance in range(1, INSTANCES + 1):
            yield make_small(
                StudyInstanceUID=study_uid(number),
                SeriesInstanceUID=f"{study_uid(number)}.1",
                SOPInstanceUID=f"{study_uid(number)}.1.{instance}",
                AccessionNumber="TWO" if number > 4 else f"A{number}",
                StudyDate=f"2026020{number}",
                PatientID=f"P{number}",
                PatientName=f"Müller^Jörg{number}",
            )


@dataclass
class Site:
    """A PACS, another one, and a mesh that may use them."""

    pacs: orthanc.Orthanc
    mesh: Mesh
    folder: Path

    @contextmanager
    def clients(self) -> Iterator[tuple[CollectClient, OperationClient]]:
        with connect(self.mesh.route) as route:
            yield CollectClient(route), OperationClient(route)

    def run(self, *args: str | Path) -> Result:
        environment = {"DIANA_SERVICES": str(self.folder / "services.json"), "COLUMNS": "250", "TERM": "dumb"}
        return CliRunner().invoke(cli, [str(arg) for arg in args], env=environment)

    def count(self, store: str) -> int:
        with connect(self.mesh.archive) as archive:
            return ArchiveClient(archive).statistics(store=store).instance_count

    def retrievals(self) -> int:
        """How many studies the DICOM door was asked to retrieve."""
        with connect(self.mesh.dimse) as dimse:
            return sum(one.kind == "dimse.retrieve" for one in OperationClient(dimse).list())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, door = tmp_path_factory.mktemp("collect"), free_port()
    modalities = {"diana": ["DIANA", "127.0.0.1", door], "staging": ["STAGING", "127.0.0.1", door]}
    (folder / "files").mkdir()
    for number, data in enumerate(studies()):
        (folder / "files" / f"{number}.dcm").write_bytes(data)
    (folder / "token").write_text(TOKEN)
    (folder / "orthanc").mkdir()
    with (
        orthanc.running(folder / "orthanc", {"DicomModalities": modalities}) as pacs,
        dcmqrscp(tmp_path_factory.mktemp("dcmqr"), door) as dcmqr,
    ):
        orthanc.upload(pacs, sorted((folder / "files").iterdir()), 1)
        settings = _settings(folder, pacs, dcmqr, door)
        services = ("archive", "index", "guid", "anon", "dimse", "route")
        with Mesh(folder / "mesh", *services, settings=settings) as mesh:
            entries: dict[str, dict[str, str]] = {
                name: {"ctype": name, "address": mesh.processes[name].address} for name in services
            }
            entries["anon"]["token_file"] = str(folder / "token")
            (folder / "services.json").write_text(json.dumps(entries))
            yield Site(pacs, mesh, folder)


def _settings(folder: Path, pacs: orthanc.Orthanc, dcmqr: int, door: int) -> dict[str, str]:
    peers = {
        name: {"title": title, "host": "127.0.0.1", "port": port, "attempts": 1}
        for name, title, port in (
            ("pacs", "ORTHANC", pacs.dicom_port),
            ("dcmqr", "DCMQR", dcmqr),
            ("gone", "GONE", free_port()),
        )
    }
    still = {"quiet_period_seconds": 0, "settle_period_seconds": 0}
    settings: dict[str, object] = {
        "DIANA_ARCHIVE_STORES": dict.fromkeys(("default", "staging", "trial", "far", "killed"), still),
        "DIANA_ANON_CROSSWALK": {"tokens": {"lead": {"file": str(folder / "token"), "may": ["reidentify", "audit"]}}},
        "DIANA_DIMSE_LISTEN": f"127.0.0.1:{door}",
        "DIANA_DIMSE_ENTITIES": {"DIANA": {"store": "default"}, "STAGING": {"store": "staging"}},
        "DIANA_DIMSE_PEERS": peers,
        "DIANA_ROUTE_COLLECT": {"staging_store": "staging"},
        "DIANA_ROUTE_ENDPOINTS": {"orthanc": {"ctype": "orthanc", "url": f"http://127.0.0.1:{pacs.http_port}"}},
        "DIANA_ROUTE_RETRY": {"first_seconds": 0.2, "longest_seconds": 0.5},
    }
    return {name: json.dumps(value) for name, value in settings.items()}


def test_a_list_is_collected_de_identified_and_its_key_table_is_the_owners_only(site: Site) -> None:
    (site.folder / "list.txt").write_text("A1\nTWO\nA1\nNOWHERE\n")
    key, default = site.folder / "key.csv", site.count("default")
    asked = ("--accession", f"@{site.folder / 'list.txt'}", "--anonymize", "default", "--name", "first")
    result = site.run("collect", "--from", "pacs", "--to", "archive:trial", *asked, "--key", key, "--reason", "a test")
    assert result.exit_code == 1, result.output  # one number is not there
    assert "STUDY_NOT_FOUND" in result.stderr and "NOWHERE" not in result.output
    assert (site.count("trial"), site.count("staging"), site.count("default")) == (3 * INSTANCES, 0, default)
    assert key.stat().st_mode & 0o777 == 0o600
    rows = {row["StudyInstanceUID"]: row for row in csv.DictReader(key.read_text("utf-8").splitlines())}
    assert rows.keys() == {study_uid(number) for number in (1, 5, 6)}
    first = rows[study_uid(1)]
    assert (first["PatientName"], first["PatientID"], first["AccessionNumber"]) == ("Müller^Jörg1", "P1", "A1")
    assert all(row["ShamStudyUID"] and row["ShamID"] for row in rows.values())
    assert not {row["ShamStudyUID"] for row in rows.values()} & rows.keys()
    again = site.run("collect", "--from", "pacs", "--to", "archive:trial", *asked)
    assert again.stdout == result.stdout  # the same collection, which has ended
    operation = _operation(again.stdout)
    told = site.run("--json", "collect", "status", operation)
    items = [json.loads(line) for line in told.stdout.splitlines()]
    assert [(one["accession_number"], one["state"]) for one in items] == [
        ("A1", "delivered"),
        ("TWO", "delivered"),
        ("NOWHERE", "failed"),
        ("TWO", "delivered"),
    ]


def _operation(text: str) -> str:
    return next(word for word in text.split() if word.startswith("operations/"))


def test_studies_go_from_one_pacs_to_another_and_nothing_stays(site: Site) -> None:
    default = site.count("default")
    with site.clients() as (collecting, operations):
        order = collect_request(
            study_uids=[study_uid(1), study_uid(2)], source={"peer": "pacs"}, destination={"peer": "dcmqr"}
        )
        operation = operations.wait(collecting.start(order).name, timeout=60)
        items = list(collecting.items(operation.name))
    assert [(one.state, one.confirmed, one.delivered_count) for one in items] == [
        (pb.CollectedItem.STATE_DELIVERED, True, INSTANCES)
    ] * 2
    assert (site.count("staging"), site.count("default")) == (0, default)


def test_an_orthanc_is_collected_from_by_rest_and_delivered_to(site: Site) -> None:
    held = len(site.pacs.get("/studies"))
    with site.clients() as (collecting, operations):
        order = collect_request(
            accession_numbers=["A3", "A9"],
            source={"endpoint": "orthanc"},
            destination={"endpoint": "orthanc"},
            profile="default",
            result_store="far",
        )
        operation = operations.wait(collecting.start(order).name, timeout=60)
        delivered, missing = collecting.items(operation.name)
        ((number, header),) = collecting.source_studies(operation.name)
    assert (delivered.study_uid, delivered.confirmed, delivered.delivered_count) == (study_uid(3), True, INSTANCES)
    assert missing.state == pb.CollectedItem.STATE_FAILED
    assert (number, header["00100020"]["Value"]) == (1, ["P3"])
    assert (len(site.pacs.get("/studies")), site.count("staging")) == (held + 1, 0)


def test_the_studies_of_a_frozen_cohort_are_collected(site: Site) -> None:
    with connect(site.mesh.archive) as archive, connect(site.mesh.index) as index:
        files = [data for data in studies() if study_uid(4).encode() in data]
        results = list(ArchiveClient(archive).upload(files, store="default"))
        assert not [one.error for one in results if one.error]
        cohorts = CohortClient(index)
        cohorts.create("fourth", "study", {"PatientID": "P4"})
        freezing = cohorts.freeze("fourth", "fourth-frozen", at_least_position=results[-1].position)
        raise_if_failed(OperationClient(index).wait(freezing.name, timeout=60))
    with site.clients() as (collecting, operations):
        order = collect_request(cohort="fourth-frozen", source={"peer": "pacs"}, destination={"peer": "dcmqr"})
        operation = operations.wait(collecting.start(order).name, timeout=60)
        (item,) = collecting.items(operation.name)
    assert (item.study_uid, item.state) == (study_uid(4), pb.CollectedItem.STATE_DELIVERED)
    assert site.count("default") == INSTANCES  # which were there before


def test_what_cannot_be_reached_is_waited_for_and_can_be_cancelled(site: Site) -> None:
    with site.clients() as (collecting, operations):
        order = collect_request(accession_numbers=["A1"], source={"peer": "gone"}, destination={"store": "default"})
        operation = collecting.start(order)
        assert awaited(lambda: bool(collecting.collection(operation.name).waiting_for))
        told = collecting.collection(operation.name)
        assert "peer gone" in told.waiting_for
        assert list(told.state_counts) == [pb.StateCount(state=pb.CollectedItem.STATE_WAITING, count=1)]
        operations.cancel(operation.name)
        assert operations.wait(operation.name, timeout=30).state == Operation.STATE_CANCELLED


def test_a_kill_loses_no_study_and_retrieves_none_twice(site: Site) -> None:
    before, route = site.retrievals(), site.mesh.processes["route"]
    numbers = [f"A{number}" for number in range(1, 5)] + ["TWO"]
    order = collect_request(
        accession_numbers=numbers,
        source={"peer": "pacs"},
        destination={"store": "killed"},
        profile="default",
        studies_per_minute=120,
    )
    with site.clients() as (collecting, _):
        operation = collecting.start(order)
    for least in (1, 3):
        with site.clients() as (collecting, _):
            assert awaited(lambda least=least, client=collecting: _delivered(client, operation) >= least)  # type: ignore[misc]
        route.kill()
        route.start()
    with site.clients() as (collecting, operations):
        ended = operations.wait(operation.name, timeout=60)
        items = list(collecting.items(operation.name))
    assert (ended.state, ended.progress.done, ended.progress.failed) == (Operation.STATE_SUCCEEDED, STUDIES, 0)
    assert [(one.state, one.delivered_count) for one in items] == [
        (pb.CollectedItem.STATE_DELIVERED, INSTANCES)
    ] * STUDIES
    assert (site.count("killed"), site.count("staging")) == (STUDIES * INSTANCES, 0)
    assert site.retrievals() - before == STUDIES
    assert "Müller" not in route.log() and "TWO" not in route.log()


def _delivered(collecting: CollectClient, operation: Operation) -> int:
    counts = collecting.collection(operation.name).state_counts
    return sum(one.count for one in counts if one.state == pb.CollectedItem.STATE_DELIVERED)
