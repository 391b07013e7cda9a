"""The clients for cohorts: save a question by name, freeze its answer, compare two, hand its studies on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from diana.index.v1 import cohort_service_pb2 as pb
from diana.index.v1.cohort_service_pb2_grpc import CohortServiceStub
from diana.index.v1.index_service_pb2_grpc import IndexServiceStub
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client.calls import LARGEST_PAGE, AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel
from diana_client.cohort_requests import (
    check_exportable,
    create_request,
    freeze_request,
    frozen_cohort,
    new_study,
    question_of,
)
from diana_client.index_requests import Level, Matches
from diana_client.index_tables import export_request, question, target

if TYPE_CHECKING:
    from diana.index.v1.cohort_service_pb2_grpc import CohortServiceAsyncStub
    from diana.index.v1.index_service_pb2_grpc import IndexServiceAsyncStub

__all__ = ["AsyncCohortClient", "CohortClient", "frozen_cohort"]

_MEMBERS = 10_000


class CohortClient(Caller):
    """Talks to `CohortService`. Safe to share between threads."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = CohortServiceStub(channel.raw)
        self._index = IndexServiceStub(channel.raw)

    def create(
        self,
        cohort_id: str,
        level: Level = "study",
        matches: Matches | None = None,
        *,
        where: str = "",
        fuzzy_names: bool = False,
        combined_date_times: bool = False,
        store: str = "",
        description: str = "",
    ) -> pb.Cohort:
        """Save a question, as `IndexClient.find` takes it, under a name; `where` is a filter expression."""
        asked = question(level, matches, where, fuzzy_names, combined_date_times, store)
        return self._ask(self.stub.CreateCohort, create_request(cohort_id, asked, description)).cohort

    def get(self, cohort_id: str) -> pb.Cohort:
        """A cohort, with how many records it has. Raises NotFound."""
        return self._ask(self.stub.GetCohort, pb.GetCohortRequest(cohort_id=cohort_id)).cohort

    def list(self) -> Iterator[pb.Cohort]:
        """The cohorts, by name; without the counts of those that are not frozen."""
        request = pb.ListCohortsRequest(page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListCohorts, request, lambda page: page.cohorts)

    def freeze(
        self, cohort_id: str, frozen_cohort_id: str, *, at_least_position: str = "", request_id: str = ""
    ) -> Operation:
        """Start to write a cohort's records down under another name; follow the operation on the same channel.

        `frozen_cohort` reads what it ended with. Calls with the same `request_id` start one operation; without one,
        each call makes up its own.
        """
        request = freeze_request(cohort_id, frozen_cohort_id, at_least_position, request_id)
        return self._ask(self.stub.FreezeCohort, request).operation

    def members(self, cohort_id: str) -> Iterator[pb.CohortMember]:
        """The names of a cohort's records. Raises NotFound."""
        request = pb.ListCohortMembersRequest(cohort_id=cohort_id, page_size=_MEMBERS)
        return self._pages(self.stub.ListCohortMembers, request, lambda page: page.members)

    def study_uids(self, cohort_id: str) -> Iterator[str]:
        """The studies that a cohort's records belong to, each once: to be read, de-identified or told of.

        Raises NotFound; InvalidRequest for a cohort of patients.
        """
        seen: set[str] = set()
        for member in self.members(cohort_id):
            if uid := new_study(member, seen):
                yield uid

    def export(
        self,
        cohort_id: str,
        to: BinaryIO | Path | str,
        *,
        file_format: str = "csv",
        columns: Iterable[str] = (),
        order_by: Iterable[str] = (),
    ) -> str:
        """Write a cohort's records as they are now to a file, as `IndexClient.export` does; the position it reflects.

        Of a frozen one, those that are there still. Raises NotFound; InvalidRequest for a frozen cohort of patients,
        or of over 10,000 records.
        """
        cohort = self.get(cohort_id)
        asked = cohort.question
        if cohort.frozen:
            check_exportable(cohort)
            asked = question_of(cohort, list(self.members(cohort_id)))
        request = export_request(asked, file_format, columns, order_by, "")
        position = ""
        with target(to) as file:
            for answer in self._stream(self._index.ExportRecords, request):
                file.write(answer.data)
                position = answer.position or position
        return position

    def compare(self, first: str, second: str, *, sample_size: int = 0) -> pb.CompareCohortsResponse:
        """What two cohorts of one level have in common, and what only one has, with so many names of each."""
        request = pb.CompareCohortsRequest(first_cohort_id=first, second_cohort_id=second, sample_size=sample_size)
        return self._ask(self.stub.CompareCohorts, request)

    def delete(self, cohort_id: str) -> None:
        """Forget a cohort; its records stay. Raises NotFound."""
        self._ask(self.stub.DeleteCohort, pb.DeleteCohortRequest(cohort_id=cohort_id))


