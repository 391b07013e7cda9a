"""The clients of the DICOM network door: PACS and other peers queried, retrieved from and sent to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from diana.dimse.v1 import dimse_service_pb2 as pb
from diana.dimse.v1.dimse_service_pb2_grpc import DimseServiceStub
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client.calls import AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel
from diana_client.dimse_requests import Date, answers, find_request, retrieve_request, send_request, sweep
from diana_client.index_requests import Level, Matches

if TYPE_CHECKING:
    from diana.dimse.v1.dimse_service_pb2_grpc import DimseServiceAsyncStub


class DimseClient(Caller):
    """Talks to `DimseService`. Safe to share between threads.

    A peer is named as the service's configuration names it. Follow an operation with an `OperationClient` on the same
    channel; `retrieve_result(operation)` and `send_result(operation)` tell what it ended with. Calls with the same
    `request_id` start one operation; without one, each call makes up its own.
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = DimseServiceStub(channel.raw)

    def peers(self) -> list[pb.Peer]:
        """The peers of the configuration, by name."""
        return list(self._ask(self.stub.ListPeers, pb.ListPeersRequest()).peers)

    def local_entities(self) -> pb.ListLocalEntitiesResponse:
        """The AE titles that the door answers to, and where."""
        return self._ask(self.stub.ListLocalEntities, pb.ListLocalEntitiesRequest())

    def associations(self) -> list[pb.Association]:
        """The associations that are open now, the oldest first."""
        return list(self._ask(self.stub.ListAssociations, pb.ListAssociationsRequest()).associations)

    def echo(self, peer: str) -> float:
        """Verify that a peer answers (C-ECHO); the seconds that it took."""
        answer = self._ask(self.stub.EchoPeer, pb.EchoPeerRequest(peer=peer))
        return answer.round_trip.ToTimedelta().total_seconds()

    def find(
        self,
        peer: str,
        level: Level,
        matches: Matches | None = None,
        *,
        return_keys: Iterable[str] = (),
        limit: int = 0,
        timeout: float | None = None,
    ) -> Iterator[dict[str, Any]]:
        """What a peer answers to a query (C-FIND), as DICOM JSON objects, while they come.

        More than `limit` (0: 1,000) answers raise InvalidRequest with reason RESULT_TOO_LARGE, after the last of
        them. Leaving the loop early cancels the query. `timeout`: seconds for all of it.
        """
        request = find_request(peer, level, matches, return_keys, limit)
        for message in self._stream(self.stub.FindAtPeer, request, timeout):
            yield from answers(message)

    def retrieve_studies(
        self, peer: str, study_uids: Iterable[str], *, store: str = "", method: str = "", request_id: str = ""
    ) -> Operation:
        """Have studies brought into a store. `method`: "move", "get", or as the peer's configuration says."""
        request = retrieve_request(peer, pb.StudyList(study_uids=study_uids), store, method, request_id)
        return self._ask(self.stub.RetrieveFromPeer, request).operation

    def retrieve_accessions(
        self, peer: str, accession_numbers: Iterable[str], *, store: str = "", method: str = "", request_id: str = ""
    ) -> Operation:
        """Have the studies of accession numbers brought into a store."""
        selection = pb.AccessionList(accession_numbers=accession_numbers)
        request = retrieve_request(peer, selection, store, method, request_id)
        return self._ask(self.stub.RetrieveFromPeer, request).operation

    def retrieve_dates(
        self,
        peer: str,
        first: Date,
        last: Date,
        *,
        days: int = 0,
        matches: Matches | None = None,
        store: str = "",
        method: str = "",
        request_id: str = "",
    ) -> Operation:
        """Have the studies of a span of days, both included, brought into a store; each query spans `days` (0: 1)."""
        request = retrieve_request(peer, sweep(first, last, days, matches), store, method, request_id)
        return self._ask(self.stub.RetrieveFromPeer, request).operation

    def send(
        self,
        peer: str,
        *,
        study_uids: Iterable[str] = (),
        sop_instance_uids: Iterable[str] = (),
        store: str = "",
        commit: bool = False,
        request_id: str = "",
    ) -> Operation:
        """Have instances of a store sent to a peer; `commit` asks the peer to commit itself to keep them."""
        request = send_request(peer, study_uids, sop_instance_uids, store, commit, request_id)
        return self._ask(self.stub.SendToPeer, request).operation


class AsyncDimseClient(AsyncCaller):
    """As `DimseClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: DimseServiceAsyncStub = DimseServiceStub(channel.raw)

    async def peers(self) -> list[pb.Peer]:
        """The peers of the configuration, by name."""
        return list((await self._ask(self.stub.ListPeers, pb.ListPeersRequest())).peers)

    async def local_entities(self) -> pb.ListLocalEntitiesResponse:
        """The AE titles that the door answers to, and where."""
        return await self._ask(self.stub.ListLocalEntities, pb.ListLocalEntitiesRequest())

    async def associations(self) -> list[pb.Association]:
        """The associations that are open now, the oldest first."""
        return list((await self._ask(self.stub.ListAssociations, pb.ListAssociationsRequest())).associations)

    async def echo(self, peer: str) -> float:
        """As `DimseClient.echo`."""
        answer = await self._ask(self.stub.EchoPeer, pb.EchoPeerRequest(peer=peer))
        return answer.round_trip.ToTimedelta().total_seconds()

    async def find(
        self,
        peer: str,
        level: Level,
        matches: Matches | None = None,
        *,
        return_keys: Iterable[str] = (),
        limit: int = 0,
        timeout: float | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """As `DimseClient.find`."""
        request = find_request(peer, level, matches, return_keys, limit)
        async for message in self._stream(self.stub.FindAtPeer, request, timeout):
            for one in answers(message):
                yield one

    async def retrieve_studies(
        self, peer: str, study_uids: Iterable[str], *, store: str = "", method: str = "", request_id: str = ""
    ) -> Operation:
        """As `DimseClient.retrieve_studies`."""
        request = retrieve_request(peer, pb.StudyList(study_uids=study_uids), store, method, request_id)
        return (await self._ask(self.stub.RetrieveFromPeer, request)).operation

    async def retrieve_accessions(
        self, peer: str, accession_numbers: Iterable[str], *, store: str = "", method: str = "", request_id: str = ""
    ) -> Operation:
        """As `DimseClient.retrieve_accessions`."""
        selection = pb.AccessionList(accession_numbers=accession_numbers)
        request = retrieve_request(peer, selection, store, method, request_id)
        return (await self._ask(self.stub.RetrieveFromPeer, request)).operation

    async def retrieve_dates(
        self,
        peer: str,
        first: Date,
        last: Date,
        *,
        days: int = 0,
        matches: Matches | None = None,
        store: str = "",
        method: str = "",
        request_id: str = "",
    ) -> Operation:
        """As `DimseClient.retrieve_dates`."""
        request = retrieve_request(peer, sweep(first, last, days, matches), store, method, request_id)
        return (await self._ask(self.stub.RetrieveFromPeer, request)).operation

    async def send(
        self,
        peer: str,
        *,
        study_uids: Iterable[str] = (),
        sop_instance_uids: Iterable[str] = (),
        store: str = "",
        commit: bool = False,
        request_id: str = "",
    ) -> Operation:
        """As `DimseClient.send`."""
        request = send_request(peer, study_uids, sop_instance_uids, store, commit, request_id)
        return (await self._ask(self.stub.SendToPeer, request)).operation
