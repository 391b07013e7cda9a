"""The clients of index, guid, operations and health, against servicers of a few lines."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from diana.guid.v1 import guid_service_pb2 as guid_pb
from diana.guid.v1.guid_service_pb2_grpc import GuidServiceServicer, add_GuidServiceServicer_to_server
from diana.index.v1 import index_service_pb2 as index_pb
from diana.index.v1.index_service_pb2_grpc import IndexServiceServicer, add_IndexServiceServicer_to_server
from diana.operation.v1 import operation_service_pb2 as operation_pb
from diana.operation.v1.operation_service_pb2_grpc import (
    OperationServiceServicer,
    add_OperationServiceServicer_to_server,
)
from diana.type.v1.query_level_pb2 import QUERY_LEVEL_SERIES, QUERY_LEVEL_STUDY
from diana_client import (
    AsyncGuidClient,
    AsyncHealthClient,
    AsyncIndexClient,
    AsyncOperationClient,
    BadAnswer,
    DeadlineExceeded,
    FailedPrecondition,
    GuidClient,
    HealthClient,
    IndexClient,
    InvalidRequest,
    OperationClient,
    Serving,
    connect,
    connect_async,
    has_ended,
    raise_if_failed,
    subject,
)
from tests.contract.client.conftest import Serve
from tests.contract.client.fake_archive import refuse, status_of

RECORDS = 2500


class FakeIndex(IndexServiceServicer):
    def __init__(self) -> None:
        self.requests: list[Any] = []

    def Find(self, request: index_pb.FindRequest, context: grpc.ServicerContext) -> index_pb.FindResponse:
        self.requests.append(request)
        start = int(request.page_token or 0)
        end = min(start + request.page_size, RECORDS)
        records = [index_pb.Record(study_uid=f"1.{n}") for n in range(start, end)]
        return index_pb.FindResponse(records=records, next_page_token=str(end) if end < RECORDS else "")

    def Count(self, request: index_pb.CountRequest, context: grpc.ServicerContext) -> index_pb.CountResponse:
        self.requests.append(request)
        return index_pb.CountResponse(count=RECORDS)

    def RebuildIndex(
        self, request: index_pb.RebuildIndexRequest, context: grpc.ServicerContext
    ) -> index_pb.RebuildIndexResponse:
        self.requests.append(request)
        return index_pb.RebuildIndexResponse(operation=operation_pb.Operation(name="operations/index-1"))


@pytest.fixture
def fake_index() -> FakeIndex:
    return FakeIndex()


@pytest.fixture
def index_target(serve: Serve, fake_index: FakeIndex) -> str:
    return serve(add_IndexServiceServicer_to_server, fake_index)


@pytest.fixture
def index(index_target: str) -> Iterator[IndexClient]:
    with connect(index_target) as channel:
        yield IndexClient(channel)


def test_a_question_reaches_the_index_as_it_was_asked(index: IndexClient, fake_index: FakeIndex) -> None:
    found = index.find(
        "study",
        {"PatientID": "P1", "StudyInstanceUID": ["1.1", "1.2"]},
        return_keys=["StudyDate"],
        order_by=["-StudyDate", "PatientID"],
        store="trial",
        at_least_position="0000000a-7",
        limit=3,
    )
    assert [record.study_uid for record in found] == ["1.0", "1.1", "1.2"]
    assert fake_index.requests == [
        index_pb.FindRequest(
            store="trial",
            level=QUERY_LEVEL_STUDY,
            matches=[
                index_pb.AttributeMatch(attribute="PatientID", values=["P1"]),
                index_pb.AttributeMatch(attribute="StudyInstanceUID", values=["1.1", "1.2"]),
            ],
            return_keys=["StudyDate"],
            order_by=[
                index_pb.Order(attribute="StudyDate", descending=True),
                index_pb.Order(attribute="PatientID"),
            ],
            page_size=3,
            at_least_position="0000000a-7",
        )
    ]


def test_all_pages_come_and_no_more_than_the_limit(index: IndexClient, fake_index: FakeIndex) -> None:
    assert len(list(index.find(QUERY_LEVEL_SERIES))) == RECORDS
    assert len(fake_index.requests) == 3
    assert len(list(index.find("series", limit=1500))) == 1500
    assert list(index.find("series", limit=0)) == []
    assert index.count("patient", {"PatientName": "A*"}) == RECORDS


def test_a_level_that_does_not_exist_is_refused_here(index: IndexClient) -> None:
    with pytest.raises(InvalidRequest) as caught:
        index.find("image")
    assert caught.value.fields[0][0] == "level"


def test_every_rebuild_has_a_request_id_of_its_own(index: IndexClient, fake_index: FakeIndex) -> None:
    assert index.rebuild().name == "operations/index-1"
    index.rebuild()
    index.rebuild(request_id="mine")
    ids = [request.request_id for request in fake_index.requests]
    assert len(set(ids)) == 3
    assert ids[2] == "mine"


async def test_the_index_answers_asynchronously_too(index_target: str) -> None:
    async with connect_async(index_target) as channel:
        client = AsyncIndexClient(channel)
        assert len([record async for record in client.find("study")]) == RECORDS
        assert len([record async for record in client.find("study", limit=1200)]) == 1200
        assert [record async for record in client.find("study", limit=0)] == []
        assert await client.count("study") == RECORDS


class FakeGuid(GuidServiceServicer):
    """Answers each patient id reversed, and refuses those that begin with "bad"."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.short = False
        self.stray = ""

    def MintIdentity(
        self, request: guid_pb.MintIdentityRequest, context: grpc.ServicerContext
    ) -> guid_pb.MintIdentityResponse:
        asked = request.subject
        name = f"{asked.birth_date.year}-{asked.reference_date.year}-{asked.sex}-{asked.HasField('age_years')}"
        return guid_pb.MintIdentityResponse(identity=guid_pb.Identity(id=asked.patient_id[::-1], name=name))

    def BatchMintIdentities(
        self, request: guid_pb.BatchMintIdentitiesRequest, context: grpc.ServicerContext
    ) -> guid_pb.BatchMintIdentitiesResponse:
        self.sizes.append(len(request.subjects))
        results = [self._minted(subject) for subject in request.subjects]
        return guid_pb.BatchMintIdentitiesResponse(results=results[1:] if self.short else results)

    def MintIdentities(
        self, request_iterator: Iterator[guid_pb.MintIdentitiesRequest], context: grpc.ServicerContext
    ) -> Iterator[guid_pb.MintIdentitiesResponse]:
        for request in request_iterator:
            self.sizes.append(len(request.subjects))
            results = [self._minted(subject) for subject in request.subjects]
            yield guid_pb.MintIdentitiesResponse(
                request_id=request.request_id + self.stray, results=results[1:] if self.short else results
            )

    def _minted(self, asked: guid_pb.Subject) -> guid_pb.MintResult:
        if asked.patient_id.startswith("bad"):
            return guid_pb.MintResult(status=status_of(code_pb2.INVALID_ARGUMENT, "SUBJECT_INVALID", "Bad.", "name"))
        return guid_pb.MintResult(identity=guid_pb.Identity(id=asked.patient_id[::-1]))

    def MapIdentifiers(
        self, request: guid_pb.MapIdentifiersRequest, context: grpc.ServicerContext
    ) -> guid_pb.MapIdentifiersResponse:
        self.sizes.append(len(request.uids))
        if self.short:
            return guid_pb.MapIdentifiersResponse()
        return guid_pb.MapIdentifiersResponse(
            uids=[f"2.25.{uid}" for uid in request.uids], accession_numbers=request.accession_numbers
        )


