"""Rules read from their text."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from diana_common.conditions import Condition, bind, compile_condition
from diana_common.documents import (
    Entries,
    Fault,
    Faults,
    FieldReader,
    Fields,
    Node,
    NotADocument,
    TooManyFaults,
    read_document,
    refusal,
)
from diana_common.errors import DianaError, Reason
from diana_common.filters import And, parse_filter, to_text
from diana_common.settings import join
from diana_route.core.reading.actions import ActionReader
from diana_route.core.reading.sources import SourceReader
from diana_route.core.reading.values import Scope, ValueReader
from diana_route.core.reading.variables import Expansion
from diana_route.core.references import Reference
from diana_route.core.rules import Anonymize, Delete, FolderSource, Rule, Send, Spec
from diana_route.core.words import rule_text

KEYS = ("rules",)
RULE_KEYS = ("name", "source", "when", "do")
_MOST = 1_000
_SINCE_LATER = frozenset({"endpoint"})
"""Settings of actions that digests left out once: while empty they still do, so that jobs which wait while the service
is brought up to date go on."""

_WITHHELD = "has an environment variable that the rules in force do not have: its value is not told"

_Parts = Sequence[tuple[str, Condition]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a text."""

    rules: tuple[Rule, ...] = ()
    """Those that could be read."""

    faults: tuple[Fault, ...] = ()
    """In the order of lines."""

    references: Sequence[Reference] = ()
    """What the text names that other services know."""

    withheld: Collection[int] = ()
    """Lines that could not be read as they are meant, for they have a variable that may not be told: see Scope."""


def examine(text: bytes, scope: Scope, name: str = "rules") -> Reading:
    """All that a text says, right or wrong; `name` says which text it is."""
    try:
        root = read_document(text)
    except NotADocument as error:
        return Reading(faults=(error.fault,))
    faults = Faults()
    expansion = Expansion(scope.variables, scope.withheld, faults)
    values = ValueReader(FieldReader(faults), scope)
    rules: tuple[Rule, ...] = ()
    try:
        rules = _Rules(values, name).read(None if root is None else expansion.of(root))
    except TooManyFaults:
        pass
    return Reading(rules, faults.in_order(), values.references, expansion.withheld_lines)


def check_rules(text: bytes, scope: Scope, name: str = "rules") -> tuple[Rule, ...] | tuple[Fault, ...]:
    """The rules that a text means, or its faults in the order of lines."""
    read = examine(text, scope, name)
    withheld = tuple(Fault(line, "", _WITHHELD) for line in sorted(read.withheld))
    return read.faults or withheld or read.rules


def read_rules(text: bytes, scope: Scope, name: str = "rules") -> tuple[Rule, ...]:
    """The same. Raises RULES_INVALID, which names the first faults' lines and settings."""
    rules: list[Rule] = []
    faults: list[Fault] = []
    for one in check_rules(text, scope, name):
        if isinstance(one, Rule):
            rules.append(one)
        else:
            faults.append(one)
    if faults:
        raise refusal(Reason.RULES_INVALID, tuple(faults), name)
    return tuple(rules)


