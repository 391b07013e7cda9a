"""What an index keeps of cohorts: questions by name, and their frozen answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from diana.index.v1 import cohort_service_pb2 as pb
from diana.index.v1.index_service_pb2 import Question
from diana.operation.v1.operation_service_pb2 import Operation
from diana.type.v1.query_level_pb2 import QueryLevel
from diana_client import CohortClient, OperationClient, frozen_cohort
from diana_client.errors import from_status
from diana_common.errors import DianaError, Reason
from diana_endpoints.failures import failure_of
from diana_endpoints.items import Item
from diana_endpoints.mesh import MeshEndpoint
from diana_endpoints.protocol.endpoint import OnProgress
from diana_endpoints.protocol.query import Query


class IndexedCohorts(MeshEndpoint):
    """The part of endpoint `index` that is about cohorts. Every method raises MeshError when it cannot go on."""

    _store: str
    """The store where none is named."""

    @cached_property
    def _cohorts(self) -> CohortClient:
        return CohortClient(self._channel)

    def create_cohort(self, name: str, query: Query, description: str = "") -> Item:
        """Save a question under a name."""
        made = self._cohorts.create(
            name,
            query.level,
            query.matches,
            where=query.where,
            fuzzy_names=query.fuzzy_names,
            combined_date_times=query.combined_date_times,
            store=query.store or self._store,
            description=description,
        )
        return _item(made)

    def cohort(self, name: str) -> Item:
        """A cohort, with how many records it has."""
        return _item(self._cohorts.get(name))

    def cohorts(self) -> Iterator[Item]:
        """The cohorts; without the counts of those that are not frozen."""
        for number, cohort in enumerate(self._cohorts.list(), 1):
            item = _item(cohort, number)
            if not cohort.frozen:
                del item.meta["records"]
            yield item

    def start_freeze(self, name: str, frozen: str, at_least_position: str = "") -> str:
        """Start to write a cohort's records down under another name; the name of the operation."""
        return self._cohorts.freeze(name, frozen, at_least_position=at_least_position).name

    def await_freeze(self, operation: str, on_progress: OnProgress | None = None) -> Item:
        """Wait for its end: the frozen cohort, or why there is none."""

        def tell(running: Operation) -> None:
            if on_progress:
                on_progress(running.progress.done, running.progress.total)

        ended = OperationClient(self._channel).wait(operation, on_progress=tell if on_progress else None)
        if ended.state == Operation.STATE_FAILED:
            return Item(failure=failure_of(from_status(ended.error)))
        if ended.state == Operation.STATE_CANCELLED:
            return Item(failure=failure_of(DianaError(Reason.OPERATION_FINISHED, "the operation was cancelled")))
        return _item(frozen_cohort(ended))

    def compare_cohorts(self, first: str, second: str, samples: int = 0) -> Iterator[Item]:
        """How many records two cohorts share, and how many only one has; then so many of either."""
        found = self._cohorts.compare(first, second, sample_size=samples)
        counts = {"both": found.common_count, "first": found.first_only_count, "second": found.second_only_count}
        yield Item(counts)
        for name, members in ((first, found.first_only), (second, found.second_only)):
            for member in members:
                yield Item({"only_in": name} | _named(member))

    def export_cohort(
        self,
        name: str,
        file_format: str,
        to: BinaryIO | Path,
        columns: Sequence[str] = (),
        order_by: Sequence[str] = (),
    ) -> None:
        """Write a cohort's records as they are now."""
        self._cohorts.export(name, to, file_format=file_format, columns=columns, order_by=order_by)

    def delete_cohort(self, name: str) -> None:
        """Forget a cohort; its records stay."""
        self._cohorts.delete(name)

    def cohort_members(self, name: str) -> Iterator[Item]:
        """A cohort's records, with the store that they are in."""
        store = {"store": self._cohorts.get(name).question.store}
        for number, member in enumerate(self._cohorts.members(name), 1):
            yield Item(store | _named(member), number=number)


def _item(cohort: pb.Cohort, number: int = 0) -> Item:
    meta: dict[str, Any] = {
        "cohort": cohort.cohort_id,
        "store": cohort.question.store,
        "level": QueryLevel.Name(cohort.question.level).removeprefix("QUERY_LEVEL_").lower(),
        "question": _asked(cohort.question),
        "frozen": cohort.frozen,
        "records": cohort.record_count,
        "created": cohort.create_time.ToJsonString(),
        "description": cohort.description,
    }
    if cohort.frozen:
        meta |= {"digest": cohort.digest.hex(), "position": cohort.position}
    return Item(meta, number=number)


def _asked(question: Question) -> str:
    """A question's keys and filter, as a person writes them."""
    keys = [f"{match.attribute}={value}" for match in question.matches for value in match.values]
    keys += [f"{match.attribute}[{len(match.item)} keys]" for match in question.matches if match.item]
    return " ".join([*keys, *([question.filter] if question.filter else [])])


def _named(member: pb.CohortMember) -> dict[str, str]:
    return {field.name: value for field, value in member.ListFields()}
