"""The client of anon, against a server of a few lines that can be told to misbehave."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2

from diana.anon.v1 import anon_service_pb2 as pb
from diana.anon.v1.anon_service_pb2_grpc import AnonServiceServicer, add_AnonServiceServicer_to_server
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client import (
    AnonClient,
    AsyncAnonClient,
    BadAnswer,
    InvalidRequest,
    ResourceExhausted,
    SourceUnreadable,
    connect,
    connect_async,
    study_result,
)
from tests.contract.client.conftest import Serve
from tests.contract.client.fake_archive import refuse, status_of

FILE = bytes(range(256)) * 20_000  # 5 MB: several messages


class FakeAnon(AnonServiceServicer):
    """Answers a file backwards, or what `answers` holds."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.answers: list[pb.AnonymizeInstanceResponse] | None = None
        self.refuse = False
        self.busy = False

    def AnonymizeInstance(
        self, requests: Iterator[pb.AnonymizeInstanceRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.AnonymizeInstanceResponse]:
        if self.refuse:
            refuse(context, status_of(code_pb2.INVALID_ARGUMENT, "NOT_PART10", "No."))
        if self.busy:
            refuse(context, status_of(code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED", "Too much."))
        got = list(requests)
        self.requests.append(got)
        if self.answers is not None:
            yield from self.answers
            return
        data = b"".join(one.data for one in got)[::-1]
        yield described(len(data))
        for offset in range(0, len(data), 1 << 20):
            yield pb.AnonymizeInstanceResponse(data=data[offset : offset + (1 << 20)])

    def AnonymizeStudy(
        self, request: pb.AnonymizeStudyRequest, context: grpc.ServicerContext
    ) -> pb.AnonymizeStudyResponse:
        self.requests.append(request)
        return pb.AnonymizeStudyResponse(operation=Operation(name="operations/anon-1"))

    def ListProfiles(self, request: pb.ListProfilesRequest, context: grpc.ServicerContext) -> pb.ListProfilesResponse:
        return pb.ListProfilesResponse(profiles=[pb.Profile(name="default")])


def described(size: int) -> pb.AnonymizeInstanceResponse:
    return pb.AnonymizeInstanceResponse(instance=pb.AnonymizedInstance(study_uid="2.25.1", size_bytes=size))


@pytest.fixture
def fake() -> FakeAnon:
    return FakeAnon()


@pytest.fixture
def target(serve: Serve, fake: FakeAnon) -> str:
    return serve(add_AnonServiceServicer_to_server, fake)


@pytest.fixture
def anon(target: str) -> Iterator[AnonClient]:
    with connect(target) as channel:
        yield AnonClient(channel)


def test_any_source_goes_out_in_messages_of_a_mebibyte(anon: AnonClient, fake: FakeAnon, tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(FILE)
    for source in (FILE, path, str(path), BytesIO(FILE), lambda: BytesIO(FILE)):
        made = anon.anonymize_instance(source, profile="longitudinal")
        assert made.instance.study_uid == "2.25.1"
        assert made.read() == FILE[::-1]
    for got in fake.requests:
        assert got[0].profile == "longitudinal"
        assert max(len(one.data) for one in got) == 1 << 20


def test_data_can_be_taken_piece_by_piece_or_not_at_all(anon: AnonClient) -> None:
    made = anon.anonymize_instance(FILE)
    assert next(iter(made)) == FILE[::-1][: 1 << 20]
    made.close()
    anon.anonymize_instance(FILE).close()


def test_a_refusal_is_typed(anon: AnonClient, fake: FakeAnon) -> None:
    fake.refuse = True
    with pytest.raises(InvalidRequest) as caught:
        anon.anonymize_instance(FILE)
    assert caught.value.reason == "NOT_PART10"


def test_a_source_that_cannot_be_read_is_said_to_be_so(anon: AnonClient, tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable) as caught:
        anon.anonymize_instance(tmp_path / "absent.dcm")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [pb.AnonymizeInstanceResponse(data=b"a")],
        [described(3), pb.AnonymizeInstanceResponse(data=b"ab")],
        [described(1), pb.AnonymizeInstanceResponse(data=b"ab")],
        [described(1), described(1)],
        [described(0), pb.AnonymizeInstanceResponse()],
    ],
)
def test_an_answer_that_breaks_the_contract_is_not_taken(
    anon: AnonClient, fake: FakeAnon, answers: list[pb.AnonymizeInstanceResponse]
) -> None:
    fake.answers = answers
    with pytest.raises(BadAnswer):
        anon.anonymize_instance(b"x").read()


def test_a_study_is_asked_for_as_it_was_said(anon: AnonClient, fake: FakeAnon) -> None:
    operation = anon.anonymize_study(
        "1.2",
        "deid",
        source_store="trial",
        profile="p",
        attributes={"site": "a"},
        copied_attributes=["trial"],
        request_id="mine",
    )
    assert operation.name == "operations/anon-1"
    assert fake.requests == [
        pb.AnonymizeStudyRequest(
            request_id="mine",
            source_store="trial",
            study_uid="1.2",
            target_store="deid",
            profile="p",
            attributes={"site": "a"},
            copied_attributes=["trial"],
        )
    ]
    anon.anonymize_study("1.2", "deid")
    anon.anonymize_study("1.2", "deid")
    assert len({one.request_id for one in fake.requests}) == 3


def test_a_result_is_read_from_the_operation() -> None:
    packed = AnyMessage()
    packed.Pack(pb.AnonymizeStudyResult(instance_count=7))
    assert study_result(Operation(result=packed)).instance_count == 7
    with pytest.raises(BadAnswer):
        study_result(Operation())


async def test_anon_is_reached_asynchronously_too(target: str, fake: FakeAnon, tmp_path: Path) -> None:
    async with connect_async(target) as channel:
        client = AsyncAnonClient(channel)
        made = await client.anonymize_instance(BytesIO(FILE), profile="p")
        assert await made.read() == FILE[::-1]
        assert [data async for data in await client.anonymize_instance(b"ab")] == [b"ba"]
        with pytest.raises(SourceUnreadable):
            await client.anonymize_instance(tmp_path / "absent.dcm")
        given_up = await client.anonymize_instance(FILE)
        await given_up.aclose()
        fake.answers = [described(3)]
        with pytest.raises(BadAnswer):
            await (await client.anonymize_instance(b"x")).read()
        assert (await client.anonymize_study("1.2", "deid")).name == "operations/anon-1"
        assert [one.name for one in await client.profiles()] == ["default"]


async def test_a_stream_that_is_refused_while_it_is_sent_says_why(target: str, fake: FakeAnon) -> None:
    fake.busy = True
    async with connect_async(target) as channel:
        client = AsyncAnonClient(channel)
        for _ in range(20):
            with pytest.raises(ResourceExhausted) as caught:
                await client.anonymize_instance(FILE)
            assert caught.value.reason == "OVERLOADED"