@pytest.fixture
def fake_guid() -> FakeGuid:
    return FakeGuid()


@pytest.fixture
def guid_target(serve: Serve, fake_guid: FakeGuid) -> str:
    return serve(add_GuidServiceServicer_to_server, fake_guid)


@pytest.fixture
def guid(guid_target: str) -> Iterator[GuidClient]:
    with connect(guid_target) as channel:
        yield GuidClient(channel)


def test_a_subject_is_made_from_plain_values(guid: GuidClient) -> None:
    asked = subject("P1", birth_date=datetime.date(1961, 4, 4), sex="F")
    assert guid.mint(asked) == guid_pb.Identity(id="1P", name="1961-0-1-False")
    aged = subject("P1", age_years=0, reference_date=datetime.date(2026, 1, 2), sex="unknown")
    assert guid.mint(aged).name == "0-2026-0-True"


def test_many_subjects_go_in_batches_and_come_back_in_order(guid: GuidClient, fake_guid: FakeGuid) -> None:
    names = [f"{'bad' if n % 1000 == 7 else 'P'}{n}" for n in range(2100)]
    minted = list(guid.mint_many(subject(name) for name in names))
    assert fake_guid.sizes == [1000, 1000, 100]
    assert [answer.subject.patient_id for answer in minted] == names
    bad = [answer for answer in minted if answer.identity is None]
    assert [(answer.subject.patient_id, getattr(answer.error, "reason", "")) for answer in bad] == [
        ("bad7", "SUBJECT_INVALID"),
        ("bad1007", "SUBJECT_INVALID"),
        ("bad2007", "SUBJECT_INVALID"),
    ]
    assert all(answer.identity.id == answer.subject.patient_id[::-1] for answer in minted if answer.identity)


