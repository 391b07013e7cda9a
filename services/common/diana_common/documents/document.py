"""People's YAML as a tree that knows its lines.

Only what settings need: mappings, lists and words. Anchors, aliases, tags and several documents are refused, and so
is what is too long, too deep or too much; the tree is built from the parser's events, so that no text costs more than
its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from diana_common.documents.faults import Fault

MAX_BYTES = 1024 * 1024
"""The longest document, in UTF-8."""
MAX_DEPTH = 16
MAX_NODES = 100_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DIRECTIVE = re.compile("^%", re.MULTILINE)
"""Refused everywhere: libyaml's time grows with the square of their number."""
_NULL = ("", "~", "null", "Null", "NULL")
_STAR = 'begins with "*", which is an alias in YAML: put it in quotation marks'


@dataclass(frozen=True, slots=True)
class Scalar:
    """A word or text as it was written; `plain` without quotation marks, where it may also mean a number or nothing."""

    line: int
    text: str
    plain: bool

    @property
    def is_null(self) -> bool:
        """Whether nothing is said."""
        return self.plain and self.text in _NULL


@dataclass(slots=True)
class Items:
    """A list."""

    line: int
    nodes: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Entries:
    """A mapping, its entries in their order; keys may come twice."""

    line: int
    pairs: list[tuple[Scalar, Node]] = field(default_factory=list)
    key: Scalar | None = None
    """The key whose value is next, while the tree is built."""


Node = Scalar | Items | Entries


class NotADocument(Exception):
    """The text cannot be read at all; `fault` says why and where."""

    def __init__(self, line: int, description: str) -> None:
        super().__init__(description)
        self.fault = Fault(line, "", description)


def read_document(text: bytes) -> Node | None:
    """The tree of one document; None if there is nothing in it. Raises NotADocument."""
    events = _events(_decoded(text))
    open_nodes: list[Items | Entries] = []
    root: Node | None = None
    documents = nodes = 0
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise NotADocument(line, "begins a second document; there may be one")
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            open_nodes.pop()
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            node = _node(event, line)
            if nodes > MAX_NODES or len(open_nodes) == MAX_DEPTH:
                raise NotADocument(line, f"is too much: {MAX_NODES:,} values, and {MAX_DEPTH} levels, may be there")
            if open_nodes:
                _attach(open_nodes[-1], node)
            else:
                root = node
            if not isinstance(node, Scalar):
                open_nodes.append(node)
    return root


def _decoded(text: bytes) -> str:
    if len(text) > MAX_BYTES:
        raise NotADocument(0, f"has more than {MAX_BYTES:,} bytes")
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotADocument(text.count(b"\n", 0, error.start) + 1, "is not UTF-8 text") from None
    for wrong, said in ((_UNPRINTABLE, "has a control character"), (_DIRECTIVE, "begins with %, a YAML directive")):
        if found := wrong.search(decoded):
            raise NotADocument(decoded.count("\n", 0, found.start()) + 1, said)
    return decoded


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if "alias" in (error.context or ""):
            raise NotADocument(mark.line + 1 if mark else 0, _STAR) from None
        place = f"is not YAML at column {mark.column + 1}" if mark else "is not YAML"
        raise NotADocument(mark.line + 1 if mark else 0, f"{place}: {error.problem or 'it cannot be read'}") from None
    except (yaml.YAMLError, RecursionError):
        raise NotADocument(0, "is not YAML") from None


def _node(event: yaml.NodeEvent, line: int) -> Node:
    if isinstance(event, yaml.AliasEvent):
        raise NotADocument(line, _STAR)
    if event.anchor is not None:
        raise NotADocument(line, "has an anchor (&); everything is written out in full")
    tag = getattr(event, "tag", None)
    if tag not in (None, "!"):
        raise NotADocument(line, "has a YAML tag (!); values are written without")
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(line, event.value, bool(event.implicit[0]) and not event.style)
    return Items(line) if isinstance(event, yaml.SequenceStartEvent) else Entries(line)


def _attach(parent: Items | Entries, node: Node) -> None:
    if isinstance(parent, Items):
        parent.nodes.append(node)
    elif parent.key is not None:
        parent.pairs.append((parent.key, node))
        parent.key = None
    elif isinstance(node, Scalar):
        parent.key = node
    else:
        raise NotADocument(node.line, "is a list or a mapping where a setting's name is expected")
