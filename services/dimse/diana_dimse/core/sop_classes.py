"""SOP Classes by the service that they belong to (PS3.4), and transfer syntaxes, from PS3.6's registry."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from diana_common.dicom.dictionary import registered_uids
from diana_dimse.core.entities import Service

VERIFICATION = "1.2.840.10008.1.1"
PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
MODALITY_WORKLIST_FIND = "1.2.840.10008.5.1.4.31"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
PROCEDURE_STEP = "1.2.840.10008.3.1.2.3.3"
PROCEDURE_STEP_RETRIEVE = "1.2.840.10008.3.1.2.3.4"

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"

QUERY_SYNTAXES = frozenset({IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN})
"""What identifiers and other data sets that are no objects come in."""

BY_SERVICE: Mapping[Service, frozenset[str]] = {
    Service.ECHO: frozenset({VERIFICATION}),
    Service.FIND: frozenset({PATIENT_ROOT_FIND, STUDY_ROOT_FIND}),
    Service.MOVE: frozenset({PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE}),
    Service.GET: frozenset({PATIENT_ROOT_GET, STUDY_ROOT_GET}),
    Service.COMMIT: frozenset({STORAGE_COMMITMENT}),
    Service.WORKLIST: frozenset({MODALITY_WORKLIST_FIND}),
    Service.PROCEDURE_STEP: frozenset({PROCEDURE_STEP, PROCEDURE_STEP_RETRIEVE}),
}
"""All but storage, whose SOP Classes are many."""

_MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


@cache
def storage_classes() -> frozenset[str]:
    """The storage SOP Classes that PS3.6 knows, retired ones too; a DICOMDIR is not among them."""
    return frozenset(
        uid
        for uid, entry in registered_uids().items()
        if entry.kind == "SOP Class"
        and "Storage" in entry.name
        and not entry.name.startswith("Storage Commitment")
        and uid != _MEDIA_STORAGE_DIRECTORY
    )


# What is registered as a transfer syntax and encodes no data set: MIME, XML, real-time video, Papyrus.
_NO_DATA_SETS = ("1.2.840.10008.1.2.6.", "1.2.840.10008.1.2.7.", "1.2.840.10008.1.20")


@cache
def transfer_syntaxes() -> frozenset[str]:
    """The transfer syntaxes of data sets, retired ones too."""
    registered = (uid for uid, entry in registered_uids().items() if entry.kind == "Transfer Syntax")
    return frozenset(uid for uid in registered if not uid.startswith(_NO_DATA_SETS))
