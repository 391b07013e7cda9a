"""The clients of collections: lists of studies pulled from a source, politely, and delivered."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from diana.operation.v1.operation_service_pb2 import Operation
from diana.route.v1 import collect_service_pb2 as pb
from diana.route.v1.collect_service_pb2_grpc import CollectServiceStub
from diana_client.calls import LARGEST_PAGE, AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel
from diana_client.errors import BadAnswer

if TYPE_CHECKING:
    from diana.route.v1.collect_service_pb2_grpc import CollectServiceAsyncStub

MARK = "collection"
"""The plain attribute of the studies that a collection de-identified; its value is `Collection.mark`."""

SOURCE_KEYS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyDescription",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
)
"""What sources are asked of the studies that are collected: the keywords that `source_studies` tells of."""

_ANY = pb.CollectedItem.STATE_UNSPECIFIED


class CollectClient(Caller):
    """Talks to `CollectService`. Safe to share between threads.

    Follow an operation with an `OperationClient` on the same channel; a collection is named by any of its operations.
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = CollectServiceStub(channel.raw)

    def start(self, request: pb.StartCollectionRequest) -> Operation:
        """Start a collection that `collect_request` describes."""
        return self._ask(self.stub.StartCollection, request).operation

    def collection(self, operation: str) -> pb.Collection:
        """How far one is."""
        return self._ask(self.stub.GetCollection, pb.GetCollectionRequest(operation=operation)).collection

    def items(self, operation: str, *, state: pb.CollectedItem.State.ValueType = _ANY) -> Iterator[pb.CollectedItem]:
        """What became of each of its items; of those in one state, if it is given."""
        request = pb.ListCollectedItemsRequest(operation=operation, state=state, page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListCollectedItems, request, lambda page: page.items)

    def source_studies(self, operation: str, *, timeout: float | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
        """What its source says of the studies that it found: the items' numbers, and DICOM JSON with patient values.

        The source is asked anew. `timeout`: seconds for all of it.
        """
        request = pb.ListSourceStudiesRequest(operation=operation)
        for message in self._stream(self.stub.ListSourceStudies, request, timeout):
            yield message.number, _header(message)

    def retry(self, operation: str) -> Operation:
        """Have what failed or was left tried again; the operation that is at it."""
        return self._ask(self.stub.RetryCollection, pb.RetryCollectionRequest(operation=operation)).operation


class AsyncCollectClient(AsyncCaller):
    """As `CollectClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: CollectServiceAsyncStub = CollectServiceStub(channel.raw)

    async def start(self, request: pb.StartCollectionRequest) -> Operation:
        """As `CollectClient.start`."""
        return (await self._ask(self.stub.StartCollection, request)).operation

    async def collection(self, operation: str) -> pb.Collection:
        """As `CollectClient.collection`."""
        return (await self._ask(self.stub.GetCollection, pb.GetCollectionRequest(operation=operation))).collection

    def items(
        self, operation: str, *, state: pb.CollectedItem.State.ValueType = _ANY
    ) -> AsyncIterator[pb.CollectedItem]:
        """As `CollectClient.items`."""
        request = pb.ListCollectedItemsRequest(operation=operation, state=state, page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListCollectedItems, request, lambda page: page.items)

    async def source_studies(
        self, operation: str, *, timeout: float | None = None
    ) -> AsyncIterator[tuple[int, dict[str, Any]]]:
        """As `CollectClient.source_studies`."""
        request = pb.ListSourceStudiesRequest(operation=operation)
        async for message in self._stream(self.stub.ListSourceStudies, request, timeout):
            yield message.number, _header(message)

    async def retry(self, operation: str) -> Operation:
        """As `CollectClient.retry`."""
        return (await self._ask(self.stub.RetryCollection, pb.RetryCollectionRequest(operation=operation))).operation


def collect_request(
    *,
    source: Mapping[str, str],
    destination: Mapping[str, str],
    accession_numbers: Iterable[str] = (),
    study_uids: Iterable[str] = (),
    cohort: str = "",
    profile: str | None = None,
    result_store: str = "",
    studies_per_minute: float = 0.0,
    instances_per_second: float = 0.0,
    hours: Iterable[str] = (),
    time_zone: str = "",
    request_id: str = "",
) -> pb.StartCollectionRequest:
    """A request to collect. One of `accession_numbers`, `study_uids` and `cohort` is given.

    `source` is {"peer": NAME} or {"endpoint": NAME}, `destination` one of these or {"store": NAME}. `profile`: how to
    de-identify ("" means anon's default; None: not at all), and `result_store` where to. Rates: 0 is no limit. Without
    a `request_id` it gets one of its own.
    """
    request = pb.StartCollectionRequest(
        request_id=request_id or str(uuid.uuid4()),
        source=pb.CollectSource(**source),
        destination=pb.CollectDestination(**destination),
        deidentification=None if profile is None else pb.CollectDeidentification(profile=profile, store=result_store),
        pace=pb.CollectPace(
            studies_per_minute=studies_per_minute,
            instances_per_second=instances_per_second,
            hours=hours,
            time_zone=time_zone,
        ),
    )
    if cohort:
        request.cohort = cohort
    elif numbers := list(accession_numbers):
        request.accession_numbers.values.extend(numbers)
    else:
        request.study_uids.values.extend(study_uids)
    return request


def _header(message: pb.ListSourceStudiesResponse) -> dict[str, Any]:
    try:
        header = json.loads(message.dicom_json)
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise BadAnswer("The service described a study in something else than DICOM JSON.")
    return header