class AsyncCohortClient(AsyncCaller):
    """As `CohortClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: CohortServiceAsyncStub = CohortServiceStub(channel.raw)
        self._index: IndexServiceAsyncStub = IndexServiceStub(channel.raw)

    async def create(
        self,
        cohort_id: str,
        level: Level = "study",
        matches: Matches | None = None,
        *,
        where: str = "",
        fuzzy_names: bool = False,
        combined_date_times: bool = False,
        store: str = "",
        description: str = "",
    ) -> pb.Cohort:
        """As `CohortClient.create`."""
        asked = question(level, matches, where, fuzzy_names, combined_date_times, store)
        return (await self._ask(self.stub.CreateCohort, create_request(cohort_id, asked, description))).cohort

    async def get(self, cohort_id: str) -> pb.Cohort:
        """As `CohortClient.get`."""
        return (await self._ask(self.stub.GetCohort, pb.GetCohortRequest(cohort_id=cohort_id))).cohort

    def list(self) -> AsyncIterator[pb.Cohort]:
        """As `CohortClient.list`."""
        request = pb.ListCohortsRequest(page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListCohorts, request, lambda page: page.cohorts)

    async def freeze(
        self, cohort_id: str, frozen_cohort_id: str, *, at_least_position: str = "", request_id: str = ""
    ) -> Operation:
        """As `CohortClient.freeze`."""
        request = freeze_request(cohort_id, frozen_cohort_id, at_least_position, request_id)
        return (await self._ask(self.stub.FreezeCohort, request)).operation

    def members(self, cohort_id: str) -> AsyncIterator[pb.CohortMember]:
        """As `CohortClient.members`."""
        request = pb.ListCohortMembersRequest(cohort_id=cohort_id, page_size=_MEMBERS)
        return self._pages(self.stub.ListCohortMembers, request, lambda page: page.members)

    async def study_uids(self, cohort_id: str) -> AsyncIterator[str]:
        """As `CohortClient.study_uids`."""
        seen: set[str] = set()
        async for member in self.members(cohort_id):
            if uid := new_study(member, seen):
                yield uid

    async def export(
        self,
        cohort_id: str,
        to: BinaryIO | Path | str,
        *,
        file_format: str = "csv",
        columns: Iterable[str] = (),
        order_by: Iterable[str] = (),
    ) -> str:
        """As `CohortClient.export`."""
        cohort = await self.get(cohort_id)
        asked = cohort.question
        if cohort.frozen:
            check_exportable(cohort)
            asked = question_of(cohort, [one async for one in self.members(cohort_id)])
        request = export_request(asked, file_format, columns, order_by, "")
        position = ""
        with target(to) as file:
            async for answer in self._stream(self._index.ExportRecords, request):
                file.write(answer.data)
                position = answer.position or position
        return position

    async def compare(self, first: str, second: str, *, sample_size: int = 0) -> pb.CompareCohortsResponse:
        """As `CohortClient.compare`."""
        request = pb.CompareCohortsRequest(first_cohort_id=first, second_cohort_id=second, sample_size=sample_size)
        return await self._ask(self.stub.CompareCohorts, request)

    async def delete(self, cohort_id: str) -> None:
        """As `CohortClient.delete`."""
        await self._ask(self.stub.DeleteCohort, pb.DeleteCohortRequest(cohort_id=cohort_id))
