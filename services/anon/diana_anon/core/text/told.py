"""The values of a header that tell whom a study is about: how each tells, and where it stands."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, NamedTuple

from diana_anon.core.planning.tables import Option
from diana_anon.core.ports import Whole
from diana_anon.core.profile import Profile
from diana_anon.core.rewriting.structured import structured_action
from diana_anon.core.text.attributes import Kind, Kinds
from diana_common.conditions import Header
from diana_common.dicom.charset import repertoire
from diana_common.dicomjson import texts
from diana_common.errors import DianaError, Reason

_MOST = 4 * 1024 * 1024
"""Characters that are looked at, of all values together: some seconds' work."""
_RANGE = re.compile(r"range:(\d+)-(\d+)")
_CHARACTER_SET, _UID_VALUE, _CONCEPT_NAME = "00080005", "0040A124", "0040A043"


class Told(NamedTuple):
    """One value. `tag` is the attribute's if it stands at the top, and empty in items."""

    kind: Kind
    text: str
    tag: str


def told(header: Header, profile: Profile | None, source: Whole | None) -> list[Told]:
    """What a header (DICOM JSON) tells, as much of it as `text.identifiers.gathered` says; raises what that does."""
    found = list(_Reader(header, profile, source).of(header, None))
    if sum(len(one.text) for one in found) <= _MOST:
        return found
    if source is not None:
        raise _too_long()
    ends = accumulate(len(one.text) for one in found)
    return [one for one, end in zip(found, ends, strict=True) if end <= _MOST]


class _Reader:
    """Reads one header, `source` being the file that it is of, if that is at hand."""

    def __init__(self, header: Header, profile: Profile | None, source: Whole | None) -> None:
        self._header = header
        self._profile = profile
        self._source = source

    def of(self, data_set: Mapping[str, Any], inherited: Kind | None, nested: bool = False) -> Iterator[Told]:
        """What a data set tells, and the items in it."""
        kinds = Kinds.of(inherited, self._profile)
        for tag, element in data_set.items():
            vr = element.get("vr", "")
            kind = kinds[tag, vr]
            if vr == "SQ":
                for item in element.get("Value") or ():
                    if isinstance(item, dict):
                        yield from self.of(item, kind, nested=True)
            elif kind is not None and not (tag == _UID_VALUE and _is_retained(data_set, self._profile)):
                for text in texts(data_set, tag) or self._hidden(element):
                    if text:
                        yield Told(kind, text, "" if nested else tag)

    def _hidden(self, element: Mapping[str, Any]) -> list[str]:
        """The text of an attribute whose element has a VR of bytes, or is too long for the header."""
        raw = element.get("InlineBinary")
        if isinstance(raw, str):
            return self._texts(base64.b64decode(raw))
        if self._source is None or "BulkDataURI" not in element:
            return []
        place = _RANGE.fullmatch(str(element["BulkDataURI"]))
        if place is None or int(place[2]) > _MOST:
            raise _too_long()
        start = int(place[1])
        return self._texts(self._source[start : start + int(place[2])])

    def _texts(self, raw: bytes) -> list[str]:
        declared = "\\".join(texts(self._header, _CHARACTER_SET)).encode("latin_1", "replace")
        return repertoire(declared).decode(raw).split("\\")


def _too_long() -> DianaError:
    return DianaError(Reason.NOT_DEIDENTIFIABLE, "names and ids of the source are too long to be looked for")


def _is_retained(item: Mapping[str, Any], profile: Profile | None) -> bool:
    """Whether a content item is one that a profile's options keep as it is: the UID of a device that observed."""
    if profile is None or Option.CLEAN_STRUCTURED_CONTENT not in profile.options:
        return False
    names = item.get(_CONCEPT_NAME, {}).get("Value")
    name = names[0] if isinstance(names, list) and names and isinstance(names[0], dict) else {}
    places = ((name, "00080100"), (name, "00080102"), (item, "0040A040"))
    code, scheme, kind = (next(iter(texts(one, tag)), "") for one, tag in places)
    return structured_action(code, scheme, kind, profile.options) == "K"
