"""Between the messages of CohortService and the index's own words of cohorts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from diana.index.v1 import cohort_service_pb2 as pb
from diana.index.v1 import index_service_pb2
from diana_index.core.attributes import Level
from diana_index.core.cohort_store import Cohort
from diana_index.core.cohorts import Comparison
from diana_index.core.members import Member
from diana_index.core.question import Asked, Key
from diana_index.wire.index import level_to_proto
from diana_server.times import timestamp

_PATIENT = ("patient_id", "issuer_of_patient_id", "study_uid")
_UIDS = ("study_uid", "series_uid", "sop_instance_uid")
"""What the parts of a name are: see core.members."""


def cohort_to_proto(cohort: Cohort, count: int = 0) -> pb.Cohort:
    """A cohort; `count`: how many records it has, unless it is frozen."""
    message = pb.Cohort(
        cohort_id=cohort.cohort_id,
        description=cohort.description,
        question=question_to_proto(cohort.asked),
        record_count=count,
        create_time=timestamp(cohort.create_time),
    )
    if frozen := cohort.frozen:
        message.frozen = True
        message.record_count = frozen.record_count
        message.digest = frozen.digest
        message.position = frozen.position
    return message


def question_to_proto(asked: Asked) -> index_service_pb2.Question:
    """A question as the contract has it."""
    return index_service_pb2.Question(
        store=asked.store,
        level=level_to_proto(asked.level),
        matches=_matches(asked.keys),
        filter=asked.filter,
        fuzzy_names=asked.fuzzy_names,
        combined_date_times=asked.combined_date_times,
    )


def members_to_proto(level: Level, members: Iterable[Member]) -> Iterator[pb.CohortMember]:
    """What names records of a level."""
    fields = _PATIENT if level is Level.PATIENT else _UIDS
    return (pb.CohortMember(**dict(zip(fields, member))) for member in members)


def comparison_to_proto(found: Comparison) -> pb.CompareCohortsResponse:
    """What two cohorts have in common, and what not."""
    return pb.CompareCohortsResponse(
        common_count=found.common,
        first_only_count=found.first_only,
        second_only_count=found.second_only,
        first_only=members_to_proto(found.level, found.first_sample),
        second_only=members_to_proto(found.level, found.second_sample),
    )


def _matches(keys: Sequence[Key]) -> list[index_service_pb2.AttributeMatch]:
    return [
        index_service_pb2.AttributeMatch(attribute=key.attribute, values=key.values, item=_matches(key.item))
        for key in keys
    ]
