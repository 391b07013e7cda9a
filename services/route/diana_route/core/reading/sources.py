"""A rule's source: what it says of a folder, a store or a query."""

from __future__ import annotations

import re
from collections.abc import Collection

from diana_common.conditions import BadPath, parse_step
from diana_common.documents import Entries, Fields, Node
from diana_common.errors import DianaError
from diana_common.filters import And, Filter, Not, Or, Restriction, parse_filter
from diana_common.settings import join, nearest
from diana_route.core.reading.values import ValueReader
from diana_route.core.references import ReferenceKind
from diana_route.core.rules import Event, FeedSource, FolderSource, QuerySource, Source

FOLDER_KEYS = ("folder", "layout", "settle", "poll", "empty")
STORE_KEYS = ("store", "event")
QUERY_KEYS = ("query", "store", "every")

_HOUR, _DAY = 3_600.0, 86_400.0
_ATTRIBUTE = re.compile(r"\{([a-z][a-z0-9_]{0,62})\}")
_DIRECTORY = re.compile(r"[^{}/\\\0]{1,255}")
_LAYOUT = "each level is a directory's name, or an attribute of lower-case letters, digits and _: {site}/{trial}"


class SourceReader:
    """Reads sources, and notes their faults."""

    def __init__(self, values: ValueReader) -> None:
        self._values = values

    def read(self, node: Node, field: str) -> Source | None:
        """The source; None if not even its kind can be told."""
        names = {key.text for key, _ in node.pairs} if isinstance(node, Entries) else set()
        if "folder" in names:
            return self._folder(node, field)
        if "query" in names:
            return self._query(node, field)
        if "store" in names:
            return self._feed(node, field)
        self._values.fault(node, field, "must say one of: folder, store (its feed), query (with a store)")
        return None

    def _folder(self, node: Node, field: str) -> FolderSource:
        found = self._values.fields.mapping(node, field, FOLDER_KEYS) or {}
        layout = self._values.text(found, field, "layout", 1_024).strip("/")
        if wrong := _layout_fault(layout):
            self._values.fault(found["layout"], join(field, "layout"), wrong)
        return FolderSource(
            self._values.directory(found, field, "folder"),
            layout,
            self._values.seconds(found, field, "settle", 2.0, 0.1, _HOUR),
            self._values.seconds(found, field, "poll", 1.0, 0.05, _HOUR),
            self._values.seconds(found, field, "empty", _HOUR, 60.0, 36_500 * _DAY),
        )

    def _feed(self, node: Node, field: str) -> FeedSource:
        found = self._values.fields.mapping(node, field, STORE_KEYS) or {}
        store = self._values.name(found, field, "store")
        self._values.refer(ReferenceKind.STORE, store, found.get("store", node), join(field, "store"))
        word = self._values.text(found, field, "event", 64) or Event.STUDY_COMPLETED.value
        events = {event.value: event for event in Event}
        if word not in events:
            self._values.fault(found["event"], join(field, "event"), f"is no event; {nearest(word, events)}")
        return FeedSource(store, events.get(word, Event.STUDY_COMPLETED))

    def _query(self, node: Node, field: str) -> QuerySource:
        found = self._values.fields.mapping(node, field, QUERY_KEYS) or {}
        self._values.require(node, found, field, "every")
        query = self._values.text(found, field, "query", 16_384)
        store = self._values.name(found, field, "store") or "default"
        self._values.refer(ReferenceKind.STORE, store, found.get("store", node), join(field, "store"))
        if query and self._is_query(query, found, field):
            self._values.refer(ReferenceKind.QUERY, query, found["query"], join(field, "query"), store)
        return QuerySource(store, query, self._values.seconds(found, field, "every", _DAY, 1.0, 31 * _DAY))

    def _is_query(self, query: str, found: Fields, field: str) -> bool:
        """Whether it is one, as far as can be told without the index, which knows more names and what values fit."""
        where = join(field, "query")
        try:
            tree = parse_filter(query, where)
        except DianaError as error:
            self._values.fault(found["query"], where, error.fields[0].description)
            return False
        good = True
        for name in _names(tree) if tree else ():
            try:
                parse_step(name)
            except BadPath as error:
                self._values.fault(found["query"], where, str(error))
                good = False
        return good


def layout_names(layout: str) -> list[str]:
    """The attributes that a layout reads from paths."""
    return [one[1] for part in layout.split("/") if (one := _ATTRIBUTE.fullmatch(part))]


def _layout_fault(layout: str) -> str:
    for part in layout.split("/") if layout else ():
        if not _ATTRIBUTE.fullmatch(part) and (not _DIRECTORY.fullmatch(part) or part in (".", "..")):
            return _LAYOUT
    names = layout_names(layout)
    return "an attribute stands twice" if len(set(names)) < len(names) else ""


def attributes_of(source: Source | None) -> Collection[str] | None:
    """The plain attributes that a source's items have; None where only the items know."""
    return layout_names(source.layout) if isinstance(source, FolderSource) else None


def _names(tree: Filter) -> list[str]:
    """The keywords that a query compares; what else it may name only the index knows."""
    match tree:
        case And(operands) | Or(operands):
            return [name for one in operands for name in _names(one)]
        case Not(operand):
            return _names(operand)
        case Restriction(member):
            return [name for name in member.path if name[:1].isupper()]
    return []
