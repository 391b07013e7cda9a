"""What an object refers to, and where that stands, as far as the object says: for UIDs that depend on it.

An item that names a study or a series tells where what is nested in it stands (PS3.3 section C.17.2.1, Hierarchical SOP
Instance Reference Macro); one that names no study stands in the object's own (PS3.3 section C.12.2, Common Instance
Reference Module).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from diana_anon.core.rewriting.actions import shown
from diana_common.conditions import Header
from diana_common.dicom.dictionary import registered_uids
from diana_common.dicom.limits import MIB, over_limit
from diana_common.uid import is_uid

_STUDY, _SERIES = "0020000D", "0020000E"
_CLASS, _INSTANCE = "00081150", "00081155"
_RT_STUDY = "30060012"
"""RT Referenced Study Sequence: its items name their study as an instance."""

_LONGEST = 64 * MIB
"""Characters of paths."""

Place = tuple[str, ...]
"""The UIDs from the study down to what stands there."""


@dataclass(slots=True)
class References:
    """`places` of what an object refers to, by UID; `instances` are all that it refers to, by the attribute's path."""

    places: dict[str, Place] = field(default_factory=dict)
    instances: dict[str, str] = field(default_factory=dict)
    _characters: int = 0

    def note(self, path: str, uid: str) -> None:
        """An instance is referred to. Raises DATA_SET_LIMIT."""
        self._characters += len(path)
        if self._characters > _LONGEST:
            raise over_limit("references in nested sequences")
        self.instances[path] = uid


def references(header: Header) -> References:
    """What the items of an object (DICOM JSON) refer to. Of two places for one UID the first counts.

    Raises DATA_SET_LIMIT for more references than 64 MiB of paths name.
    """
    found = References()
    _collect(header, (_first(header, _STUDY),), "", found)
    return found


def _collect(data_set: Mapping[str, Any], place: Place, path: str, found: References) -> None:
    """`place` is that of what the sequences of `data_set` refer to."""
    for tag, element in data_set.items():
        if element.get("vr") != "SQ":
            continue
        for number, item in enumerate(element.get("Value", ())):
            within = f"{path}{shown(int(tag, 16))}[{number}]."
            inner = _place(item, tag, place)
            found.places.setdefault(inner[-1], inner)
            for uid in _instances(item):
                found.note(f"{within}{shown(int(_INSTANCE, 16))}", uid)
                if len(inner) == 2:
                    found.places.setdefault(uid, (*inner, uid))
            _collect(item, inner, within, found)


def _place(item: Mapping[str, Any], sequence: str, around: Place) -> Place:
    """The study, or study and series, that an item of a sequence speaks of."""
    study = _first(item, _STUDY) or (_first(item, _INSTANCE) if sequence == _RT_STUDY else "")
    place = (study,) if study else around
    series = _first(item, _SERIES)
    return (place[0], series) if series else place


def _instances(item: Mapping[str, Any]) -> Iterator[str]:
    """The instances that an item names; procedure steps and the like, which stand in no series, are none."""
    kind = registered_uids().get(_first(item, _CLASS))
    if kind is None or "Storage" in kind.name:
        yield from _values(item, _INSTANCE)


def _first(data_set: Mapping[str, Any], tag: str) -> str:
    return next(iter(_values(data_set, tag)), "")


def _values(data_set: Mapping[str, Any], tag: str) -> list[str]:
    values = data_set.get(tag, {}).get("Value", ())
    return [uid for value in values if isinstance(value, str) and is_uid(uid := value.strip("\0 "))]
