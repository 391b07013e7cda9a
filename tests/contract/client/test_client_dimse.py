"""The clients of the DICOM network door against a servicer of a few lines."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2

from diana.dimse.v1 import dimse_service_pb2 as pb
from diana.dimse.v1.dimse_service_pb2_grpc import DimseServiceServicer, add_DimseServiceServicer_to_server
from diana.operation.v1.operation_service_pb2 import Operation
from diana.type.v1.query_level_pb2 import QUERY_LEVEL_SERIES
from diana_client import (
    AsyncDimseClient,
    BadAnswer,
    DimseClient,
    InvalidRequest,
    Unavailable,
    connect,
    connect_async,
    retrieve_result,
    send_result,
)
from tests.contract.client.conftest import Serve
from tests.contract.client.fake_archive import refuse, status_of


class FakeDimse(DimseServiceServicer):
    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.answers = [b'{"0020000D":{"vr":"UI","Value":["1.2"]}}', b"{}", b"{}"]
        self.echoes = 0

    def ListPeers(self, request: pb.ListPeersRequest, context: grpc.ServicerContext) -> pb.ListPeersResponse:
        return pb.ListPeersResponse(peers=[pb.Peer(name="pacs", ae_title="PACS")])

    def ListLocalEntities(
        self, request: pb.ListLocalEntitiesRequest, context: grpc.ServicerContext
    ) -> pb.ListLocalEntitiesResponse:
        return pb.ListLocalEntitiesResponse(address="127.0.0.1:11112")

    def ListAssociations(
        self, request: pb.ListAssociationsRequest, context: grpc.ServicerContext
    ) -> pb.ListAssociationsResponse:
        return pb.ListAssociationsResponse(associations=[pb.Association(calling_ae_title="CT1")])

    def EchoPeer(self, request: pb.EchoPeerRequest, context: grpc.ServicerContext) -> pb.EchoPeerResponse:
        self.echoes += 1
        if request.peer == "away":
            refuse(context, status_of(code_pb2.UNAVAILABLE, "AE_UNAVAILABLE", "Away."))
        return pb.EchoPeerResponse(round_trip=Duration(nanos=250_000_000))

    def FindAtPeer(
        self, request: pb.FindAtPeerRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.FindAtPeerResponse]:
        self.requests.append(request)
        yield pb.FindAtPeerResponse(dicom_json=self.answers[:1])
        yield pb.FindAtPeerResponse(dicom_json=self.answers[1:])

    def RetrieveFromPeer(
        self, request: pb.RetrieveFromPeerRequest, context: grpc.ServicerContext
    ) -> pb.RetrieveFromPeerResponse:
        self.requests.append(request)
        operation = Operation(name="operations/dimse-1")
        operation.result.Pack(pb.RetrieveFromPeerResult(study_count=7))
        return pb.RetrieveFromPeerResponse(operation=operation)

    def SendToPeer(self, request: pb.SendToPeerRequest, context: grpc.ServicerContext) -> pb.SendToPeerResponse:
        self.requests.append(request)
        operation = Operation(name="operations/dimse-2")
        operation.result.Pack(pb.SendToPeerResult(sent_count=9))
        return pb.SendToPeerResponse(operation=operation)


@pytest.fixture
def fake() -> FakeDimse:
    return FakeDimse()


@pytest.fixture
def target(serve: Serve, fake: FakeDimse) -> str:
    return serve(add_DimseServiceServicer_to_server, fake)


@pytest.fixture
def dimse(target: str) -> Iterator[DimseClient]:
    with connect(target) as channel:
        yield DimseClient(channel)


def test_peers_titles_and_associations_are_listed(dimse: DimseClient) -> None:
    assert [one.ae_title for one in dimse.peers()] == ["PACS"]
    assert dimse.local_entities().address == "127.0.0.1:11112"
    assert [one.calling_ae_title for one in dimse.associations()] == ["CT1"]


def test_an_echo_takes_seconds_and_is_not_tried_again_by_the_connection(dimse: DimseClient, fake: FakeDimse) -> None:
    assert dimse.echo("pacs") == 0.25
    with pytest.raises(Unavailable):
        dimse.echo("away")
    assert fake.echoes == 2


def test_answers_are_dicom_json_objects(dimse: DimseClient, fake: FakeDimse) -> None:
    found = list(dimse.find("pacs", "series", {"StudyInstanceUID": "1.2"}, return_keys=["StationName"], limit=5))
    assert found == [{"0020000D": {"vr": "UI", "Value": ["1.2"]}}, {}, {}]
    [asked] = fake.requests
    assert (asked.level, asked.return_keys, asked.limit) == (QUERY_LEVEL_SERIES, ["StationName"], 5)
    assert asked.matches[0].attribute == "StudyInstanceUID"


@pytest.mark.parametrize("answer", [b"", b"[]", b"\xff"])
def test_an_answer_that_is_none_is_a_bad_answer(dimse: DimseClient, fake: FakeDimse, answer: bytes) -> None:
    fake.answers = [answer]
    with pytest.raises(BadAnswer):
        list(dimse.find("pacs", "study"))


def test_retrievals_are_named_in_three_ways(dimse: DimseClient, fake: FakeDimse) -> None:
    first = datetime.date(2026, 1, 31)
    dimse.retrieve_studies("pacs", ["1.2"], store="raw", method="get")
    dimse.retrieve_accessions("pacs", ["A1"], request_id="mine")
    operation = dimse.retrieve_dates("pacs", first, "20260201", days=2, matches={"Modality": "CT"}, method="move")
    studies, accessions, dates = fake.requests
    assert (studies.studies.study_uids, studies.store, studies.method) == (["1.2"], "raw", pb.RETRIEVE_METHOD_GET)
    assert (accessions.accession_numbers.accession_numbers, accessions.request_id) == (["A1"], "mine")
    assert (dates.sweep.first_date, dates.sweep.last_date, dates.sweep.days) == ("20260131", "20260201", 2)
    assert studies.request_id and studies.request_id != dates.request_id
    assert retrieve_result(operation).study_count == 7
    with pytest.raises(BadAnswer):
        send_result(operation)
    with pytest.raises(InvalidRequest):
        dimse.retrieve_studies("pacs", ["1.2"], method="beam")


def test_studies_are_sent(dimse: DimseClient, fake: FakeDimse) -> None:
    operation = dimse.send("pacs", study_uids=["1.2"], sop_instance_uids=["1.3"], commit=True)
    [asked] = fake.requests
    assert (asked.study_uids, asked.sop_instance_uids, asked.commit) == (["1.2"], ["1.3"], True)
    assert send_result(operation).sent_count == 9
    with pytest.raises(BadAnswer):
        retrieve_result(operation)


async def test_the_door_answers_asynchronously_too(target: str, fake: FakeDimse) -> None:
    async with connect_async(target) as channel:
        client = AsyncDimseClient(channel)
        assert [one.name for one in await client.peers()] == ["pacs"]
        assert (await client.local_entities()).address
        assert len(await client.associations()) == 1
        assert await client.echo("pacs") == 0.25
        assert len([one async for one in client.find("pacs", "study")]) == 3
        assert (await client.retrieve_studies("pacs", ["1.2"])).name == "operations/dimse-1"
        assert (await client.retrieve_accessions("pacs", ["A1"])).name == "operations/dimse-1"
        assert (await client.retrieve_dates("pacs", "20260101", "20260102")).name == "operations/dimse-1"
        assert (await client.send("pacs", study_uids=["1.2"])).name == "operations/dimse-2"
