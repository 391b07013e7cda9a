"""Rules on the real archive's feed: what they do, would have done, and say of why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from diana.archive.v1.feed_pb2 import COMPLETION_REASON_DECLARED
from diana.route.v1 import route_service_pb2 as pb
from diana.route.v1.route_service_pb2_grpc import RouteServiceStub
from diana.type.v1.origin_pb2 import Origin
from diana_archive.__main__ import make_server
from diana_archive.config import ArchiveConfig, StoreConfig
from diana_client import ArchiveClient, UploadItem, connect
from diana_server.config import ServerConfig
from tests.contract.guid.refusals import refused
from tests.contract.route.conftest import Serve
from tests.support.awaiting import awaited
from tests.support.dicom_files import make_small

RULES = """\
rules:
  - name: ct
    source: {store: inbox}
    when: 'Modality = "CT"'
    do: [{send: {folder: "${OUTGOING}"}}]
  - name: each
    source: {store: inbox, event: instance_stored}
    when: 'Modality = "CT"'
    do: [{send: {folder: "${OUTGOING}/each"}}]
"""


@pytest.fixture(scope="module")
def archive_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    stores = {"inbox": StoreConfig(quiet_period_seconds=0)}
    server = make_server(ArchiveConfig(ServerConfig(listen="127.0.0.1:0"), tmp_path_factory.mktemp("archive"), stores))
    yield server.start()
    server.stop(0)


@pytest.fixture(scope="module")
def archive(archive_address: str) -> Iterator[ArchiveClient]:
    with connect(archive_address) as channel:
        yield ArchiveClient(channel)


@pytest.fixture
def outgoing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "outgoing"
    (folder / "each").mkdir(parents=True)
    monkeypatch.setenv("OUTGOING", str(folder))
    return folder


@pytest.fixture
def stub(serve: Serve, archive_address: str, outgoing: Path) -> RouteServiceStub:
    return serve(rules=RULES, archive={"address": archive_address}, folders=[str(outgoing)])


def put(archive: ArchiveClient, study: str, modality: str, complete: bool = True) -> None:
    """A study of one instance, `study`.1."""
    data = make_small(study_uid=study, series_uid=f"{study}.9", sop_uid=f"{study}.1", Modality=modality)
    [result] = archive.upload([UploadItem(study, data)], store="inbox")
    assert result.error is None
    if complete:
        archive.complete(study, COMPLETION_REASON_DECLARED, store="inbox")


def made(stub: RouteServiceStub, rules: str = "") -> list[tuple[str, str]]:
    """A dry run's jobs, and then how many entries were looked at."""
    answers = list(stub.DryRun(pb.DryRunRequest(rules_yaml=rules)))
    jobs = [one.job for one in answers if one.HasField("job")]
    return [(job.rule, job.item.study.study_uid or job.item.instance.sop_instance_uid) for job in jobs]


def done(stub: RouteServiceStub, rule: str) -> Callable[[], bool]:
    request = pb.ListJobsRequest(rule=rule, state=pb.Job.STATE_DONE)
    return lambda: len(stub.ListJobs(request).jobs) > 0


def test_a_rule_with_a_store_that_is_not_there_says_so_and_the_others_work(
    serve: Serve, archive: ArchiveClient, archive_address: str, outgoing: Path
) -> None:
    typo = RULES.partition("  - name: each")[2].replace("inbox, event: instance_stored", "inbx")
    asking = typo.replace("{store: inbx}", "{query: Modality = CT, store: inbx, every: 1h}")
    rules = f"{RULES}  - name: typo{typo}  - name: asking{asking}"
    stub = serve(rules=rules, archive={"address": archive_address}, folders=[str(outgoing)])
    put(archive, "1.7", "CT")
    assert awaited(done(stub, "ct"))
    troubles = {rule.name: rule.trouble for rule in stub.ListRules(pb.ListRulesRequest()).rules}
    assert troubles["ct"] == troubles["each"] == ""
    assert "no store inbx" in troubles["typo"]
    assert troubles["asking"]
    assert ("ct", "1.7") in made(stub)


