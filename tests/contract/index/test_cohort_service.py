"""CohortService and its clients, on a real server whose archive is a fake."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from diana.index.v1 import cohort_service_pb2 as pb
from diana.index.v1.index_service_pb2 import AttributeMatch, Question
from diana.operation.v1.operation_service_pb2 import Operation
from diana.type.v1.query_level_pb2 import QUERY_LEVEL_PATIENT, QUERY_LEVEL_STUDY
from diana_client import (
    AsyncCohortClient,
    Channel,
    CohortClient,
    Conflict,
    FailedPrecondition,
    HealthClient,
    IndexClient,
    InvalidRequest,
    NotFound,
    OperationClient,
    connect,
    connect_async,
    frozen_cohort,
)
from diana_index.__main__ import make_server
from diana_index.config import IndexConfig
from diana_server.config import PeerConfig, ServerConfig
from tests.contract.index.archive_server import serving
from tests.unit.index.fake_archive import FakeArchive


@dataclass
class Running:
    """An index service that follows a fake archive."""

    archive: FakeArchive
    channel: Channel
    address: str

    @property
    def cohorts(self) -> CohortClient:
        return CohortClient(self.channel)

    def store(self, studies: int) -> str:
        """Store one-instance studies of three patients; the index knows them then."""
        for number in range(studies):
            values = {"PatientID": f"P{number % 3}", "IssuerOfPatientID": "H"}
            position = self.archive.store(f"1.{number}.1.1", study=f"1.{number}", series=f"1.{number}.1", **values)
        IndexClient(self.channel).count("study", at_least_position=position)
        return position

    def freeze(self, name: str, frozen: str, **more: str) -> pb.Cohort:
        """Freeze, and wait for it."""
        operation = self.cohorts.freeze(name, frozen, **more)
        return frozen_cohort(OperationClient(self.channel).wait(operation.name, timeout=60))


@pytest.fixture
def archive() -> Iterator[tuple[FakeArchive, str]]:
    archive = FakeArchive()
    with serving(archive) as address:
        yield archive, address
        archive.set_reachable(True)


@pytest.fixture
def running(archive: tuple[FakeArchive, str], tmp_path: Path) -> Iterator[Running]:
    server = make_server(IndexConfig(ServerConfig("127.0.0.1:0"), tmp_path / "state", PeerConfig(archive[1])))
    address = server.start()
    with connect(address) as channel:
        yield Running(archive[0], channel, address)
    server.stop(0)


def test_a_cohort_is_saved_frozen_read_compared_and_deleted(running: Running) -> None:
    position = running.store(9)
    made = running.cohorts.create("mine", "study", {"PatientID": ["P1", "P2"]}, description="for the trial")
    assert (made.cohort_id, made.record_count, made.frozen) == ("mine", 6, False)
    assert made.question == Question(
        store="default",
        level=QUERY_LEVEL_STUDY,
        matches=[AttributeMatch(attribute="PatientID", values=["P1", "P2"])],
    )
    frozen = running.freeze("mine", "mine-1", at_least_position=position)
    uids = [f"1.{number}" for number in (1, 2, 4, 5, 7, 8)]
    assert frozen.digest == hashlib.sha256("".join(f"{uid}\n" for uid in uids).encode()).digest()
    assert (frozen.record_count, frozen.position, frozen.question) == (6, position, made.question)
    assert running.cohorts.get("mine-1") == frozen
    running.store(12)
    assert list(running.cohorts.study_uids("mine-1")) == uids
    assert [running.cohorts.get(name).record_count for name in ("mine", "mine-1")] == [8, 6]
    found = running.cohorts.compare("mine", "mine-1", sample_size=1)
    assert (found.common_count, found.first_only_count, found.second_only_count) == (6, 2, 0)
    assert [one.study_uid for one in found.first_only] == ["1.10"]
    assert [one.cohort_id for one in running.cohorts.list()] == ["mine", "mine-1"]
    running.cohorts.delete("mine")
    assert [one.cohort_id for one in running.cohorts.list()] == ["mine-1"]


def test_patients_are_named_by_id_and_issuer_and_one_without_by_its_study(running: Running) -> None:
    running.store(3)
    position = running.archive.store("2.1.1", study="2", series="2.1")
    IndexClient(running.channel).count("study", at_least_position=position)
    assert running.cohorts.create("people", "patient").question.level == QUERY_LEVEL_PATIENT
    named = [pb.CohortMember(patient_id=f"P{number}", issuer_of_patient_id="H") for number in range(3)]
    assert list(running.cohorts.members("people")) == [pb.CohortMember(study_uid="2"), *named]
    with pytest.raises(InvalidRequest) as patients:
        list(running.cohorts.study_uids("people"))
    assert patients.value.fields[0][0] == "cohort_id"


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_a_cohort_is_exported_as_it_is_now_and_a_frozen_one_as_far_as_it_is_there_still(
    running: Running, level: str
) -> None:
    running.store(4)
    running.cohorts.create("mine", level, {"PatientID": "P0"})
    running.cohorts.create("none", level, {"PatientID": "nobody"})
    running.freeze("mine", "mine-1")
    running.freeze("none", "none-1")
    running.archive.delete("1.3.1.1")
    position = running.archive.store("1.6.1.1", study="1.6", series="1.6.1", PatientID="P0")
    IndexClient(running.channel).count("study", at_least_position=position)
    exported = {}
    for name in ("mine", "mine-1", "none-1"):
        file = io.BytesIO()
        assert running.cohorts.export(name, file, columns=["StudyInstanceUID"]) == position
        exported[name] = file.getvalue().decode().split()
    assert exported == {
        "mine": ["StudyInstanceUID", "1.0", "1.6"],
        "mine-1": ["StudyInstanceUID", "1.0"],
        "none-1": ["StudyInstanceUID"],
    }


def test_a_frozen_cohort_that_no_question_names_is_not_exported(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diana_client.cohort_requests.MOST_EXPORTED", 3)
    running.store(4)
    for level in ("patient", "study"):
        running.cohorts.create(level, level)
        running.freeze(level, f"{level}-1")
        with pytest.raises(InvalidRequest):
            running.cohorts.export(f"{level}-1", io.BytesIO())
        running.cohorts.export(level, io.BytesIO())


def test_refusals_are_typed_and_name_the_key(running: Running) -> None:
    running.store(3)
    with pytest.raises(InvalidRequest) as unsupported:
        running.cohorts.create("bad", "study", {"PatientID": "1", "PixelData": "1"})
    assert unsupported.value.reason == "KEY_UNSUPPORTED"
    assert unsupported.value.fields[0][0] == "cohort.question.matches[1].attribute"
    with pytest.raises(InvalidRequest) as bad_filter:
        running.cohorts.create("bad", "study", where="PatientID = ")
    assert bad_filter.value.reason == "FILTER_INVALID"
    for name in ("Bad", "", "a/b", "a" * 64, "1a", "a\n"):
        with pytest.raises(InvalidRequest):
            running.cohorts.create(name)
    with pytest.raises(InvalidRequest) as unasked:
        request = pb.CreateCohortRequest(cohort=pb.Cohort(cohort_id="a"))
        running.cohorts._ask(running.cohorts.stub.CreateCohort, request)
    assert unasked.value.fields[0][0] == "cohort.question"
    running.cohorts.create("mine")
    with pytest.raises(Conflict) as other:
        running.cohorts.create("mine", "series")
    assert other.value.reason == "COHORT_EXISTS"
    with pytest.raises(Conflict):
        running.cohorts.freeze("mine", "mine")
    running.cohorts.create("series", "series")
    with pytest.raises(FailedPrecondition) as levels:
        running.cohorts.compare("mine", "series")
    assert levels.value.reason == "COHORT_LEVELS_DIFFER"
    with pytest.raises(InvalidRequest) as position:
        running.cohorts.freeze("mine", "frozen", at_least_position="yesterday")
    assert position.value.reason == "POSITION_INVALID"
    calls: list[Callable[[], object]] = [
        lambda: running.cohorts.get("nobody"),
        lambda: running.cohorts.delete("nobody"),
        lambda: list(running.cohorts.members("nobody")),
        lambda: running.cohorts.compare("mine", "nobody"),
        lambda: running.cohorts.freeze("nobody", "frozen"),
    ]
    for call in calls:
        with pytest.raises(NotFound) as gone:
            call()
        assert gone.value.reason == "COHORT_NOT_FOUND"


def test_a_question_that_is_too_long_to_be_listed_is_refused(running: Running) -> None:
    keys = ("AccessionNumber", "StudyID", "PatientID", "StudyDescription", "Modality")
    values = [f"{number:0>200}" for number in range(1100)]
    with pytest.raises(InvalidRequest) as long:
        running.cohorts.create("long", "study", dict.fromkeys(keys, values))
    assert long.value.fields[0][0] == "cohort.question"
    for number in range(5):
        running.cohorts.create(f"long{number}", "study", dict.fromkeys(keys, values[:1000]))
    assert len(list(running.cohorts.list())) == 5


def test_the_same_request_id_is_one_freezing_also_once_it_has_ended(running: Running) -> None:
    running.store(3)
    running.cohorts.create("mine")
    first = running.cohorts.freeze("mine", "mine-1", request_id="once")
    OperationClient(running.channel).wait(first.name, timeout=60)
    running.cohorts.delete("mine")
    assert running.cohorts.freeze("mine", "mine-1", request_id="once").name == first.name


def test_pages_of_cohorts_and_members_hang_together(running: Running) -> None:
    running.store(5)
    for number in range(7):
        running.cohorts.create(f"c{number}")
    stub = running.cohorts.stub
    names: list[str] = []
    token = ""
    while not names or token:
        page = stub.ListCohorts(pb.ListCohortsRequest(page_size=3, page_token=token))
        names += [one.cohort_id for one in page.cohorts]
        token = page.next_page_token
    assert names == [f"c{number}" for number in range(7)]
    found = stub.ListCohortMembers(pb.ListCohortMembersRequest(cohort_id="c1", page_size=4))
    assert len(found.members) == 4
    with pytest.raises(grpc.RpcError) as refused:
        stub.ListCohortMembers(pb.ListCohortMembersRequest(cohort_id="c2", page_token=found.next_page_token))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_freezing_waits_for_its_position_and_goes_on_after_a_restart(
    archive: tuple[FakeArchive, str], tmp_path: Path
) -> None:
    fake, address = archive
    config = IndexConfig(ServerConfig("127.0.0.1:0"), tmp_path / "state", PeerConfig(address))
    first = make_server(config)
    with connect(first.start()) as channel:
        running = Running(fake, channel, "")
        running.store(3)
        running.cohorts.create("mine")
        fake.set_reachable(False)
        position = fake.store("1.9.1.1", study="1.9", series="1.9.1")
        operation = running.cohorts.freeze("mine", "mine-1", at_least_position=position)
        first.stop(0)
    fake.set_reachable(True)
    second = make_server(config)
    with connect(second.start()) as channel:
        ended = OperationClient(channel).wait(operation.name, timeout=60)
        assert ended.state == Operation.STATE_SUCCEEDED
        assert frozen_cohort(ended).record_count == 4
        HealthClient(channel).wait_ready("diana.index.v1.CohortService", timeout=10)
    second.stop(0)


def test_a_freezing_that_is_cancelled_while_it_waits_leaves_nothing(running: Running) -> None:
    running.store(3)
    running.cohorts.create("mine")
    operation = running.cohorts.freeze("mine", "mine-1", at_least_position="0000000a-99")
    operations = OperationClient(running.channel)
    operations.cancel(operation.name)
    assert operations.wait(operation.name, timeout=60).state == Operation.STATE_CANCELLED
    with pytest.raises(NotFound):
        running.cohorts.get("mine-1")


def test_the_asyncio_client_does_the_same(running: Running) -> None:
    running.store(9)

    async def use() -> None:
        async with connect_async(running.address) as channel:
            cohorts = AsyncCohortClient(channel)
            made = await cohorts.create("mine", "study", {"PatientID": "P1"}, description="d", store="default")
            assert await cohorts.get("mine") == made
            operation = await cohorts.freeze("mine", "mine-1", request_id="once")
            OperationClient(running.channel).wait(operation.name, timeout=60)
            assert [one.cohort_id async for one in cohorts.list()] == ["mine", "mine-1"]
            assert [uid async for uid in cohorts.study_uids("mine-1")] == ["1.1", "1.4", "1.7"]
            assert [one.study_uid async for one in cohorts.members("mine")] == ["1.1", "1.4", "1.7"]
            for name in ("mine", "mine-1"):
                file = io.BytesIO()
                await cohorts.export(name, file, columns=["StudyInstanceUID"], order_by=["-StudyInstanceUID"])
                assert file.getvalue().decode().split() == ["StudyInstanceUID", "1.7", "1.4", "1.1"]
            assert (await cohorts.compare("mine", "mine-1")).common_count == 3
            await cohorts.delete("mine-1")
            assert [one.cohort_id async for one in cohorts.list()] == ["mine"]

    asyncio.run(use())
