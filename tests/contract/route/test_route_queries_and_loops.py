"""Rules that ask the real index, and rules whose work comes back to them by way of the real archive."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from diana.route.v1 import route_service_pb2 as pb
from diana.route.v1.route_service_pb2_grpc import RouteServiceStub
from diana.type.v1.origin_pb2 import Origin
from diana_archive.__main__ import make_server
from diana_archive.config import ArchiveConfig, StoreConfig
from diana_client import ArchiveClient, connect
from diana_common.settings import build
from diana_index.__main__ import make_server as make_index
from diana_index.config import IndexConfig
from diana_route.__main__ import make_server as make_route
from diana_route.config import RouteConfig
from diana_route.core.following import FEED
from diana_route.peers.index import IndexPeer
from diana_server.config import PeerConfig, ServerConfig
from tests.contract.route.conftest import Serve
from tests.support.awaiting import awaited
from tests.support.dicom_files import make_small

QUERY = """\
rules:
  - name: nightly
    source: {query: Modality = CT AND StudyDescription:thorax, store: inbox, every: %s}
    when: 'PatientID = "P1"'
    do: [{send: {folder: "${OUTGOING}"}}]
"""
LOOP = """\
rules:
  - name: there
    source: {store: inbox, event: instance_stored}
    do: [{send: {archive: same, store: trial}}]
  - name: back
    source: {store: trial, event: instance_stored}
    do: [{send: {folder: "${OUTGOING}"}}]
"""
CIRCLE = """\
rules:
  - name: %s
    source: {store: %s, event: instance_stored}
    do: [{send: {archive: same, store: %s}}, delete]
"""
LOOPBACK = ServerConfig(listen="127.0.0.1:0")


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Those of an archive and an index."""
    folder = tmp_path_factory.mktemp("mesh")
    stores = {name: StoreConfig(quiet_period_seconds=0) for name in ("inbox", "trial")}
    archive = make_server(ArchiveConfig(LOOPBACK, folder / "archive", stores))
    address = archive.start()
    index = make_index(IndexConfig(LOOPBACK, folder / "index", PeerConfig(address)))
    yield address, index.start()
    index.stop(0)
    archive.stop(0)


@pytest.fixture
def archive(addresses: tuple[str, str]) -> Iterator[ArchiveClient]:
    with connect(addresses[0]) as channel:
        yield ArchiveClient(channel)


@pytest.fixture
def outgoing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "outgoing"
    folder.mkdir()
    monkeypatch.setenv("OUTGOING", str(folder))
    return folder


def put(
    archive: ArchiveClient,
    *studies: str,
    description: str = "Thorax",
    patient: str = "P1",
    origin: Origin | None = None,
) -> None:
    """Studies of an instance each, `study`.1."""
    for study in studies:
        names = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.9", "SOPInstanceUID": f"{study}.1"}
        data = make_small(**names, Modality="CT", StudyDescription=description, PatientID=patient)
        assert not [result.error for result in archive.upload([data], store="inbox", origin=origin) if result.error]


def jobs(stub: RouteServiceStub, rule: str, state: pb.Job.State.ValueType) -> list[str]:
    """The studies of a rule's jobs in a state, the oldest first."""
    listed = stub.ListJobs(pb.ListJobsRequest(rule=rule, state=state)).jobs
    return [job.item.study.study_uid or job.item.instance.study_uid for job in reversed(listed)]


def is_following(journal: Path) -> bool:
    """Whether it is known from where on the feed's entries make jobs."""
    with closing(sqlite3.connect(journal)) as db:
        return bool(db.execute("SELECT 1 FROM cursor WHERE source = ?", (FEED,)).fetchone())


def test_what_a_query_finds_is_sent_once_in_whatever_state_the_service_is(
    serve: Serve, archive: ArchiveClient, addresses: tuple[str, str], outgoing: Path
) -> None:
    put(archive, "1.2.9", "1.2.10")
    put(archive, "1.2.11", description="Skull")
    put(archive, "1.2.12", patient="P2")
    peers = {"archive": {"address": addresses[0]}, "index": {"address": addresses[1]}, "folders": [str(outgoing)]}
    stub = serve(QUERY % "1h", **peers)
    assert awaited(lambda: jobs(stub, "nightly", pb.Job.STATE_DONE) == ["1.2.10", "1.2.9"])
    put(archive, "1.2.13")
    stub = serve(QUERY % "1s", **peers)
    assert awaited(lambda: jobs(stub, "nightly", pb.Job.STATE_DONE) == ["1.2.10", "1.2.9", "1.2.13"])
    assert len(jobs(stub, "nightly", pb.Job.STATE_UNSPECIFIED)) == 3
    assert sorted(one.name for one in outgoing.iterdir()) == ["1.2.10", "1.2.13", "1.2.9"]