def test_what_completes_is_sent_and_each_rule_says_why(
    stub: RouteServiceStub, archive: ArchiveClient, outgoing: Path
) -> None:
    put(archive, "1.1", "CT")
    put(archive, "1.2", "MR")
    put(archive, "1.3", "CT", complete=False)
    assert awaited(done(stub, "ct")) and awaited(done(stub, "each"))
    assert (outgoing / "1.1" / "1.1.9" / "1.1.1.dcm").exists()

    study = stub.ExplainItem(pb.ExplainItemRequest(item=of_study("1.1")))
    assert [(one.fires, one.reason) for one in study.explanations] == [
        (True, "the condition holds: Modality = CT"),
        (False, "it looks at instances one by one, not at studies"),
    ]
    assert [job.rule for job in study.jobs] == ["ct"]
    other = stub.ExplainItem(pb.ExplainItemRequest(item=of_study("1.2")))
    assert other.explanations[0].reason == "the condition is false: Modality = CT" and not other.jobs
    late = stub.ExplainItem(pb.ExplainItemRequest(item=of_study("1.3")))
    assert late.explanations[0].reason == "the study is not complete"
    single = pb.Item(instance=pb.InstanceItem(store="inbox", sop_instance_uid="1.3.1"))
    assert [one.fires for one in stub.ExplainItem(pb.ExplainItemRequest(item=single)).explanations] == [False, True]


def test_an_instance_that_a_rule_made_is_its_work_whatever_else_is_in_the_study(
    stub: RouteServiceStub, archive: ArchiveClient
) -> None:
    put(archive, "4.1", "CT", complete=False)
    data = make_small(study_uid="4.1", series_uid="4.1.9", sop_uid="4.1.2", Modality="CT")
    [result] = archive.upload([UploadItem("4.1.2", data)], store="inbox", origin=Origin(rule="each"))
    assert result.error is None
    reasons = []
    for uid in ("4.1.1", "4.1.2"):
        item = pb.Item(instance=pb.InstanceItem(store="inbox", sop_instance_uid=uid))
        reasons.append(stub.ExplainItem(pb.ExplainItemRequest(item=item)).explanations[1].reason)
    assert reasons == ["the condition holds: Modality = CT", "it was made by this rule itself"]


def test_a_dry_run_tells_what_would_have_been_done_and_does_nothing(
    stub: RouteServiceStub, archive: ArchiveClient
) -> None:
    put(archive, "2.1", "CT")
    put(archive, "2.2", "US")
    others = "rules: [{name: us, source: {store: inbox}, when: Modality = US, do: [{send: {peer: PACS}}]}]"
    assert made(stub, others) == [("us", "2.2")]
    assert ("ct", "2.1") in made(stub) and ("each", "2.1.1") in made(stub)
    [*_, last] = stub.DryRun(pb.DryRunRequest(rules_yaml=others))
    assert last.summary.entry_count > 0 and dict(last.summary.job_counts) == {"us": 1}
    assert not any(job.rule == "us" for job in stub.ListJobs(pb.ListJobsRequest()).jobs)


def test_what_the_archive_does_not_hold_cannot_be_explained(stub: RouteServiceStub) -> None:
    assert refused(stub.ExplainItem, pb.ExplainItemRequest(item=of_study("9.9"))).reason == "STUDY_NOT_FOUND"
    nowhere = pb.Item(study=pb.StudyItem(store="nowhere", study_uid="1.1"))
    assert refused(stub.ExplainItem, pb.ExplainItemRequest(item=nowhere)).reason == "STORE_UNKNOWN"


def of_study(uid: str) -> pb.Item:
    return pb.Item(study=pb.StudyItem(store="inbox", study_uid=uid))
