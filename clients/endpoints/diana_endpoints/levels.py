"""The levels of the DICOM information model (PS3.4 section C.6.1), and what names each where."""

from __future__ import annotations

from dataclasses import dataclass

from diana_common.errors import invalid_field


@dataclass(frozen=True, slots=True)
class Level:
    """A level, from the patient down."""

    name: str
    """As queries and `meta["level"]` have it."""
    plural: str
    """As REST has it."""
    depth: int
    """How many levels are above it."""
    key: str
    """What names one of its kind in the metadata of items."""
    keyword: str
    """The unique key of the level, by keyword."""
    tag: str
    """The same by tag, as DICOM JSON writes it."""


PATIENT = Level("patient", "patients", 0, "patient_id", "PatientID", "00100020")
STUDY = Level("study", "studies", 1, "study_uid", "StudyInstanceUID", "0020000D")
SERIES = Level("series", "series", 2, "series_uid", "SeriesInstanceUID", "0020000E")
INSTANCE = Level("instance", "instances", 3, "sop_instance_uid", "SOPInstanceUID", "00080018")

BY_UID = (STUDY, SERIES, INSTANCE)
"""The levels whose unique key is a UID, from the top down."""
LEVELS = (PATIENT, *BY_UID)
"""All, from the top down."""
UIDS = tuple(level.key for level in BY_UID)
"""What names a study, a series and an instance in the metadata of items."""


def level_of(text: object) -> Level | None:
    """The level of a name, also in the plural and in capitals; none for nothing. Raises DianaError INVALID_FIELD."""
    word = str(text or "").lower()
    for level in LEVELS:
        if word in (level.name, level.plural):
            return level
    if word:
        raise invalid_field("level", f"must be one of {', '.join(level.name for level in LEVELS)}")
    return None
