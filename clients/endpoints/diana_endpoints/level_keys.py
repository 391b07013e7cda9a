"""Which attributes a foreign server can be asked about at which level: of those below it, it finds nothing, or ignores
what was asked and finds everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from diana_common.errors import DianaError, Reason
from diana_common.tags import keyword_of, parse_tag
from diana_endpoints.levels import BY_UID, INSTANCE, SERIES, STUDY, Level
from diana_endpoints.protocol.query import Matches

_OWN = {
    STUDY: """StudyInstanceUID StudyDate StudyTime StudyID StudyDescription AccessionNumber ModalitiesInStudy
        RequestedProcedureDescription InstitutionName RequestingPhysician ReferringPhysicianName""",
    SERIES: """SeriesInstanceUID SeriesDate SeriesTime SeriesNumber SeriesDescription Modality Manufacturer StationName
        BodyPartExamined SequenceName ProtocolName OperatorsName PerformedProcedureStepDescription
        PerformedProcedureStepStartDate PerformedProcedureStepStartTime""",
    INSTANCE: "SOPInstanceUID InstanceNumber AcquisitionNumber NumberOfFrames ImageComments ImagePositionPatient",
}
_LEVELS = {keyword: level for level in BY_UID for keyword in _OWN[level].split()}
"""The levels of attributes that servers keep apart by level (PS3.4 section C.6.2.1)."""


def keys_at(level: Level, matches: Matches) -> Matches:
    """The matches as a server takes them at a level: of a study's series, `Modality` is `ModalitiesInStudy`.

    Raises DianaError KEY_UNSUPPORTED for an attribute of a lower level, which would say nothing or everything;
    INVALID_FIELD for what is none.
    """
    found: dict[str, Sequence[str] | Matches] = {}
    for name, wanted in _named(level, matches):
        if name in found:
            raise DianaError(Reason.KEY_UNSUPPORTED, f"{name}: is asked about twice")
        found[name] = wanted
    return found


def _named(level: Level, matches: Matches) -> Iterator[tuple[str, Sequence[str] | Matches]]:
    for name, wanted in matches.items():
        keyword = "" if "." in name else keyword_of(parse_tag(name, name))
        if keyword == "Modality" and level == STUDY:
            yield "ModalitiesInStudy", wanted
            continue
        own = _LEVELS.get(keyword or name)
        if own and own.depth > level.depth and _asks(wanted):
            raise DianaError(
                Reason.KEY_UNSUPPORTED, f"{name}: cannot be asked at level {level.name}; ask at level {own.name}"
            )
        yield name, wanted


def _asks(wanted: Sequence[str] | Matches) -> bool:
    return isinstance(wanted, Mapping) or any([wanted] if isinstance(wanted, str) else wanted)
