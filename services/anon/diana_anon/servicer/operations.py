"""What does anon's operations; one that a crash cut short goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from diana.anon.v1 import anon_service_pb2 as pb
from diana_anon.core.proof.findings import Findings
from diana_anon.core.proof.shipping import Arrivals
from diana_anon.core.reports.counts import Counts
from diana_anon.core.studies.cohort import CohortRunner
from diana_anon.core.studies.study import StudyDeidentifier
from diana_anon.wire.anon import (
    cohort_job_from_proto,
    cohort_outcome_to_proto,
    study_job_from_proto,
    study_outcome_to_proto,
)
from diana_common.errors import DianaError
from diana_server.operations import Work

Result = TypeVar("Result")

STUDY, STUDIES, PREVIEW = "anon.study", "anon.studies", "anon.preview"
"""The kinds of operations; the payload of each is its request, without the request_id."""


def study_handler(studies: StudyDeidentifier) -> Callable[[Work], pb.AnonymizeStudyResult]:
    """What does an operation of kind `anon.study`."""

    def handle(work: Work) -> pb.AnonymizeStudyResult:
        job = study_job_from_proto(pb.AnonymizeStudyRequest.FromString(work.payload))
        return study_outcome_to_proto(job.target_store, studies.run(job, work))

    return handle


def preview_handler(
    cohorts: CohortRunner, counts: Callable[[str], Counts], findings: Findings
) -> Callable[[Work], pb.AnonymizeStudiesResult]:
    """What does an operation of kind `anon.preview`."""
    looked_at = studies_handler(cohorts, counts)

    def handle(work: Work) -> pb.AnonymizeStudiesResult:
        result = looked_at(work)
        result.conflict_count, result.remaining_text_count = findings.totals(work.operation)
        findings.end(work.operation)
        return result

    return handle


def studies_handler(
    cohorts: CohortRunner, counts: Callable[[str], Counts]
) -> Callable[[Work], pb.AnonymizeStudiesResult]:
    """What does an operation of kind `anon.studies`."""

    def handle(work: Work) -> pb.AnonymizeStudiesResult:
        job = cohort_job_from_proto(pb.AnonymizeStudiesRequest.FromString(work.payload))
        outcome = cohorts.run(job, work)
        return cohort_outcome_to_proto(job.target_store, outcome, counts(work.operation))

    return handle


def settling(handle: Callable[[Work], Result], arrivals: Arrivals) -> Callable[[Work], Result]:
    """A handler around which receipts are settled: those that a crash left pending, and those that its own work did."""

    def handle_settled(work: Work) -> Result:
        _settle(arrivals)
        try:
            return handle(work)
        finally:
            _settle(arrivals)

    return handle_settled


def _settle(arrivals: Arrivals) -> None:
    """Without an answer receipts stay pending until the next operation; nothing else depends on it."""
    with suppress(DianaError, ValueError):  # the latter from a connection that a stop has closed
        arrivals.settle()
