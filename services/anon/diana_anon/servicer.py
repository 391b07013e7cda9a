"""AnonService over the core."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import chain

import grpc

from diana.anon.v1 import anon_service_pb2 as pb
from diana.anon.v1.anon_service_pb2_grpc import AnonServiceServicer
from diana_anon.core.deidentifier import Deidentifier, gathered
from diana_anon.core.study import StudyDeidentifier
from diana_anon.wire import instance_to_proto, job_from_proto, outcome_to_proto, profile_to_proto
from diana_common.errors import DianaError, Reason, invalid_field
from diana_server.operations import OperationQueue, Work, operation_to_proto

STUDY = "anon.study"

_CHUNK_BYTES = 1024 * 1024


class AnonServicer(AnonServiceServicer):
    """De-identifies instances; studies are operations of `queue`."""

    def __init__(self, deidentifier: Deidentifier, queue: OperationQueue, most_streams: int) -> None:
        """No more than `most_streams` instances come in at a time, so that other calls find a place beside them."""
        self._places = threading.BoundedSemaphore(most_streams)
        self._deidentifier = deidentifier
        self._queue = queue

    def AnonymizeInstance(
        self, requests: Iterator[pb.AnonymizeInstanceRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.AnonymizeInstanceResponse]:
        if not self._places.acquire(blocking=False):
            raise DianaError(Reason.OVERLOADED, "As many instances come in as may at a time.")
        try:
            yield from self._anonymized(requests)
        finally:
            self._places.release()

    def _anonymized(self, requests: Iterator[pb.AnonymizeInstanceRequest]) -> Iterator[pb.AnonymizeInstanceResponse]:
        first = next(requests, pb.AnonymizeInstanceRequest())
        procedure = self._deidentifier.procedure(first.profile)
        identities = self._deidentifier.identities(procedure)
        data = (request.data for request in chain([first], requests))
        made = self._deidentifier.instance(data, procedure, identities)
        yield pb.AnonymizeInstanceResponse(instance=instance_to_proto(made))
        for piece in gathered(made.pieces, _CHUNK_BYTES):
            yield pb.AnonymizeInstanceResponse(data=piece)

    def AnonymizeStudy(
        self, request: pb.AnonymizeStudyRequest, context: grpc.ServicerContext
    ) -> pb.AnonymizeStudyResponse:
        job = job_from_proto(request)
        if job.target_store == job.source_store:
            raise invalid_field("target_store", "is the source's: what is de-identified goes to another store")
        self._deidentifier.procedure(job.profile)
        asked = pb.AnonymizeStudyRequest()
        asked.CopyFrom(request)
        asked.ClearField("request_id")
        operation = self._queue.submit(
            STUDY, asked.SerializeToString(deterministic=True), job.target_store, request.request_id
        )
        return pb.AnonymizeStudyResponse(operation=operation_to_proto(operation))

    def ListProfiles(self, request: pb.ListProfilesRequest, context: grpc.ServicerContext) -> pb.ListProfilesResponse:
        procedures = self._deidentifier.procedures
        return pb.ListProfilesResponse(profiles=[profile_to_proto(procedures[name]) for name in sorted(procedures)])


def study_handler(studies: StudyDeidentifier) -> Callable[[Work], pb.AnonymizeStudyResult]:
    """What does an operation of kind `anon.study`; one that a crash cut short goes on where it was."""

    def handle(work: Work) -> pb.AnonymizeStudyResult:
        job = job_from_proto(pb.AnonymizeStudyRequest.FromString(work.payload))
        return outcome_to_proto(job.target_store, studies.run(job, work))

    return handle
