"""What questions may speak of: the indexed attributes, and the search keys that were made for more."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.tags import is_private, parse_tag, tag_hex, vr_of
from diana_index.core.attributes import (
    AGE,
    ATTRIBUTES,
    BY_TAG,
    NESTED,
    Attribute,
    Level,
    nested_attribute,
    unsupported,
)
from diana_index.core.forms import NUMBERS
from diana_index.core.matching import WILDCARD_VRS
from diana_index.core.paths import parse_path, path_text

MOST_SEARCH_KEYS = 256
_RESERVED = (AGE.keyword, "report")
"""What filters and matching keys name already."""

_SEARCHABLE_VRS = NUMBERS | WILDCARD_VRS | {"AS", "DA", "DT", "TM", "UI"}
"""VRs whose values have matching forms."""


@dataclass(frozen=True, slots=True)
class SearchKey:
    """An attribute that was made searchable."""

    key_id: str
    """Its name: lower-case letters, digits and "_"."""
    path: str
    """`paths.path_text` of the way to it."""
    level: Level
    vr: str

    @property
    def attribute(self) -> Attribute:
        """What questions find it as."""
        return nested_attribute(self.key_id, f"@{self.key_id}", self.vr, self.level, parse_path(self.path, "path"))


def make_search_key(key_id: str, path: str, level: Level, vr: str) -> SearchKey:
    """A search key from a request's fields. Raises INVALID_FIELD."""
    if key_id in _RESERVED:
        raise invalid_field("search_key.search_key_id", f"must not be one of {', '.join(_RESERVED)}")
    steps = parse_path(path, "search_key.path")
    tag = int(steps[-1].tag, 16)
    known = "" if is_private(tag) else vr_of(tag)
    if not vr and known in ("", "UN"):
        raise invalid_field("search_key.vr", "is required for an attribute that PS3.6 does not know")
    vr = vr or known
    if vr not in _SEARCHABLE_VRS:
        raise invalid_field("search_key.vr", "is no VR whose values can be matched; of a sequence name what is in it")
    return SearchKey(key_id, path_text(steps), level, vr)


class Vocabulary:
    """Attributes and search keys, found by name."""

    def __init__(self, search_keys: Iterable[SearchKey] = (), ready: Collection[str] = ()) -> None:
        """`ready`: the ids of those that questions may use."""
        self.search_keys = tuple(search_keys)
        self._ready = frozenset(ready)
        made = [key.attribute for key in self.search_keys]
        self._by_id = {one.keyword: one for one in made}
        self._by_path = {one.tag: one for level in Level for one in NESTED[level]}
        self._by_path |= {key.path: self._by_id[key.key_id] for key in self.search_keys if key.key_id in self._ready}
        self.keyed = {level: (*NESTED[level], *(one for one in made if one.level == level)) for level in Level}
        """The attributes without a column by level: to be read from a header by their steps."""
        self._below = {path.rpartition(".")[0] for path in self._by_path}

    def is_ready(self, key_id: str) -> bool:
        """Whether questions may use a search key."""
        return key_id in self._ready

    def find(self, name: str, field: str) -> Attribute:
        """The attribute of this keyword, tag, path or search key's id.

        Raises KEY_UNSUPPORTED, SEARCH_KEY_NOT_READY, naming the request's `field`.
        """
        if name == AGE.keyword:
            return AGE
        if name in self._by_id:
            if name not in self._ready:
                raise DianaError(Reason.SEARCH_KEY_NOT_READY, f"{field}: the search key is still being filled")
            return self._by_id[name]
        try:
            path = path_text(parse_path(name.strip(), field))
        except DianaError:
            raise unsupported(field, "is no attribute that the index matches, and no search key") from None
        attribute = BY_TAG.get(path) or self._by_path.get(path)
        if attribute is None:
            raise unsupported(field, "is not indexed; CreateSearchKey makes it searchable")
        return attribute

    def is_keyed(self, name: str) -> bool:
        """Whether it is a search key's id, or names what no tag alone names: by its creator, or within sequences."""
        if name in self._by_id:
            return True
        try:
            steps = parse_path(name.strip(), "")
        except DianaError:
            return False
        return len(steps) > 1 or bool(steps[0].creator)

    def find_sequence(self, name: str, field: str) -> str:
        """The path of a sequence that has searchable attributes. Raises KEY_UNSUPPORTED."""
        try:
            path = path_text(parse_path(name.strip(), field))
        except DianaError:
            path = ""
        if not any(below == path or below.startswith(f"{path}.") for below in self._below if path):
            raise unsupported(
                field, "is no sequence that the index matches; CreateSearchKey makes what is in it searchable"
            )
        return path

    def listed(self) -> Iterable[Attribute]:
        """All that may be asked for, by level and tag, search keys last at each level."""
        for level in Level:
            yield from sorted((*ATTRIBUTES[level], *NESTED[level]), key=lambda one: one.tag)
            yield from (self._by_id[key.key_id] for key in self.search_keys if key.level == level)


def top_level_tag(name: str, field: str) -> str:
    """The tag of a top-level attribute to return, by keyword or tag. Raises INVALID_FIELD."""
    return tag_hex(parse_tag(name, field))
