"""The attributes that are indexed: the one table of what can be matched, ordered by and returned.

Keys of PS3.4 tables C.6-1 to C.6-5, and what people search by besides. The level is the level whose record
carries the attribute. What else is searched by are search keys: see `vocabulary`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from diana_common.errors import DianaError, FieldViolation, Reason
from diana_common.tags import tag_hex, tag_of, vm_of, vr_of
from diana_index.core.paths import Step, Steps, parse_path, path_text


class Level(IntEnum):
    """A level of the Query/Retrieve information model (PS3.4 section C.3); numbered as QueryLevel."""

    PATIENT = 1
    STUDY = 2
    SERIES = 3
    INSTANCE = 4


@dataclass(frozen=True, slots=True)
class Attribute:
    """An indexed attribute."""

    keyword: str
    """Within sequences keywords joined by "."; of a search key its id."""
    tag: str
    """Eight upper-case hexadecimal digits; within sequences several, joined by "."; of a search key "@" and its id."""
    vr: str
    level: Level
    many: bool
    """Whether a record usually has several matching forms: the VM allows several values, or it is a name."""
    usual: bool = False
    """Whether answers at its level carry it unasked."""
    derived: bool = False
    """Whether it is counted or gathered from the records below instead of read from a header."""
    steps: Steps = ()
    """The way to it in a header; of one without a column only."""

    @property
    def has_column(self) -> bool:
        """Whether its level's records keep its first form with them; else all its forms are kept apart."""
        return not self.steps


_USUAL = {
    Level.PATIENT: "PatientName PatientID IssuerOfPatientID PatientBirthDate PatientSex",
    Level.STUDY: "StudyDate StudyTime AccessionNumber StudyID StudyInstanceUID ReferringPhysicianName StudyDescription",
    Level.SERIES: """Modality SeriesNumber SeriesInstanceUID SeriesDescription BodyPartExamined
        PerformedProcedureStepStartDate PerformedProcedureStepStartTime""",
    Level.INSTANCE: """InstanceNumber SOPInstanceUID SOPClassUID AvailableTransferSyntaxUID Rows Columns
        BitsAllocated NumberOfFrames""",
}
_DERIVED = {
    Level.PATIENT: "NumberOfPatientRelatedStudies NumberOfPatientRelatedSeries NumberOfPatientRelatedInstances",
    Level.STUDY: "ModalitiesInStudy SOPClassesInStudy NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances",
    Level.SERIES: "NumberOfSeriesRelatedInstances",
    Level.INSTANCE: "",
}
_FURTHER = {
    Level.PATIENT: """PatientBirthTime OtherPatientIDs OtherPatientNames TypeOfPatientID EthnicGroup PatientComments
        PatientSpeciesDescription PatientIdentityRemoved""",
    Level.STUDY: """NameOfPhysiciansReadingStudy PhysiciansOfRecord AdmittingDiagnosesDescription PatientAge PatientSize
        PatientWeight Occupation AdditionalPatientHistory OtherStudyNumbers RequestedProcedureDescription""",
    Level.SERIES: """SeriesDate SeriesTime Laterality Manufacturer ManufacturerModelName StationName InstitutionName
        InstitutionalDepartmentName DeviceSerialNumber SoftwareVersions ProtocolName PerformingPhysicianName
        OperatorsName PatientPosition PerformedProcedureStepID PerformedProcedureStepDescription
        FrameOfReferenceUID""",
    Level.INSTANCE: """ContentDate ContentTime ImageType AcquisitionNumber AcquisitionDate AcquisitionTime
        AcquisitionDateTime InstanceCreationDate InstanceCreationTime TimezoneOffsetFromUTC ContentLabel
        ContentDescription CompletionFlag VerificationFlag BurnedInAnnotation LossyImageCompression""",
}
_NESTED = {
    Level.PATIENT: "OtherPatientIDsSequence.PatientID OtherPatientIDsSequence.IssuerOfPatientID",
    Level.STUDY: """ProcedureCodeSequence.CodeValue ProcedureCodeSequence.CodingSchemeDesignator
        ProcedureCodeSequence.CodeMeaning ReferencedStudySequence.ReferencedSOPInstanceUID""",
    Level.SERIES: """RequestAttributesSequence.RequestedProcedureID RequestAttributesSequence.ScheduledProcedureStepID
        RequestAttributesSequence.AccessionNumber""",
    Level.INSTANCE: """ConceptNameCodeSequence.CodeValue ConceptNameCodeSequence.CodingSchemeDesignator
        ConceptNameCodeSequence.CodeMeaning""",
}

AGE = Attribute("age", "age", "FD", Level.STUDY, many=False, derived=True)
"""The patient's age at the study, in years: Patient's Age, or else from the dates of birth and study."""


def _attribute(keyword: str, level: Level, usual: bool, derived: bool) -> Attribute:
    tag = tag_of(keyword)
    if tag is None:
        raise LookupError(f"{keyword} is no keyword of PS3.6")
    vr = vr_of(tag)
    return Attribute(keyword, tag_hex(tag), vr, level, vr == "PN" or vm_of(tag) != "1", usual, derived)


def nested_attribute(keyword: str, tag: str, vr: str, level: Level, steps: tuple[Step, ...]) -> Attribute:
    """An attribute that is reached by a path and has no column."""
    return Attribute(keyword, tag, vr, level, many=True, steps=steps)


def _nested(path: str, level: Level) -> Attribute:
    steps = parse_path(path, "path")
    return nested_attribute(path, path_text(steps), vr_of(int(steps[-1].tag, 16)), level, steps)


def _attributes(level: Level) -> tuple[Attribute, ...]:
    attributes = [_attribute(keyword, level, usual=True, derived=False) for keyword in _USUAL[level].split()]
    attributes += [_attribute(keyword, level, usual=True, derived=True) for keyword in _DERIVED[level].split()]
    attributes += [_attribute(keyword, level, usual=False, derived=False) for keyword in _FURTHER[level].split()]
    attributes += [AGE] if AGE.level == level else []
    return tuple(sorted(attributes, key=lambda attribute: attribute.tag))


ATTRIBUTES: Mapping[Level, tuple[Attribute, ...]] = {level: _attributes(level) for level in Level}
"""The attributes that have a column, by level, each level's by tag."""

NESTED: Mapping[Level, tuple[Attribute, ...]] = {
    level: tuple(_nested(path, level) for path in _NESTED[level].split()) for level in Level
}
"""The attributes within sequences that are indexed from the first."""

BY_TAG: Mapping[str, Attribute] = {one.tag: one for attributes in ATTRIBUTES.values() for one in attributes}
"""The attributes that have a column, by tag."""

BY_KEYWORD: Mapping[str, Attribute] = {one.keyword: one for one in BY_TAG.values()}
"""The attributes that have a column, by keyword."""

UNIQUE_KEYS: Mapping[Level, Attribute] = {
    Level.PATIENT: BY_KEYWORD["PatientID"],
    Level.STUDY: BY_KEYWORD["StudyInstanceUID"],
    Level.SERIES: BY_KEYWORD["SeriesInstanceUID"],
    Level.INSTANCE: BY_KEYWORD["SOPInstanceUID"],
}
"""What names a record at each level (PS3.4's unique keys)."""


def unsupported(field: str, description: str) -> DianaError:
    """KEY_UNSUPPORTED for the attribute that a request's `field` names."""
    return DianaError(Reason.KEY_UNSUPPORTED, f"{field}: {description}", fields=[FieldViolation(field, description)])
