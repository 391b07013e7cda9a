"""From a row found to the record that is answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from diana_index.core.attributes import ATTRIBUTES, BY_TAG, UNIQUE_KEYS, Attribute, Level
from diana_index.core.records import Elements, first_text, json_bytes, parse_header
from diana_index.core.store import Row, Wanted


@dataclass(frozen=True, slots=True)
class Record:
    """A patient, study, series or instance as it is answered."""

    patient_id: str
    study_uid: str
    series_uid: str
    sop_uid: str
    dicom_json: bytes
    """DICOM JSON (PS3.18 Annex F), UTF-8, ascending tags."""
    instance_count: int

    @property
    def size_bytes(self) -> int:
        """How much of an answer it takes, in UTF-8, but for a few bytes."""
        names = (self.patient_id, self.study_uid, self.series_uid, self.sop_uid)
        return len(self.dicom_json) + sum(len(name.encode()) for name in names)


_KEPT = {
    level: {one.tag for one in ATTRIBUTES[level]} | {UNIQUE_KEYS[above].tag for above in Level if above < level}
    for level in Level
}


def wanted_of(level: Level, tags: frozenset[str], keyed: tuple[Attribute, ...] = ()) -> Wanted:
    """What must be read of each row to answer with these tags, and with the forms of what has no column."""
    missing = tags - _KEPT[level]
    if level < Level.INSTANCE:
        return Wanted(above=bool(missing), keyed=keyed)
    derived = {tag for tag in missing if _is_derived(tag)}
    return Wanted(above=bool(derived), header=bool(missing - derived), keyed=keyed)


def make_record(row: Row, level: Level, tags: frozenset[str]) -> Record:
    """The record for a row read with `wanted_of(level, tags)`."""
    found = chosen_elements(row, level, sorted(tags))
    own = row.elements[0]
    unique = {each: first_text(own, UNIQUE_KEYS[each].tag) if level >= each else "" for each in Level}
    return Record(
        patient_id=unique[Level.PATIENT],
        study_uid=unique[Level.STUDY],
        series_uid=unique[Level.SERIES],
        sop_uid=unique[Level.INSTANCE],
        dicom_json=json_bytes(found),
        instance_count=row.instance_count,
    )


def chosen_elements(row: Row, level: Level, tags: Iterable[str]) -> Elements:
    """The elements of these tags, as far as there are such, of a row read with `wanted_of(level, tags)`."""
    own, *above = row.elements
    header = None if row.dicom_json is None else parse_header(row.dicom_json)
    found: Elements = {}
    for tag in tags:
        # An instance answers with its own header's values; the records above it may be another's.
        further = above if level < Level.INSTANCE or _is_derived(tag) else [header or {}]
        source = next((elements for elements in (own, *further) if tag in elements), None)
        if source is not None:
            found[tag] = source[tag]
    return found


def _is_derived(tag: str) -> bool:
    return tag in BY_TAG and BY_TAG[tag].derived
