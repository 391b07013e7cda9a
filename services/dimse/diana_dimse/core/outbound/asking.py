"""Identifiers that we send to peers (PS3.4 sections C.4.1, C.4.2): keys to match, attributes to return."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diana_common.dicomjson import DataSetJson, first_value, texts
from diana_common.errors import DianaError, FieldViolation, Reason
from diana_common.tags import tag_hex, tag_of, vr_of
from diana_common.uid import is_uid
from diana_dimse.core.queries.finding import UNIQUE_KEYS, Level
from diana_dimse.core.queries.identifiers import CHARACTER_SET, QUERY_RETRIEVE_LEVEL
from diana_dimse.core.sop_classes import PATIENT_ROOT_FIND, STUDY_ROOT_FIND

_PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
_USUAL: Mapping[Level, Sequence[str]] = {
    Level.PATIENT: (*_PATIENT, "NumberOfPatientRelatedStudies", "NumberOfPatientRelatedInstances"),
    Level.STUDY: (
        *_PATIENT,
        *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber"),
        *("ReferringPhysicianName", "ModalitiesInStudy"),
        *("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
    ),
    Level.SERIES: (
        *("StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription"),
        *("SeriesDate", "SeriesTime", "BodyPartExamined", "NumberOfSeriesRelatedInstances"),
    ),
    Level.IMAGE: ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber"),
}
_NO_KEYS = frozenset({CHARACTER_SET, QUERY_RETRIEVE_LEVEL})
_BINARY = frozenset(["OB", "OW", "OF", "OD", "OL", "OV", "UN"])
_NUMBERS = frozenset(["US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"])
_COUNT = "00201208"
_COUNT_FORM = re.compile(r"[0-9]{1,9}")
_SOP_CLASSES = "00080062"
_MOST_CLASSES = 127


@dataclass(frozen=True)
class Match:
    """A matching key of a caller's: any of the values, or the keys of a sequence's item."""

    attribute: str
    """A keyword or a tag."""

    values: tuple[str, ...] = ()
    item: tuple[Match, ...] = ()


@dataclass(frozen=True)
class Inquiry:
    """A C-FIND: its SOP Class and identifier."""

    level: Level
    identifier: DataSetJson

    @property
    def sop_class(self) -> str:
        """Study Root below patient level, Patient Root at it."""
        return PATIENT_ROOT_FIND if self.level is Level.PATIENT else STUDY_ROOT_FIND

    @property
    def needs_relational(self) -> bool:
        """Whether the unique key of a level above lacks: only a relational query may do without."""
        levels = list(Level)
        above = levels[1 : levels.index(self.level)] if self.level is not Level.PATIENT else []
        return not all(first_value(self.identifier, UNIQUE_KEYS[one]) for one in above)


@dataclass(frozen=True)
class Found:
    """A study that a peer has."""

    study_uid: str
    instance_count: int = 0
    """How many instances it has by the peer's own count; 0 where the peer does not tell."""

    sop_classes: tuple[str, ...] = ()
    """The SOP Classes in it, where the peer tells."""


def inquiry(level: Level, matches: Sequence[Match], return_keys: Sequence[str] = ()) -> Inquiry:
    """A query for the level's usual attributes and others. Raises DianaError KEY_UNSUPPORTED."""
    identifier: dict[str, Mapping[str, Any]] = {}
    for keyword in (*_USUAL[level], *return_keys):
        tag = _tag(keyword, "return_keys")
        identifier[tag] = {"vr": vr_of(int(tag, 16))}
    identifier.update(_keys(matches))
    identifier[QUERY_RETRIEVE_LEVEL] = {"vr": "CS", "Value": [level.value]}
    return Inquiry(level, identifier)


def study_inquiry(matches: Sequence[Match]) -> Inquiry:
    """A query for studies to retrieve. Raises DianaError KEY_UNSUPPORTED."""
    identifier: dict[str, Mapping[str, Any]] = {
        QUERY_RETRIEVE_LEVEL: {"vr": "CS", "Value": [Level.STUDY.value]},
        UNIQUE_KEYS[Level.STUDY]: {"vr": "UI"},
        "00080020": {"vr": "DA"},
        "00080050": {"vr": "SH"},
        _COUNT: {"vr": "IS"},
        _SOP_CLASSES: {"vr": "UI"},
    }
    return Inquiry(Level.STUDY, {**identifier, **_keys(matches)})


def found_study(answer: DataSetJson) -> Found | None:
    """The study of an answer; None where it names none."""
    study_uid = (first_value(answer, UNIQUE_KEYS[Level.STUDY]) or "").strip()
    if not is_uid(study_uid):
        return None
    count = (first_value(answer, _COUNT) or "").strip()
    classes = tuple(one for one in texts(answer, _SOP_CLASSES)[:_MOST_CLASSES] if is_uid(one))
    return Found(study_uid, int(count) if _COUNT_FORM.fullmatch(count) else 0, classes)


def study_identifier(study_uid: str) -> DataSetJson:
    """The identifier that retrieves a study."""
    return {
        QUERY_RETRIEVE_LEVEL: {"vr": "CS", "Value": [Level.STUDY.value]},
        UNIQUE_KEYS[Level.STUDY]: {"vr": "UI", "Value": [study_uid]},
    }


def _keys(matches: Sequence[Match]) -> dict[str, Mapping[str, Any]]:
    return {tag: _element(tag, match) for match in matches for tag in [_tag(match.attribute, "matches")]}


def _element(tag: str, match: Match) -> Mapping[str, Any]:
    vr = vr_of(int(tag, 16))
    if match.item or vr == "SQ":
        if match.values or vr != "SQ":
            raise _unsupported("matches")
        return {"vr": "SQ", "Value": [_keys(match.item)]}
    if vr in _BINARY and match.values:
        raise _unsupported("matches")
    values: list[Any] = [{"Alphabetic": one} if vr == "PN" else one for one in match.values]
    if vr in _NUMBERS:
        values = [_number(one) for one in match.values]
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _unsupported("matches") from None


def _tag(attribute: str, field: str) -> str:
    text = attribute.strip().strip("()").replace(",", "")
    tag = tag_of(text)
    if tag is None and len(text) == 8:
        try:
            tag = int(text, 16)
        except ValueError:
            tag = None
    if tag is None or tag >> 16 < 8 or tag_hex(tag) in _NO_KEYS:
        raise _unsupported(field)
    return tag_hex(tag)


def _unsupported(field: str) -> DianaError:
    description = "names an attribute that a query cannot hold, or match so"
    return DianaError(Reason.KEY_UNSUPPORTED, f"{field}: {description}.", fields=[FieldViolation(field, description)])