def test_a_fault_of_the_callers_own_subjects_comes_back_as_it_is(guid: GuidClient) -> None:
    def subjects() -> Iterator[guid_pb.Subject]:
        yield from (subject(f"P{n}") for n in range(5_000))
        raise LookupError("the source is gone")

    with pytest.raises(LookupError, match="the source is gone"):
        list(guid.mint_many(subjects()))


def test_whoever_stops_early_stops_the_stream(guid: GuidClient, fake_guid: FakeGuid) -> None:
    minted = guid.mint_many(subject(f"P{n}") for n in itertools.count())
    assert next(minted).identity
    minted.close()
    assert len(fake_guid.sizes) <= 5
    assert [answer.subject.patient_id for answer in guid.mint_many([subject("P1")])] == ["P1"]


def test_identifiers_are_mapped_in_batches(guid: GuidClient, fake_guid: FakeGuid) -> None:
    uids = [f"1.{n}" for n in range(12_000)]
    mapped = guid.map_identifiers(uids, accession_numbers=["A1"])
    assert list(mapped.uids) == [f"2.25.{uid}" for uid in uids]
    assert list(mapped.accession_numbers) == ["A1"]
    assert fake_guid.sizes == [10_000, 2_000]


def test_answers_of_another_length_than_the_question_are_refused(guid: GuidClient, fake_guid: FakeGuid) -> None:
    fake_guid.short = True
    with pytest.raises(BadAnswer):
        list(guid.mint_many([subject("P1")]))
    fake_guid.short, fake_guid.stray = False, "x"
    with pytest.raises(BadAnswer):
        list(guid.mint_many([subject("P1")]))
    fake_guid.short = True
    with pytest.raises(BadAnswer):
        guid.map_identifiers(["1.2"])


async def test_the_mint_answers_asynchronously_too(guid_target: str) -> None:
    async with connect_async(guid_target) as channel:
        client = AsyncGuidClient(channel)
        assert (await client.mint(subject("P1"))).id == "1P"
        minted = [answer async for answer in client.mint_many(subject(f"P{n}") for n in range(1001))]
        assert len(minted) == 1001
        assert list((await client.map_identifiers(["1.2"])).uids) == ["2.25.1.2"]