def test_the_index_names_studies_in_the_order_of_their_characters(
    archive: ArchiveClient, addresses: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = sorted(["1.3.2", "1.3.10", "1.3.1", "1.30", "1.3.2.1", "1.3.100"])
    put(archive, *uids, description="Order")
    monkeypatch.setattr("diana_route.peers.index.A_PAGE", 4)
    with connect(addresses[1]) as channel:
        pages = list(IndexPeer(channel).studies("inbox", "StudyDescription:order", archive.statistics().head_position))
    assert pages == [uids[:4], uids[4:]]


def test_what_happened_before_a_rule_was_there_is_made_up_for(
    serve: Serve, archive: ArchiveClient, addresses: tuple[str, str], outgoing: Path, tmp_path: Path
) -> None:
    put(archive, "1.7", "1.8")
    rules = CIRCLE.replace("archive: same, store: %s", 'folder: "${OUTGOING}"').replace(", delete", "")
    stub = serve(rules % ("copies", "inbox"), archive={"address": addresses[0]}, folders=[str(outgoing)])
    assert awaited(lambda: is_following(tmp_path / "route" / "jobs.sqlite"))
    request = pb.BackfillRuleRequest(rule="copies", since=Duration(seconds=3600))
    *made, end = stub.BackfillRule(request)
    studies = [one.job.item.instance.study_uid for one in made]
    assert studies[-2:] == ["1.7", "1.8"] and end.summary.job_count == len(made)
    assert awaited(lambda: {"1.7", "1.8"} <= {one.name for one in outgoing.iterdir()})
    (again,) = stub.BackfillRule(request)
    assert again.summary == pb.BackfillSummary(entry_count=end.summary.entry_count, job_count=0)


def test_a_circle_of_rules_in_two_meshes_is_stopped(
    serve: Serve, archive: ArchiveClient, addresses: tuple[str, str], tmp_path: Path
) -> None:
    peers = {"archive": {"address": addresses[0]}, "archives": {"same": {"address": addresses[0]}}}
    (tmp_path / "back.yaml").write_text(CIRCLE % ("back", "trial", "inbox"))
    own = {"server": {"listen": "127.0.0.1:0"}, "state_dir": str(tmp_path / "other"), **peers}
    stub = serve(CIRCLE % ("there", "inbox", "trial"), **peers)
    assert awaited(lambda: is_following(tmp_path / "route" / "jobs.sqlite"))
    put(archive, "1.6")
    assert awaited(lambda: jobs(stub, "there", pb.Job.STATE_DONE) == ["1.6"])
    other = make_route(build(RouteConfig, {**own, "rules_file": str(tmp_path / "back.yaml")}))
    with grpc.insecure_channel(other.start()) as channel:
        back = pb.BackfillRuleRequest(rule="back", since=Duration(seconds=3600))
        assert "1.6" in [one.job.item.instance.study_uid for one in RouteServiceStub(channel).BackfillRule(back)]
        assert awaited(lambda: stub.ListRules(pb.ListRulesRequest()).rules[0].stopped)
    other.stop(0)
    assert "there > back > there" in stub.ListRules(pb.ListRulesRequest()).rules[0].trouble
    assert [one.sop_instance_uid for one in archive.instances("1.6", store="inbox")] == ["1.6.1"]


def test_a_rule_that_its_own_work_comes_back_to_by_way_of_another_is_stopped(
    serve: Serve, archive: ArchiveClient, addresses: tuple[str, str], outgoing: Path, tmp_path: Path
) -> None:
    archives = {"same": {"address": addresses[0]}}
    stub = serve(LOOP, archive={"address": addresses[0]}, archives=archives, folders=[str(outgoing)])
    assert awaited(lambda: is_following(tmp_path / "route" / "jobs.sqlite"))
    put(archive, "1.4")
    assert awaited(lambda: jobs(stub, "back", pb.Job.STATE_DONE) == ["1.4"])
    assert not any(rule.stopped for rule in stub.ListRules(pb.ListRulesRequest()).rules)
    # As if what it sent had come in again.
    (back,) = stub.ListJobs(pb.ListJobsRequest(rule="back")).jobs
    put(archive, "1.5", origin=Origin(door="route", rule="back", operation=back.name))
    assert awaited(lambda: stub.ListRules(pb.ListRulesRequest()).rules[0].stopped)
    there, other = stub.ListRules(pb.ListRulesRequest()).rules
    assert "there > back > there" in there.trouble and not other.stopped
    assert jobs(stub, "there", pb.Job.STATE_UNSPECIFIED) == ["1.4"]
