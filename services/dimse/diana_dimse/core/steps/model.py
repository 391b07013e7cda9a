"""A Modality Performed Procedure Step and how it may change (PS3.4 section F.7.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from diana_common.dicomjson import DataSetJson, first_value, items
from diana_common.uid import is_uid
from diana_dimse.core.queries.identifiers import CHARACTER_SET
from diana_dimse.core.statuses import Status

NO_LONGER_UPDATED = 0xA710
"""Error ID (0000,0903) for a change to a step that is over (PS3.4 section F.7.2.2.2)."""

_STATUS = "00400252"
_SCHEDULED, _PERFORMED_SERIES = "00400270", "00400340"
_STUDY_UID, _REFERENCED_INSTANCE = "0020000D", "00081155"
_REFERENCED = ("00081140", "00400220")
"""Referenced Image Sequence, Referenced Non-Image Composite SOP Instance Sequence."""

# Type 1 at creation, and once it is over (PS3.4 Table F.7.2-1).
_FIRST = ("00080060", "00400241", "00400244", "00400245", _STATUS, "00400253")
_LAST = ("00400250", "00400251")
# What N-SET may not touch: who, why and when it began. It stays as it was.
_FIXED = frozenset(
    ("00080060", "00080005", "00100010", "00100020", "00100030", "00100040", "00100021", "00101002", "00081120")
) | frozenset(("00400241", "00400242", "00400243", "00400244", "00400245", "00400253", "00200010", _SCHEDULED))


class StepStatus(Enum):
    """Performed Procedure Step Status (0040,0252)."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


class StepRefused(Exception):
    """A creation or change that the standard does not allow. `str` is for the requestor, without its values."""

    def __init__(self, status: Status, comment: str, error_id: int | None = None) -> None:
        super().__init__(comment)
        self.status, self.error_id = status, error_id


@dataclass(frozen=True)
class Step:
    """One as it stands."""

    store: str
    """The archive's store that its studies are in."""

    uid: str
    """Its SOP Instance UID."""

    source: str
    """The AE title that reported it last."""

    attributes: DataSetJson

    @property
    def status(self) -> StepStatus:
        """Where it stands."""
        return StepStatus(first_value(self.attributes, _STATUS))

    @property
    def study_uids(self) -> tuple[str, ...]:
        """Its studies: mostly one."""
        found = (first_value(item, _STUDY_UID) or "" for item in items(self.attributes, _SCHEDULED))
        return tuple(dict.fromkeys(found))

    @property
    def sop_instance_uids(self) -> tuple[str, ...]:
        """The instances that it lists in its Performed Series Sequence (0040,0340)."""
        return tuple(dict.fromkeys(_referenced(self.attributes)))


def created(store: str, uid: str, source: str, attributes: DataSetJson) -> Step:
    """A new one, in progress. Raises StepRefused."""
    for tag in _FIRST:
        _require(attributes, tag)
    for item in _require_items(attributes, _SCHEDULED):
        if not is_uid(_require(item, _STUDY_UID)):
            raise StepRefused(Status.INVALID_ATTRIBUTE_VALUE, "a Study Instance UID is none")
    step = Step(store, uid, source, _without_character_set(attributes))
    if _status_of(attributes) is not StepStatus.IN_PROGRESS:
        raise StepRefused(Status.INVALID_ATTRIBUTE_VALUE, "a procedure step begins as IN PROGRESS")
    return step


def changed(step: Step, source: str, modifications: DataSetJson) -> Step:
    """It with some attributes replaced. Raises StepRefused."""
    if step.status is not StepStatus.IN_PROGRESS:
        text = "Performed Procedure Step Object may no longer be updated"
        raise StepRefused(Status.PROCESSING_FAILURE, text, NO_LONGER_UPDATED)
    own = {tag: element for tag, element in modifications.items() if tag not in _FIXED}
    if _STATUS in own:
        _status_of(own)
    after = replace(step, source=source, attributes={**step.attributes, **own})
    if after.status is not StepStatus.IN_PROGRESS:
        _check_final(after)
    return after


def _check_final(step: Step) -> None:
    """What must be known once it is over; a step that was broken off may have no series."""
    for tag in _LAST:
        _require(step.attributes, tag)
    if step.status is StepStatus.COMPLETED or _PERFORMED_SERIES not in step.attributes:
        _require_items(step.attributes, _PERFORMED_SERIES)


def _status_of(attributes: DataSetJson) -> StepStatus:
    try:
        return StepStatus(first_value(attributes, _STATUS))
    except ValueError:
        raise StepRefused(Status.INVALID_ATTRIBUTE_VALUE, _named(_STATUS)) from None


def _require(attributes: DataSetJson, tag: str) -> str:
    """The first value of a type 1 attribute."""
    text = first_value(attributes, tag)
    if text is None:
        raise _missing(attributes, tag)
    return text


def _require_items(attributes: DataSetJson, tag: str) -> list[DataSetJson]:
    """The items of a type 1 sequence."""
    found = items(attributes, tag)
    if not found:
        raise _missing(attributes, tag)
    return found


def _missing(attributes: DataSetJson, tag: str) -> StepRefused:
    return StepRefused(Status.MISSING_ATTRIBUTE_VALUE if tag in attributes else Status.MISSING_ATTRIBUTE, _named(tag))


def _named(tag: str) -> str:
    return f"({tag[:4]},{tag[4:]})"


def _referenced(attributes: DataSetJson) -> Iterator[str]:
    for series in items(attributes, _PERFORMED_SERIES):
        for sequence in _REFERENCED:
            for item in items(series, sequence):
                uid = first_value(item, _REFERENCED_INSTANCE) or ""
                if is_uid(uid):
                    yield uid


def _without_character_set(attributes: DataSetJson) -> Mapping[str, Any]:
    return {tag: element for tag, element in attributes.items() if tag != CHARACTER_SET}
