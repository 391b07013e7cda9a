"""The action `send: {endpoint: NAME}`: a folder and another archive as endpoints of the configuration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from diana.archive.v1.feed_pb2 import Evidence, SourceCount
from diana.route.v1 import route_service_pb2 as pb
from diana_client import RouteClient
from diana_common.errors import DianaError, Reason
from tests.contract.route.collect_mesh import CollectMesh, collect_mesh, instances, study_uid
from tests.support.awaiting import awaited

RULES = """\
rules:
  - name: to-folder
    source: {store: default, event: study_completed}
    do: [send: {endpoint: out}]
  - name: to-archive
    source: {store: staging, event: study_completed}
    do: [send: {endpoint: copy}, delete]
  - name: to-a-folder-and-gone
    source: {store: trial, event: study_completed}
    do: [send: {endpoint: out}, delete]
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectMesh]:
    with collect_mesh(tmp_path_factory.mktemp("endpoints")) as mesh:
        (mesh.folder / "rules.yaml").write_text(RULES)
        copy = {"ctype": "archive", "address": mesh.services["archive"], "store": "copy"}
        out = {"ctype": "folder", "path": str(mesh.folder / "out")}
        mesh.settings = {"rules_file": str(mesh.folder / "rules.yaml"), "endpoints": {"copy": copy, "out": out}}
        mesh.start_route()
        assert mesh.channel
        client = RouteClient(mesh.channel)
        assert awaited(lambda: not any(rule.trouble for rule in client.rules()))
        yield mesh


def _arrive(mesh: CollectMesh, store: str, number: int) -> None:
    """A study, complete in a store."""
    assert not [one.error for one in mesh.archive.upload(instances(number), store=store) if one.error]
    evidence = Evidence(source_count=SourceCount(instance_count=2))
    mesh.archive.record_evidence(study_uid(number), evidence, store=store)


def _ended(mesh: CollectMesh, rule: str) -> pb.Job:
    """The first job of a rule, once it has ended."""
    assert mesh.channel
    client = RouteClient(mesh.channel)
    assert awaited(lambda: any(job.state != pb.Job.STATE_WAITING for job in client.jobs(rule=rule)))
    return next(client.jobs(rule=rule))


def test_a_study_goes_into_a_folder_as_it_is(mesh: CollectMesh) -> None:
    _arrive(mesh, "default", 11)
    job = _ended(mesh, "to-folder")
    assert (job.state, job.steps[0].action) == (pb.Job.STATE_DONE, "send to endpoint out")
    files = sorted(path.read_bytes() for path in (mesh.folder / "out").rglob("*.dcm"))
    assert files == sorted(instances(11))


def test_what_an_endpoint_says_it_has_may_be_deleted_here(mesh: CollectMesh) -> None:
    _arrive(mesh, "staging", 12)
    assert _ended(mesh, "to-archive").state == pb.Job.STATE_DONE
    assert (mesh.count("copy"), mesh.count("staging")) == (2, 0)


def test_what_is_in_a_folder_as_it_should_be_may_be_deleted_here(mesh: CollectMesh) -> None:
    _arrive(mesh, "trial", 13)
    assert _ended(mesh, "to-a-folder-and-gone").state == pb.Job.STATE_DONE
    assert mesh.count("trial") == 0
    assert len(list((mesh.folder / "out" / study_uid(13)).rglob("*.dcm"))) == 2


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"ctype": "index", "address": "127.0.0.1:1"}, Reason.INVALID_FIELD),
        ({"ctype": "nonsense"}, Reason.CONFIG_INVALID),
        ({"ctype": "folder"}, Reason.CONFIG_INVALID),
    ],
)
def test_an_endpoint_that_cannot_be_sent_to_keeps_the_service_from_starting(
    mesh: CollectMesh, entry: dict[str, str], reason: Reason
) -> None:
    folder = mesh.folder / "other"
    with pytest.raises(DianaError) as refused:
        mesh.start_route(state_dir=str(folder), endpoints={"out": entry, "copy": entry})
    assert refused.value.reason is reason
