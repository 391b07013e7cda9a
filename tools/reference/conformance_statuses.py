"""The statuses of the conformance statement: which service answers which, and when."""

from __future__ import annotations

from collections.abc import Sequence

from diana_dimse.core.statuses import Status
from tools.reference.markdown import table

Rows = Sequence[tuple[Status, str]]

_SERVICES: Sequence[tuple[str, Rows]] = (
    ("Verification, C-ECHO (PS3.4 Annex A)", ((Status.SUCCESS, "always"),)),
    (
        "Storage, C-STORE (PS3.4 Table B.2-1)",
        (
            (Status.SUCCESS, "the archive has the instance, and would have it after a power cut; or it had it already"),
            (
                Status.OUT_OF_RESOURCES,
                (
                    "for the moment: the archive does not answer, a disk or quota is full, too much is under way; or "
                    "the instance is larger than `limits.instance_bytes`. Nothing was stored"
                ),
            ),
            (
                Status.DATA_SET_DOES_NOT_MATCH,
                "the data set has another SOP Class or SOP Instance UID than the command, or a UID that is none",
            ),
            (Status.CANNOT_UNDERSTAND, "the data set cannot be read to its end, or lacks a UID that it needs"),
            (
                Status.DUPLICATE_INSTANCE,
                "the store has another data set of this SOP Instance UID, and its conflict policy refuses a second",
            ),
            (Status.SOP_CLASS_NOT_SUPPORTED, "the command's SOP Class is not that of the presentation context"),
            (Status.INVALID_INSTANCE, "the command's SOP Instance UID is none"),
            (Status.NOT_AUTHORIZED, "the requestor may not store here, or is no SCU in this presentation context"),
            (Status.PROCESSING_FAILURE, "the archive refuses it for another reason; Error Comment names it"),
        ),
    ),
    (
        "Query and worklist, C-FIND (PS3.4 Tables C.4-1 and K.4-1)",
        (
            (Status.PENDING, "an answer; all keys were matched, and are answered"),
            (
                Status.PENDING_WITH_UNSUPPORTED_KEYS,
                (
                    "an answer; a key was not matched, or is not answered, because the index does not keep it at this "
                    "level (not of the worklist)"
                ),
            ),
            (Status.SUCCESS, "these were all"),
            (Status.CANCELLED, "C-CANCEL came"),
            (
                Status.OUT_OF_RESOURCES,
                "the index does not answer now; or `limits.answers` were sent, and there is more",
            ),
            (
                Status.DATA_SET_DOES_NOT_MATCH,
                (
                    "the level is none of the model's, or a unique key above it lacks a single value and relational "
                    "queries were not negotiated; Error Comment says which"
                ),
            ),
            (Status.CANNOT_UNDERSTAND, "the identifier cannot be read, or a value is none of its VR"),
        ),
    ),
    (
        "Retrieval, C-MOVE and C-GET (PS3.4 Tables C.4-2 and C.4-3)",
        (
            (Status.PENDING, "sub-operations go on; twice a second at most"),
            (Status.SUCCESS, "every instance was sent, some perhaps with a warning; also where nothing matches"),
            (
                Status.SUBOPERATIONS_WITH_FAILURES,
                "some instances could not be sent; Failed SOP Instance UID List (0008,0058) names them",
            ),
            (Status.OUT_OF_RESOURCES_SUBOPERATIONS, "no instance could be sent; the list names them"),
            (Status.OUT_OF_RESOURCES_MATCHES, "archive or index does not answer, or more than 200,000 instances match"),
            (Status.CANCELLED, "C-CANCEL came; what remains was not sent"),
            (Status.MOVE_DESTINATION_UNKNOWN, "no peer of this AE title, with a host, is configured (C-MOVE)"),
            (Status.DATA_SET_DOES_NOT_MATCH, "the identifier is none of the SOP Class; Error Comment says why"),
            (Status.CANNOT_UNDERSTAND, "the identifier cannot be read"),
        ),
    ),
    (
        "Storage commitment, N-ACTION (PS3.4 section J.3.2)",
        (
            (Status.SUCCESS, "the request is kept; an N-EVENT-REPORT follows"),
            (Status.NO_SUCH_INSTANCE, "it is not about the well-known SOP Instance"),
            (Status.NO_SUCH_ACTION, "the Action Type ID is not 1"),
            (Status.INVALID_ARGUMENT, "it lacks a Transaction UID or instances, or cannot be read"),
            (Status.RESOURCE_LIMITATION, "`commitment.pending` requests wait already, or the disk is full"),
            (Status.PROCESSING_FAILURE, "the Transaction UID stands for another request; or it cannot be kept"),
            (Status.NOT_AUTHORIZED, "the requestor is no SCU in this presentation context"),
        ),
    ),
    (
        "Storage commitment, N-EVENT-REPORT to us (PS3.4 section J.3.3)",
        (
            (Status.SUCCESS, "the result of a request of ours"),
            (Status.NO_SUCH_EVENT_TYPE, "the Event Type ID is neither 1 nor 2"),
            (Status.NO_SUCH_INSTANCE, "it is not about the well-known SOP Instance"),
            (Status.INVALID_ARGUMENT, "it cannot be read"),
            (Status.PROCESSING_FAILURE, "no request of ours awaits it"),
        ),
    ),
    (
        "Modality Performed Procedure Step, N-CREATE, N-SET and N-GET (PS3.4 sections F.7 and F.8)",
        (
            (Status.SUCCESS, "it is kept, durably; or, to N-GET, these are its attributes"),
            (Status.OPTIONAL_ATTRIBUTES_UNSUPPORTED, "N-GET asks for an attribute that the step lacks"),
            (Status.MISSING_ATTRIBUTE, "a type 1 attribute lacks; Error Comment has its tag"),
            (Status.MISSING_ATTRIBUTE_VALUE, "a type 1 attribute is empty; Error Comment has its tag"),
            (Status.INVALID_ATTRIBUTE_VALUE, "the status is none, or none to begin with; a Study Instance UID is none"),
            (Status.DUPLICATE_INSTANCE, "N-CREATE: there is a step of this UID"),
            (Status.NO_SUCH_INSTANCE, "N-SET, N-GET: there is no step of this UID"),
            (Status.INVALID_INSTANCE, "the SOP Instance UID is none"),
            (Status.PROCESSING_FAILURE, "N-SET: the step is completed or discontinued (Error ID A710)"),
            (Status.RESOURCE_LIMITATION, "`procedure_steps.most` are kept already, or the disk is full"),
        ),
    ),
    (
        "Any other request (PS3.7 Annex C)",
        ((Status.UNRECOGNIZED_OPERATION, "the operation is none that this presentation context has"),),
    ),
)


def make_statuses() -> str:
    """A table for each service."""
    return "".join(
        f"**{service}**\n\n" + table(["status", "", "when"], [(f"{one:04X}", _named(one), when) for one, when in rows])
        for service, rows in _SERVICES
    )


def told() -> set[Status]:
    """The statuses that the tables have."""
    return {status for _, rows in _SERVICES for status, _ in rows}


def _named(status: Status) -> str:
    return status.name.lower().replace("_", " ")
