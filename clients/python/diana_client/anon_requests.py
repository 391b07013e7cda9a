"""What the clients of anon ask, and what its operations end with."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from diana.anon.v1 import anon_service_pb2 as pb
from diana.guid.v1.guid_service_pb2 import Subject
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client.errors import BadAnswer


def study_request(
    study_uid: str,
    target_store: str,
    source_store: str,
    profile: str,
    attributes: Mapping[str, str] | None,
    copied_attributes: Iterable[str],
    request_id: str,
) -> pb.AnonymizeStudyRequest:
    """One study; without a `request_id` it gets one of its own."""
    return pb.AnonymizeStudyRequest(
        request_id=request_id or str(uuid.uuid4()),
        source_store=source_store,
        study_uid=study_uid,
        target_store=target_store,
        profile=profile,
        attributes=attributes,
        copied_attributes=copied_attributes,
    )


def studies_request(
    study_uids: Iterable[str],
    target_store: str,
    source_store: str,
    profile: str,
    attributes: Mapping[str, str] | None,
    copied_attributes: Iterable[str],
    preview: bool,
    request_id: str,
) -> pb.AnonymizeStudiesRequest:
    """A cohort; without a `request_id` it gets one of its own."""
    return pb.AnonymizeStudiesRequest(
        request_id=request_id or str(uuid.uuid4()),
        source_store=source_store,
        study_uids=study_uids,
        target_store=target_store,
        profile=profile,
        attributes=attributes,
        copied_attributes=copied_attributes,
        preview=preview,
    )


def text_request(
    text: str, subject: Subject | None, identifiers: Iterable[str], study_uid: str, store: str, profile: str
) -> pb.AnonymizeTextRequest:
    """A free text."""
    return pb.AnonymizeTextRequest(
        profile=profile, text=text, subject=subject, identifiers=identifiers, study_uid=study_uid, store=store
    )


def study_result(operation: Operation) -> pb.AnonymizeStudyResult:
    """What `anonymize_study` ended with. Raises BadAnswer for an operation that has no such result."""
    result = pb.AnonymizeStudyResult()
    if not operation.result.Unpack(result):
        raise BadAnswer("The operation has no result of a de-identified study.")
    return result


def studies_result(operation: Operation) -> pb.AnonymizeStudiesResult:
    """What `anonymize_studies` ended with. Raises BadAnswer for an operation that has no such result."""
    result = pb.AnonymizeStudiesResult()
    if not operation.result.Unpack(result):
        raise BadAnswer("The operation has no result of de-identified studies.")
    return result
