"""Which instances a C-MOVE or C-GET means (PS3.4 sections C.4.2, C.4.3), and where they come from."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from diana_common.dicomjson import DataSetJson
from diana_common.errors import DianaError, Reason
from diana_common.uid import is_uid

_LEVEL, _PATIENT_ID = "00080052", "00100020"
_STUDY_UID, _SERIES_UID, _INSTANCE_UID = "0020000D", "0020000E", "00080018"
_MOST_INSTANCES = 200_000
_WILDCARDS = frozenset("*?")


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An instance that a store holds."""

    study_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Portion:
    """The next bytes of an instance's Part 10 file."""

    instance: StoredInstance
    data: bytes = b""
    is_last: bool = False
    error: DianaError | None = None
    """Why there is no more of it. Only `core.fetching` sets it."""


class Reading(Protocol):
    """The archive, as far as instances are read from it. Raises DianaError."""

    def instances(self, store: str, study_uid: str, series_uid: str = "") -> Iterator[StoredInstance]:
        """A study's or a series' current instances; none where it is not there."""
        ...

    def named(self, store: str, sop_instance_uids: Iterable[str]) -> Iterator[StoredInstance]:
        """Those of some instances that are there, whatever their study."""
        ...

    def download(self, store: str, sop_instance_uids: Sequence[str]) -> Generator[Portion, None, None]:
        """The bytes of at most 1,000 instances, one after the other, in any order.

        Raises DianaError INSTANCE_NOT_FOUND before the first byte where one of them is not there.
        """
        ...


class Locating(Protocol):
    """The index, as far as it knows where things belong. Raises DianaError."""

    def studies_of(self, store: str, patient_id: str) -> Iterable[str]:
        """The Study Instance UIDs of a Patient ID."""
        ...

    def studies_with(self, store: str, series_uids: Sequence[str]) -> Iterable[tuple[str, str]]:
        """Study and Series Instance UID of each of these series."""
        ...


class Level(Enum):
    """Query/Retrieve Level (0008,0052)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


class IdentifierFault(Exception):
    """The identifier does not match the SOP Class (status A900); `str` says why, without any value of it."""


@dataclass(frozen=True)
class Selection:
    """The unique keys of an identifier. What it does not have is empty."""

    level: Level
    patient_id: str = ""
    study_uids: tuple[str, ...] = ()
    series_uids: tuple[str, ...] = ()
    sop_instance_uids: tuple[str, ...] = ()


def read_selection(keys: DataSetJson, *, is_patient_root: bool, is_relational: bool) -> Selection:
    """What an identifier selects (PS3.4 section C.4.2.2.1). Keys that are not unique ones are passed over.

    Patient ID may be left out below the PATIENT level, as many requestors do. Raises IdentifierFault.
    """
    named = _values(keys, _LEVEL)
    if len(named) != 1 or named[0] not in Level.__members__:
        raise IdentifierFault("Query/Retrieve Level is missing or unknown")
    level = Level[named[0]]
    patient_ids = _values(keys, _PATIENT_ID) if is_patient_root else ()
    if level is Level.PATIENT and not (is_patient_root and patient_ids):
        raise IdentifierFault("Patient ID, or its level, is missing")
    if len(patient_ids) > 1 or any(_WILDCARDS & set(one) for one in patient_ids):
        raise IdentifierFault("Patient ID is not a single value")
    depth = list(Level).index(level)
    uids = [_uids(keys, tag, level, depth - below, is_relational) for below, tag in enumerate(_UID_KEYS, 1)]
    return Selection(level, "".join(patient_ids), *uids)


_UID_KEYS = (_STUDY_UID, _SERIES_UID, _INSTANCE_UID)


def _uids(keys: DataSetJson, tag: str, level: Level, above: int, is_relational: bool) -> tuple[str, ...]:
    """A level's key: a list at the level asked for, one value `above` it (0 and more), nothing below."""
    if above < 0:
        return ()
    uids = _values(keys, tag)
    if not all(map(is_uid, uids)):
        raise IdentifierFault("a unique key is no UID")
    if not above and not uids:
        raise IdentifierFault(f"the unique key of level {level.value} is missing")
    if above and (len(uids) > 1 or not (uids or is_relational)):
        raise IdentifierFault("a unique key of a level above is missing, or has several values")
    return tuple(dict.fromkeys(uids))


def _values(keys: DataSetJson, tag: str) -> tuple[str, ...]:
    values = keys.get(tag, {}).get("Value") or ()
    return tuple(text for one in values if one is not None and (text := str(one).strip("\0 ")))


class Selecting:
    """Finds the instances of a selection."""

    def __init__(self, reading: Reading, locating: Locating) -> None:
        self._reading, self._locating = reading, locating

    def instances(self, store: str, selection: Selection) -> list[StoredInstance]:
        """All of them, each once; none where nothing matches. Raises DianaError, RESULT_TOO_LARGE for too many."""
        studies = set(self._locating.studies_of(store, selection.patient_id)) if selection.patient_id else None
        wanted = set(selection.sop_instance_uids)
        found: dict[str, StoredInstance] = {}
        for one in self._candidates(store, selection, studies or ()):
            if (studies is None or one.study_uid in studies) and (not wanted or one.sop_instance_uid in wanted):
                found[one.sop_instance_uid] = one
                if len(found) > _MOST_INSTANCES:
                    raise DianaError(Reason.RESULT_TOO_LARGE, f"More than {_MOST_INSTANCES} instances are selected.")
        return list(found.values())

    def _candidates(self, store: str, selection: Selection, studies: Iterable[str]) -> Iterator[StoredInstance]:
        reading = self._reading
        if selection.level is Level.PATIENT:
            for study_uid in sorted(studies):
                yield from reading.instances(store, study_uid)
        elif selection.level is Level.STUDY:
            for study_uid in selection.study_uids:
                yield from reading.instances(store, study_uid)
        elif selection.study_uids and selection.series_uids:
            for series_uid in selection.series_uids:
                yield from reading.instances(store, selection.study_uids[0], series_uid)
        elif selection.series_uids:
            for study_uid, series_uid in self._locating.studies_with(store, selection.series_uids):
                yield from reading.instances(store, study_uid, series_uid)
        else:
            named = reading.named(store, selection.sop_instance_uids)
            yield from (one for one in named if not selection.study_uids or one.study_uid in selection.study_uids)
