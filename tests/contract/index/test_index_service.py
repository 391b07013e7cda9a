"""The whole service: real servers on both sides, only the archive's inside is a fake."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import structlog
from prometheus_client import REGISTRY

from diana.index.v1 import index_service_pb2 as pb
from diana.operation.v1.operation_service_pb2 import Operation
from diana.type.v1.query_level_pb2 import QUERY_LEVEL_INSTANCE, QUERY_LEVEL_PATIENT, QUERY_LEVEL_STUDY
from diana_client import (
    Channel,
    DeadlineExceeded,
    FailedPrecondition,
    HealthClient,
    IndexClient,
    InvalidRequest,
    OperationClient,
    Unavailable,
    connect,
)
from diana_common.errors import DianaError, Reason
from diana_index.__main__ import main, make_server
from diana_index.config import IndexConfig
from diana_server.config import PeerConfig, ServerConfig, load_config
from tests.contract.index.archive_server import serving
from tests.support.shared_postgres import database
from tests.unit.index.fake_archive import FakeArchive


@dataclass
class Running:
    """An index service that follows a fake archive."""

    archive: FakeArchive
    channel: Channel

    @property
    def client(self) -> IndexClient:
        return IndexClient(self.channel)

    def wait(self, operation: Operation) -> pb.RebuildIndexResult:
        """The result of a rebuild."""
        ended = OperationClient(self.channel).wait(operation.name, timeout=60)
        assert ended.state == Operation.STATE_SUCCEEDED
        result = pb.RebuildIndexResult()
        assert ended.result.Unpack(result)
        return result


@pytest.fixture(params=["sqlite", "postgres"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    archive = FakeArchive()
    with serving(archive) as address, database() if request.param == "postgres" else nullcontext("") as url:
        config = IndexConfig(ServerConfig("127.0.0.1:0"), tmp_path / "state", PeerConfig(address), database_url=url)
        server = make_server(config)
        with connect(server.start()) as channel:
            yield Running(archive, channel)
        archive.set_reachable(True)
        server.stop(0)


def test_a_study_is_found_with_its_attributes_as_soon_as_it_is_stored(running: Running) -> None:
    position = running.archive.store("1.1.1", PatientID="P1", PatientName="Doe^Jane", Modality="CT")
    (record,) = running.client.find("study", {"PatientName": "doe*"}, at_least_position=position)
    assert (record.patient_id, record.study_uid, record.series_uid, record.instance_count) == ("P1", "1", "", 1)
    elements = json.loads(record.dicom_json)
    assert elements["00080061"] == {"vr": "CS", "Value": ["CT"]}
    assert running.client.count("instance", {"Modality": "CT"}, at_least_position=position) == 1


def test_pages_hang_together_through_the_client(running: Running) -> None:
    for number in range(2_345):
        position = running.archive.store(f"1.1.{number}", InstanceNumber=number)
    records = list(running.client.find("instance", order_by=["-InstanceNumber"], at_least_position=position))
    assert [one.sop_instance_uid for one in records] == [f"1.1.{n}" for n in reversed(range(2_345))]


def test_a_token_with_another_question_is_refused(running: Running) -> None:
    for number in range(3):
        position = running.archive.store(f"1.1.{number}", PatientID="P1")
    request = pb.FindRequest(level=QUERY_LEVEL_INSTANCE, page_size=1, at_least_position=position)
    find = running.client.stub.Find
    token = find(request).next_page_token
    assert find(pb.FindRequest(level=QUERY_LEVEL_INSTANCE, page_size=2, page_token=token)).records
    with pytest.raises(grpc.RpcError) as refused:
        find(pb.FindRequest(level=QUERY_LEVEL_STUDY, page_size=1, page_token=token))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "P1" not in token


def test_refusals_are_typed(running: Running) -> None:
    running.client.count("study", at_least_position=running.archive.store("1.1.1"))
    with pytest.raises(InvalidRequest) as unsupported:
        running.client.count("study", {"PixelData": "1"})
    assert unsupported.value.reason == "KEY_UNSUPPORTED"
    with pytest.raises(InvalidRequest) as bad_date:
        list(running.client.find("study", {"StudyDate": "soon"}))
    assert bad_date.value.fields[0][0] == "matches[0].values[0]"
    with pytest.raises(InvalidRequest) as no_level:
        running.client.count(0)
    assert no_level.value.fields[0][0] == "level"
    with pytest.raises(InvalidRequest) as bad_position:
        running.client.count("study", at_least_position="yesterday")
    assert bad_position.value.reason == "POSITION_INVALID"
    with pytest.raises(FailedPrecondition) as other_epoch:
        running.client.count("study", at_least_position="00000001-1")
    assert other_epoch.value.reason == "EPOCH_CHANGED"


def test_a_position_out_of_reach_is_answered_before_the_deadline_passes(running: Running) -> None:
    running.client.count("study", at_least_position=running.archive.store("1.1.1"))
    with pytest.raises(DeadlineExceeded) as late:
        IndexClient(Channel(running.channel.raw, timeout=1.0)).count("study", at_least_position="0000000a-9999")
    assert late.value.reason == "POSITION_NOT_REACHED"


def test_status_counts_records_and_tells_the_position(running: Running) -> None:
    running.archive.store("1.1.1", PatientID="P1")
    running.archive.store("1.1.1", PatientID="P1", store="other")
    position = running.archive.store("1.2.1", series="1.2", PatientID="P1")
    running.client.count("study", at_least_position=position)
    status = running.client.status()
    assert (status.position, status.entries_behind) == (position, 0)
    assert (status.patient_count, status.study_count, status.series_count, status.instance_count) == (1, 1, 2, 2)
    assert status.applied_commit_time.seconds == 1_700_000_002
    assert running.client.status(store="unheard-of").instance_count == 0


def test_capabilities_list_every_attribute_by_level_and_tag(running: Running) -> None:
    attributes = running.client.capabilities()
    assert [(one.level, one.tag) for one in attributes] == sorted((one.level, one.tag) for one in attributes)
    assert pb.IndexedAttribute(keyword="PatientID", tag="00100020", vr="LO", level=QUERY_LEVEL_PATIENT) in attributes
    for attribute in attributes:
        assert running.client.count("instance", {attribute.keyword: ""}) == 0


def test_a_rebuild_gives_the_same_answers_and_is_one_operation(running: Running) -> None:
    for number in range(50):
        position = running.archive.store(f"1.1.{number}", PatientID=f"P{number % 3}")
    running.archive.delete("1.1.7")
    running.archive.store("1.1.1", store="other")
    position = running.archive.restore("1.1.7")
    before = list(running.client.find("instance", at_least_position=position))
    first, second = running.client.rebuild(), running.client.rebuild(request_id="again")
    assert first.kind == "index.rebuild"
    result = running.wait(first)
    running.wait(second)
    assert (result.instance_count, result.position) == (51, position)
    assert list(running.client.find("instance", at_least_position=position)) == before
    running.client.count("study", at_least_position=running.archive.store("1.1.99"))


def test_the_same_request_id_is_the_same_rebuild(running: Running) -> None:
    running.client.count("study", at_least_position=running.archive.store("1.1.1"))
    operation = running.client.rebuild(request_id="once")
    running.wait(operation)
    assert running.client.rebuild(request_id="once").name == operation.name


def test_a_request_id_that_joined_a_rebuild_stays_its_name(running: Running) -> None:
    running.client.count("study", at_least_position=running.archive.store("1.1.1"))
    running.archive.set_reachable(False)
    operation = running.client.rebuild(request_id="one")
    assert running.client.rebuild(request_id="two").name == operation.name
    running.archive.set_reachable(True)
    running.wait(operation)
    assert running.client.rebuild(request_id="two").name == operation.name
    assert running.client.rebuild(request_id="three").name != operation.name


def calls_in_flight(method: str) -> float:
    return REGISTRY.get_sample_value("diana_calls_in_flight", {"method": method}) or 0.0


def test_who_waits_is_told_at_once_that_the_server_stops(tmp_path: Path) -> None:
    archive = FakeArchive()
    with serving(archive) as address, ThreadPoolExecutor() as pool:
        server = make_server(IndexConfig(ServerConfig("127.0.0.1:0"), tmp_path / "state", PeerConfig(address)))
        # Without the client's own retries, which would find nobody there any more.
        raw = grpc.insecure_channel(server.start(), options=[("grpc.enable_retries", 0)])
        with Channel(raw, timeout=20) as channel:
            client, operations = IndexClient(channel), OperationClient(channel)
            client.count("study", at_least_position=archive.store("1.1.1"))
            archive.set_reachable(False)
            rebuild = client.rebuild().name
            waits: dict[str, Callable[[], object]] = {
                "/diana.index.v1.IndexService/Find": lambda: list(
                    client.find("study", at_least_position="0000000a-99")
                ),
                "/diana.index.v1.IndexService/Count": lambda: client.count("study", at_least_position="0000000a-99"),
                "/diana.operation.v1.OperationService/WaitOperation": lambda: operations.wait(rebuild, timeout=20),
            }
            waiting = [pool.submit(wait) for wait in waits.values()]
            end = time.monotonic() + 10
            while not all(map(calls_in_flight, waits)):
                assert time.monotonic() < end
                threading.Event().wait(0.005)
            server.stop(60)
            for call in waiting:
                with pytest.raises(Unavailable) as refused:
                    call.result()
                assert refused.value.reason == "STOPPING"


def test_a_second_process_on_the_same_folder_is_refused_and_leaves_the_first_one_alone(
    running: Running, tmp_path: Path
) -> None:
    running.client.count("study", at_least_position=running.archive.store("1.1.1"))
    left = tmp_path / "state" / "records" / "records-rebuild.sqlite"
    left.parent.mkdir(exist_ok=True)
    left.touch()
    with pytest.raises(DianaError) as refused:
        make_server(IndexConfig(ServerConfig("127.0.0.1:0"), tmp_path / "state"))
    assert refused.value.reason is Reason.CONFIG_INVALID
    assert left.exists()
    assert running.client.count("instance") == 1


def test_what_keeps_the_service_from_starting_is_told_with_its_remedy(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIANA_INDEX_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr("sys.argv", ["diana_index"])
    monkeypatch.setattr("gc.set_threshold", lambda *_: None)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 4
    assert "state_dir" in capsys.readouterr().err


def test_a_rebuild_that_the_end_of_the_server_cut_short_is_done_by_the_next_one(tmp_path: Path) -> None:
    archive = FakeArchive()
    for number in range(10):
        position = archive.store(f"1.1.{number}")
    with serving(archive) as address:
        config = IndexConfig(ServerConfig("127.0.0.1:0"), tmp_path / "state", PeerConfig(address))
        first = make_server(config)
        with connect(first.start()) as channel:
            IndexClient(channel).count("study", at_least_position=position)
            archive.set_reachable(False)
            operation = IndexClient(channel).rebuild()
            first.stop(0)
        archive.set_reachable(True)
        second = make_server(config)
        with connect(second.start()) as channel:
            assert Running(archive, channel).wait(operation).instance_count == 10
        second.stop(0)
    # Once nobody asks any more: the records before go with the last who read them.
    assert len(list((tmp_path / "state" / "records").glob("*.sqlite"))) == 1


def test_a_new_epoch_is_followed_without_anybody_asking(running: Running) -> None:
    running.client.count("study", at_least_position=running.archive.store("1.1.1"))
    running.archive.new_epoch()
    position = running.archive.store("1.1.2")
    assert running.client.count("instance", at_least_position=position) == 2


def test_the_service_is_ready_though_the_archive_is_away(running: Running) -> None:
    running.client.count("study", at_least_position=running.archive.store("1.1.1"))
    running.archive.set_reachable(False)
    HealthClient(running.channel).wait_ready("diana.index.v1.IndexService", timeout=10)
    assert running.client.count("instance") == 1


def test_an_archive_out_of_reach_is_logged_as_all_else_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    structlog.reset_defaults()
    with serving(FakeArchive(reachable=False)) as address:
        server = make_server(IndexConfig(ServerConfig("127.0.0.1:0"), tmp_path / "state", PeerConfig(address)))
        end = time.monotonic() + 10
        while "not following the archive" not in log.getvalue():
            assert time.monotonic() < end
            threading.Event().wait(0.005)
        server.stop(0)
    entry = next(json.loads(line) for line in log.getvalue().splitlines() if "not following" in line)
    assert (entry["service"], entry["reason"]) == ("index", "PEER_UNAVAILABLE")


def test_the_configuration_is_read_from_the_environment(tmp_path: Path) -> None:
    env = {"DIANA_INDEX_STATE_DIR": str(tmp_path), "DIANA_INDEX_ARCHIVE__ADDRESS": "127.0.0.1:1"}
    config = load_config(IndexConfig, "index", None, env)
    assert (config.state_dir, config.archive.address) == (tmp_path, "127.0.0.1:1")
    assert config.server.listen == "127.0.0.1:50062"