class FakeOperations(OperationServiceServicer):
    """One operation, that ends at the third look."""

    def __init__(self, end: operation_pb.Operation.State.ValueType) -> None:
        self.end = end
        self.looks = itertools.count(1)
        self.waits: list[float] = []

    def WaitOperation(
        self, request: operation_pb.WaitOperationRequest, context: grpc.ServicerContext
    ) -> operation_pb.WaitOperationResponse:
        self.waits.append(request.timeout.ToTimedelta().total_seconds())
        look = next(self.looks)
        operation = operation_pb.Operation(name=request.name, state=operation_pb.Operation.STATE_RUNNING)
        operation.progress.done = look
        if look >= 3:
            operation.state = self.end
            if self.end == operation_pb.Operation.STATE_FAILED:
                operation.error.CopyFrom(status_of(code_pb2.FAILED_PRECONDITION, "EPOCH_CHANGED", "Restored."))
        return operation_pb.WaitOperationResponse(operation=operation)

    def ListOperationFailures(
        self, request: operation_pb.ListOperationFailuresRequest, context: grpc.ServicerContext
    ) -> operation_pb.ListOperationFailuresResponse:
        if request.name != "operations/x-1":
            refuse(context, status_of(code_pb2.NOT_FOUND, "OPERATION_NOT_FOUND", "No such operation."))
        start = int(request.page_token or 0)
        failures = [operation_pb.ItemFailure(item=f"1.{n}") for n in range(start, min(start + 1000, 1500))]
        token = str(start + 1000) if start + 1000 < 1500 else ""
        return operation_pb.ListOperationFailuresResponse(failures=failures, next_page_token=token)


def test_an_operation_is_waited_for_with_its_progress_told(serve: Serve) -> None:
    fake = FakeOperations(operation_pb.Operation.STATE_SUCCEEDED)
    seen: list[int] = []
    with connect(serve(add_OperationServiceServicer_to_server, fake)) as channel:
        client = OperationClient(channel)
        operation = client.wait("operations/x-1", on_progress=lambda now: seen.append(now.progress.done))
        assert has_ended(operation)
        raise_if_failed(operation)
        assert seen == [1, 2, 3]
        assert fake.waits == [0.5] * 3
        assert len(list(client.failures("operations/x-1"))) == 1500


def test_an_operation_that_does_not_end_in_time_is_told_apart_from_one_that_failed(serve: Serve) -> None:
    fake = FakeOperations(operation_pb.Operation.STATE_FAILED)
    with connect(serve(add_OperationServiceServicer_to_server, fake)) as channel:
        client = OperationClient(channel)
        with pytest.raises(DeadlineExceeded):
            client.wait("operations/x-1", timeout=0)
        with pytest.raises(FailedPrecondition) as caught:
            raise_if_failed(client.wait("operations/x-1"))
    assert caught.value.reason == "EPOCH_CHANGED"


async def test_an_operation_is_waited_for_asynchronously_too(serve: Serve) -> None:
    fake = FakeOperations(operation_pb.Operation.STATE_CANCELLED)
    async with connect_async(serve(add_OperationServiceServicer_to_server, fake)) as channel:
        client = AsyncOperationClient(channel)
        operation = await client.wait("operations/x-1", timeout=30)
        assert operation.state == operation_pb.Operation.STATE_CANCELLED
        assert len([failure async for failure in client.failures("operations/x-1")]) == 1500


@pytest.fixture
def health_target(serve: Serve) -> tuple[HealthServicer, str]:
    servicer = HealthServicer()
    return servicer, serve(health_pb2_grpc.add_HealthServicer_to_server, servicer)


def test_health_is_read_without_the_health_package(health_target: tuple[HealthServicer, str]) -> None:
    servicer, target = health_target
    servicer.set("busy", health_pb2.HealthCheckResponse.NOT_SERVING)
    with connect(target) as channel:
        client = HealthClient(channel)
        assert client.check() is Serving.SERVING
        assert client.check("busy") is Serving.NOT_SERVING
        assert client.check("unknown") is Serving.SERVICE_UNKNOWN
        client.wait_ready(timeout=30)
        with pytest.raises(DeadlineExceeded):
            client.wait_ready("busy", timeout=0.3)


async def test_health_is_read_asynchronously_too(health_target: tuple[HealthServicer, str]) -> None:
    async with connect_async(health_target[1]) as channel:
        client = AsyncHealthClient(channel)
        assert await client.check() is Serving.SERVING
        assert await client.check("unknown") is Serving.SERVICE_UNKNOWN
        await client.wait_ready(timeout=30)


def test_waiting_for_a_service_that_is_not_there_ends_in_time() -> None:
    with connect("127.0.0.1:1") as channel, pytest.raises(DeadlineExceeded):
        HealthClient(channel).wait_ready(timeout=0.3)
