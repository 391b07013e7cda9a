"""AnonService over the core."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import chain

import grpc

from diana.anon.v1 import anon_service_pb2 as pb
from diana.anon.v1.anon_service_pb2_grpc import AnonServiceServicer
from diana_anon.core.chunks import gathered
from diana_anon.core.studies.deidentifier import Deidentifier
from diana_anon.core.texts import TextDeidentifier
from diana_anon.servicer.operations import PREVIEW, STUDIES, STUDY
from diana_anon.wire.anon import instance_to_proto, profile_to_proto, store_of, text_job_from_proto
from diana_common.errors import DianaError, Reason, invalid_field
from diana_server.operations import Operation, OperationQueue, operation_to_proto

_CHUNK_BYTES = 1024 * 1024


class AnonServicer(AnonServiceServicer):
    """De-identifies instances; studies are operations of `queue`."""

    def __init__(
        self, deidentifier: Deidentifier, texts: TextDeidentifier, queue: OperationQueue, most_streams: int
    ) -> None:
        """No more than `most_streams` instances come in at a time, so that other calls find a place beside them."""
        self._places = threading.BoundedSemaphore(most_streams)
        self._deidentifier = deidentifier
        self._texts = texts
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
        made = self._deidentifier.instance(self._deidentifier.collect(data, procedure), procedure, identities)
        yield pb.AnonymizeInstanceResponse(instance=instance_to_proto(made))
        for piece in gathered(made.file.pieces, _CHUNK_BYTES):
            yield pb.AnonymizeInstanceResponse(data=piece)

    def AnonymizeStudy(
        self, request: pb.AnonymizeStudyRequest, context: grpc.ServicerContext
    ) -> pb.AnonymizeStudyResponse:
        return pb.AnonymizeStudyResponse(operation=operation_to_proto(self._submitted(STUDY, request)))

    def AnonymizeStudies(
        self, request: pb.AnonymizeStudiesRequest, context: grpc.ServicerContext
    ) -> pb.AnonymizeStudiesResponse:
        kind = PREVIEW if request.preview else STUDIES
        return pb.AnonymizeStudiesResponse(operation=operation_to_proto(self._submitted(kind, request)))

    def AnonymizeText(
        self, request: pb.AnonymizeTextRequest, context: grpc.ServicerContext
    ) -> pb.AnonymizeTextResponse:
        text, changed = self._texts.run(text_job_from_proto(request))
        return pb.AnonymizeTextResponse(text=text, changed_count=changed)

    def ListProfiles(self, request: pb.ListProfilesRequest, context: grpc.ServicerContext) -> pb.ListProfilesResponse:
        procedures = self._deidentifier.procedures
        return pb.ListProfilesResponse(profiles=[profile_to_proto(procedures[name]) for name in sorted(procedures)])

    def _submitted(self, kind: str, request: pb.AnonymizeStudyRequest | pb.AnonymizeStudiesRequest) -> Operation:
        """The operation that does what is asked; its payload is the request, without its id."""
        if kind != PREVIEW and store_of(request.target_store) == store_of(request.source_store):
            raise invalid_field("target_store", "is the source's: what is de-identified goes to another store")
        self._deidentifier.procedure(request.profile)
        payload = request.SerializeToString(deterministic=True)
        if request.request_id:
            asked = type(request).FromString(payload)
            asked.ClearField("request_id")
            payload = asked.SerializeToString(deterministic=True)
        return self._queue.submit(kind, payload, request.target_store, request.request_id)
