"""DIMSE statuses (PS3.7 Annex C, PS3.4): what an answer says became of a request."""

from __future__ import annotations

from enum import IntEnum

from diana_common.errors import Code, DianaError, Reason


class Status(IntEnum):
    """The statuses that we answer with."""

    SUCCESS = 0x0000
    PENDING = 0xFF00
    PENDING_WITH_UNSUPPORTED_KEYS = 0xFF01
    CANCELLED = 0xFE00
    SUBOPERATIONS_WITH_FAILURES = 0xB000
    OPTIONAL_ATTRIBUTES_UNSUPPORTED = 0x0001
    INVALID_ATTRIBUTE_VALUE = 0x0106
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_INSTANCE = 0x0111
    NO_SUCH_INSTANCE = 0x0112
    NO_SUCH_EVENT_TYPE = 0x0113
    NO_SUCH_ARGUMENT = 0x0114
    INVALID_ARGUMENT = 0x0115
    INVALID_INSTANCE = 0x0117
    NO_SUCH_CLASS = 0x0118
    CLASS_INSTANCE_CONFLICT = 0x0119
    MISSING_ATTRIBUTE = 0x0120
    MISSING_ATTRIBUTE_VALUE = 0x0121
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORIZED = 0x0124
    UNRECOGNIZED_OPERATION = 0x0211
    RESOURCE_LIMITATION = 0x0213
    OUT_OF_RESOURCES = 0xA700
    OUT_OF_RESOURCES_MATCHES = 0xA701
    OUT_OF_RESOURCES_SUBOPERATIONS = 0xA702
    MOVE_DESTINATION_UNKNOWN = 0xA801
    DATA_SET_DOES_NOT_MATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000


_WARNINGS = frozenset({0x0001, 0x0107, 0x0116})


def is_success(status: int) -> bool:
    """Whether it was done, if only with a warning (PS3.7 section C.4)."""
    return status == Status.SUCCESS or status in _WARNINGS or status >> 12 == 0xB


_RETRY = frozenset({Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.ABORTED})


def store_status(error: DianaError) -> Status:
    """What a C-STORE is answered with for a refusal (PS3.4 Table B.2-1).

    A700 asks the sender to try again later; all else says that this object will not be taken.
    """
    if error.reason is Reason.INSTANCE_CONFLICT:
        return Status.DUPLICATE_INSTANCE
    if error.code in _RETRY:
        return Status.OUT_OF_RESOURCES
    if error.reason is Reason.INSTANCE_TOO_LARGE:
        return Status.OUT_OF_RESOURCES
    if error.reason is Reason.UID_INVALID:
        return Status.DATA_SET_DOES_NOT_MATCH
    if error.code is Code.INVALID_ARGUMENT:
        return Status.CANNOT_UNDERSTAND
    return Status.PROCESSING_FAILURE


def find_status(error: DianaError) -> Status:
    """What a C-FIND is answered with for a refusal (PS3.4 section C.4.1.1.4)."""
    return Status.OUT_OF_RESOURCES if error.code in _RETRY else Status.CANNOT_UNDERSTAND


def general_status(error: DianaError) -> Status:
    """What any other request is answered with for a refusal (PS3.7 Annex C)."""
    return Status.OUT_OF_RESOURCES if error.code in _RETRY else Status.PROCESSING_FAILURE
