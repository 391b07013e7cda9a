"""What a storage commitment is about (PS3.4 Annex J): its transaction, and what becomes of each instance."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from diana_common.dicomjson import DataSetJson, first_value, items
from diana_common.errors import invalid_field
from diana_common.uid import is_uid

PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1.1"
"""The one SOP Instance of the Storage Commitment Push Model SOP Class (PS3.4 section J.3.5)."""

REQUEST_ACTION = 1
SUCCESSFUL_EVENT, FAILURES_EVENT = 1, 2

_TRANSACTION_UID = "00081195"
_FAILED_SEQUENCE, _REFERENCED_SEQUENCE = "00081198", "00081199"
_CLASS, _INSTANCE, _FAILURE_REASON = "00081150", "00081155", "00081197"


class FailureReason(IntEnum):
    """Why there is no commitment to an instance (PS3.3 section C.14.1.1)."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_OBJECT_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance as somebody refers to it."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True)
class Asked:
    """A request for commitment."""

    transaction_uid: str
    references: tuple[Reference, ...]
    """Each once, at least one."""


@dataclass(frozen=True)
class Result:
    """What a provider answers to one."""

    transaction_uid: str
    committed: tuple[Reference, ...] = ()
    failed: Mapping[Reference, int] = field(default_factory=dict)
    """Failure Reason (0008,1197) of each that it does not commit itself to keep."""

    @property
    def event_type_id(self) -> int:
        """The event that tells it (PS3.4 section J.3.3.1)."""
        return FAILURES_EVENT if self.failed else SUCCESSFUL_EVENT


def new_transaction_uid() -> str:
    """A UID that nobody can guess."""
    return f"2.25.{uuid.uuid4().int}"


def action_information(asked: Asked) -> DataSetJson:
    """What an N-ACTION carries (PS3.4 Table J.3-1)."""
    return {
        _TRANSACTION_UID: _uid(asked.transaction_uid),
        _REFERENCED_SEQUENCE: {"vr": "SQ", "Value": [_item(one) for one in asked.references]},
    }


def read_action_information(information: DataSetJson) -> Asked:
    """And back. Raises DianaError INVALID_FIELD where it lacks a transaction or instances."""
    references = tuple(dict.fromkeys(map(_reference, items(information, _REFERENCED_SEQUENCE))))
    if not references:
        raise invalid_field("ReferencedSOPSequence", "names no instance")
    return Asked(_transaction(information), references)


def event_information(result: Result) -> DataSetJson:
    """What an N-EVENT-REPORT carries (PS3.4 Table J.3-2)."""
    information: dict[str, Mapping[str, Any]] = {_TRANSACTION_UID: _uid(result.transaction_uid)}
    if result.committed:
        information[_REFERENCED_SEQUENCE] = {"vr": "SQ", "Value": [_item(one) for one in result.committed]}
    if result.failed:
        failed = [{**_item(one), _FAILURE_REASON: {"vr": "US", "Value": [why]}} for one, why in result.failed.items()]
        information[_FAILED_SEQUENCE] = {"vr": "SQ", "Value": failed}
    return information


def read_event_information(information: DataSetJson) -> Result:
    """And back. Raises DianaError INVALID_FIELD."""
    failed = {_reference(one): _reason(one) for one in items(information, _FAILED_SEQUENCE)}
    committed = map(_reference, items(information, _REFERENCED_SEQUENCE))
    return Result(_transaction(information), tuple(one for one in committed if one not in failed), failed)


def _transaction(information: DataSetJson) -> str:
    uid = first_value(information, _TRANSACTION_UID) or ""
    if not is_uid(uid):
        raise invalid_field("TransactionUID", "is not a UID")
    return uid


def _reference(item: DataSetJson) -> Reference:
    reference = Reference(first_value(item, _CLASS) or "", first_value(item, _INSTANCE) or "")
    if not is_uid(reference.sop_class_uid) or not is_uid(reference.sop_instance_uid):
        raise invalid_field("ReferencedSOPSequence", "has an item without both UIDs")
    return reference


def _reason(item: DataSetJson) -> int:
    text = first_value(item, _FAILURE_REASON) or ""
    return int(text) if text.isascii() and text.isdigit() else FailureReason.PROCESSING_FAILURE


def _item(reference: Reference) -> dict[str, Mapping[str, Any]]:
    return {_CLASS: _uid(reference.sop_class_uid), _INSTANCE: _uid(reference.sop_instance_uid)}


def _uid(uid: str) -> Mapping[str, Sequence[str] | str]:
    return {"vr": "UI", "Value": [uid]}
