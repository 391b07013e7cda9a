"""CohortService over the core."""

from __future__ import annotations

import math

import grpc

from diana.index.v1 import cohort_service_pb2 as pb
from diana.index.v1.cohort_service_pb2_grpc import CohortServiceServicer
from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.position import Position
from diana_index.core.cohorts import Cohorts
from diana_index.core.index import Wait
from diana_index.core.paging import PageTokens
from diana_index.wire import asked_from_proto
from diana_index.wire import cohorts as wire
from diana_server.operations import OperationQueue, Work
from diana_server.operations.wire import operation_to_proto

FREEZE = "index.freeze"

_COHORTS = 100
"""A page of cohorts, where no size is asked for."""
_PAGE_BYTES = 2 * 1024 * 1024
_MOST_QUESTION_BYTES = 1024 * 1024
_LISTING = b"ListCohorts"


class CohortServicer(CohortServiceServicer):
    """Answers for cohorts. Freezing is an operation of `queue`, which `freeze` does."""

    def __init__(self, cohorts: Cohorts, queue: OperationQueue, tokens: PageTokens) -> None:
        self._cohorts = cohorts
        self._queue = queue
        self._tokens = tokens
        queue.register(FREEZE, self.freeze)
        cohorts.clean(self._has_ended)

    def CreateCohort(self, request: pb.CreateCohortRequest, context: grpc.ServicerContext) -> pb.CreateCohortResponse:
        asked = request.cohort
        if not asked.HasField("question"):
            raise invalid_field("cohort.question", "is required")
        if asked.question.ByteSize() > _MOST_QUESTION_BYTES:
            raise invalid_field("cohort.question", "is longer than 1 MiB")
        question = asked_from_proto(asked.question, "cohort.question.")
        cohort = self._cohorts.create(asked.cohort_id, asked.description, question)
        count = self._cohorts.count(cohort, _now(context))
        return pb.CreateCohortResponse(cohort=wire.cohort_to_proto(cohort, count))

    def GetCohort(self, request: pb.GetCohortRequest, context: grpc.ServicerContext) -> pb.GetCohortResponse:
        cohort = self._cohorts.get(request.cohort_id)
        count = self._cohorts.count(cohort, _now(context))
        return pb.GetCohortResponse(cohort=wire.cohort_to_proto(cohort, count))

    def ListCohorts(self, request: pb.ListCohortsRequest, context: grpc.ServicerContext) -> pb.ListCohortsResponse:
        (after,) = self._tokens.open(request.page_token, _LISTING) or ("",)
        page = pb.ListCohortsResponse()
        size = 0
        for cohort in self._cohorts.listed(str(after)):
            message = wire.cohort_to_proto(cohort)
            size += message.ByteSize()
            if len(page.cohorts) == (request.page_size or _COHORTS) or (page.cohorts and size > _PAGE_BYTES):
                page.next_page_token = self._tokens.seal((page.cohorts[-1].cohort_id,), _LISTING)
                break
            page.cohorts.append(message)
        return page

    def FreezeCohort(self, request: pb.FreezeCohortRequest, context: grpc.ServicerContext) -> pb.FreezeCohortResponse:
        kept = pb.FreezeCohortRequest()
        kept.CopyFrom(request)
        kept.ClearField("request_id")
        payload = kept.SerializeToString(deterministic=True)
        operation = self._queue.repeated(FREEZE, payload, request_id=request.request_id)
        if not operation:
            if request.at_least_position:
                Position.parse(request.at_least_position)
            self._cohorts.check_freezable(request.cohort_id, request.frozen_cohort_id)
            operation = self._queue.submit(FREEZE, payload, request_id=request.request_id)
        return pb.FreezeCohortResponse(operation=operation_to_proto(operation))

    def ListCohortMembers(
        self, request: pb.ListCohortMembersRequest, context: grpc.ServicerContext
    ) -> pb.ListCohortMembersResponse:
        page = self._cohorts.members(request.cohort_id, request.page_size, request.page_token, context.is_active)
        members = wire.members_to_proto(page.level, page.members)
        return pb.ListCohortMembersResponse(members=members, next_page_token=page.next_token)

    def CompareCohorts(
        self, request: pb.CompareCohortsRequest, context: grpc.ServicerContext
    ) -> pb.CompareCohortsResponse:
        found = self._cohorts.compare(
            request.first_cohort_id, request.second_cohort_id, request.sample_size, context.is_active
        )
        return wire.comparison_to_proto(found)

    def DeleteCohort(self, request: pb.DeleteCohortRequest, context: grpc.ServicerContext) -> pb.DeleteCohortResponse:
        self._cohorts.delete(request.cohort_id)
        return pb.DeleteCohortResponse()

    def freeze(self, work: Work) -> pb.Cohort:
        """An operation of kind `index.freeze`; one that was cut short begins again."""
        request = pb.FreezeCohortRequest.FromString(work.payload)

        def reached(done: int, total: int) -> None:
            work.raise_if_cancelled()
            work.progress(done, total, "record")

        # An index that lost its records meanwhile, and derives them anew, must have got there again before it answers.
        position = work.last_checkpoint.decode() or request.at_least_position or self._cohorts.position()
        work.checkpoint(position.encode())
        wait = Wait(position, math.inf, lambda: not work.cancelled())
        try:
            cohort = self._cohorts.freeze(request.cohort_id, request.frozen_cohort_id, work.operation, wait, reached)
        except DianaError:
            work.raise_if_cancelled()
            raise
        return wire.cohort_to_proto(cohort)

    def _has_ended(self, operation: str) -> bool:
        try:
            return self._queue.get(operation).state.ended
        except DianaError as error:
            if error.reason is not Reason.OPERATION_NOT_FOUND:
                raise
            return True


def _now(context: grpc.ServicerContext) -> Wait:
    return Wait("", 0.0, context.is_active)