class _Rules:
    def __init__(self, values: ValueReader, name: str) -> None:
        self._values = values
        self._name = name
        self._lines: dict[str, int] = {}

    def read(self, root: Node | None) -> tuple[Rule, ...]:
        """All of them; and what only all of them together can do wrong."""
        found = self._values.fields.mapping(Entries(1) if root is None else root, "", KEYS) or {}
        nodes = self._values.fields.items(found["rules"], "rules") if "rules" in found else []
        if len(nodes) > _MOST:
            self._values.fault(nodes[_MOST], "rules", f"are more than {_MOST:,}")
            return ()
        read = [(node, self._rule(node, f"rules[{number}]")) for number, node in enumerate(nodes)]
        rules = tuple(rule for _, rule in read if rule)
        watched = _Watched(rules)
        moving = {way: rule for rule in reversed(rules) for way in _moved(rule)}
        for number, (node, rule) in enumerate(read):
            if rule:
                self._check_sent(node, f"rules[{number}].do", rule, watched)
                self._check_shared(node, f"rules[{number}].do", rule, watched)
                self._check_circle(node, f"rules[{number}].do", rule, moving)
        return rules

    def _rule(self, node: Node, field: str) -> Rule | None:
        found = self._values.fields.mapping(node, field, RULE_KEYS)
        if found is None:
            return None
        self._values.require(node, found, field, "name", "source", "do")
        name = self._rule_name(found, field)
        source = SourceReader(self._values).read(found["source"], join(field, "source")) if "source" in found else None
        when_text, when, parts = self._when(found, field)
        actions = ActionReader(self._values, source).read(found["do"], join(field, "do")) if "do" in found else []
        if source is None:
            return None
        place = f"{self._name} line {node.line}"
        return Rule(name, place, source, when, when_text, actions, _digest(actions), rule_text(source, actions), parts)

    def _rule_name(self, found: Fields, field: str) -> str:
        name = self._values.name(found, field, "name")
        if name in self._lines:
            line = self._lines[name]
            self._values.fault(found["name"], join(field, "name"), f"is another rule's name too, on line {line}")
        elif name:
            self._lines[name] = found["name"].line
        return name

    def _when(self, found: Fields, field: str) -> tuple[str, Condition | None, _Parts]:
        text = self._values.text(found, field, "when", 16_384)
        where = join(field, "when")
        try:
            tree = parse_filter(text, where) if text else None
            if tree is None:
                return "", None, ()
            bound = bind(tree, where)
            operands = bound.operands if isinstance(bound, And) else (bound,)
            parts = tuple((to_text(one), compile_condition(one, where)) for one in operands)
            return to_text(bound), compile_condition(bound, where), parts
        except DianaError as error:
            self._values.fault(found["when"], where, error.fields[0].description)
            return "", None, ()

    def _check_sent(self, node: Node, field: str, rule: Rule, watched: _Watched) -> None:
        """No rule may feed a watched folder: nothing in a file says which rules made it, so none could stop a loop."""
        for spec in rule.actions:
            if isinstance(spec, Send) and spec.folder and (other := next(watched.meeting(Path(spec.folder)), None)):
                self._values.fault(node, field, f"sends into a folder that rule {other.name} watches")

    def _check_shared(self, node: Node, field: str, rule: Rule, watched: _Watched) -> None:
        """No rule may delete what another one may not have seen yet."""
        if not isinstance(rule.source, FolderSource) or not any(isinstance(one, Delete) for one in rule.actions):
            return
        others = (one for one in watched.meeting(rule.source.path) if one is not rule)
        if other := next((one for one in others if not (one.when and rule.when)), None):
            why = f"would delete files before rule {other.name} has seen them, whose folder shares them"
            self._values.fault(node, field, f"{why}: have one rule do all, or give each a condition of its own (when)")

    def _check_circle(self, node: Node, field: str, rule: Rule, moving: Mapping[tuple[str, str], Rule]) -> None:
        """No two rules may move the same studies to and fro."""
        others = (moving.get((to, store)) for store, to in _moved(rule))
        if other := next((one for one in others if one and not (one.when and rule.when)), None):
            self._values.fault(
                node, field, f"moves to a store from which rule {other.name} moves all back: one must go"
            )


class _Watched:
    """The folders that rules watch, and to which rules they belong."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._folders: dict[Path, list[Rule]] = defaultdict(list)
        self._above: dict[Path, list[Rule]] = defaultdict(list)
        for rule in rules:
            if isinstance(rule.source, FolderSource):
                self._folders[rule.source.path].append(rule)
                for above in rule.source.path.parents:
                    self._above[above].append(rule)

    def meeting(self, folder: Path) -> Iterator[Rule]:
        """The rules that watch the folder, one above it or one below it."""
        for one in (folder, *folder.parents):
            yield from self._folders.get(one, ())
        yield from self._above.get(folder, ())


def _moved(rule: Rule) -> list[tuple[str, str]]:
    """From which store to which others a rule moves studies: it de-identifies them, and deletes the originals."""
    if isinstance(rule.source, FolderSource) or not any(isinstance(one, Delete) for one in rule.actions):
        return []
    return [(rule.source.store, one.to) for one in rule.actions if isinstance(one, Anonymize)]


def _digest(actions: Sequence[Spec]) -> str:
    """The same for the same actions, whatever the order of settings and attributes."""
    said = [[type(spec).__name__, _said(spec)] for spec in actions]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _said(spec: Spec) -> Mapping[str, object]:
    return {name: value for name, value in asdict(spec).items() if value or name not in _SINCE_LATER}
