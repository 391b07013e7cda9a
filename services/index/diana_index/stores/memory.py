"""Records in memory, by the plainest means: for tests, and as the yardstick for the other stores.

Instances are kept by arrival and every question derives all records anew, so that nothing can go stale.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from diana_index.core.attributes import ATTRIBUTES, BY_KEYWORD, Attribute, Level
from diana_index.core.forms import Form
from diana_index.core.matching import Condition
from diana_index.core.question import Question
from diana_index.core.records import Gathered, LevelRecord, build_record, patient_key
from diana_index.core.store import Alive, Change, Generation, Mark, Put, Row, SortKey, Totals, Wanted

_INDEX = {one.tag: number for attributes in ATTRIBUTES.values() for number, one in enumerate(attributes)}


@dataclass(eq=False)
class _Node:
    """A record, with the one above it and those below."""

    level: Level
    key: str
    put: Put
    """Its newest instance."""
    above: _Node | None = None
    below: list[_Node] = field(default_factory=list)
    record: LevelRecord = field(default_factory=lambda: LevelRecord([], [], {}))

    def forms(self, attribute: Attribute) -> set[Form]:
        """All forms of one of the level's attributes."""
        first = self.record.forms[_INDEX[attribute.tag]]
        return {form for tag, form in self.record.more if tag == attribute.tag} | (set() if first is None else {first})

    def at(self, level: Level) -> list[_Node]:
        """The records of a level above, below, or this one itself."""
        if level == self.level:
            return [self]
        if level < self.level:
            return self.above.at(level) if self.above else []
        return [found for node in self.below for found in node.at(level)]


class MemoryGeneration:
    """A generation that lives as long as the object."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._puts: dict[tuple[str, str], Put] = {}
        """By store and SOP Instance UID, in order of arrival."""
        self._mark = Mark()

    def mark(self) -> Mark:
        """How far the feed is applied."""
        return self._mark

    def apply(self, changes: Sequence[Change], mark: Mark) -> None:
        """Make the changes and set the mark."""
        with self._lock:
            for change in changes:
                key = (change.store, change.names.sop_uid if isinstance(change, Put) else change.sop_uid)
                held = self._puts.get(key)
                if isinstance(change, Put) and not (held and held.version == change.version):
                    self._puts.pop(key, None)
                    self._puts[key] = change
                elif not isinstance(change, Put) and held and change.version in ("", held.version):
                    del self._puts[key]
            self._mark = mark

    @contextmanager
    def reading(self, alive: Alive) -> Iterator[MemoryReader]:
        """A view of this moment."""
        with self._lock:
            reader = MemoryReader(list(self._puts.values()), self._mark)
        yield reader


class MemoryReader:
    """One view of the records."""

    def __init__(self, puts: Sequence[Put], mark: Mark) -> None:
        self._mark = mark
        self._stores = {store: _tree([one for one in puts if one.store == store]) for store in {p.store for p in puts}}

    def mark(self) -> Mark:
        """How far the view reaches."""
        return self._mark

    def find(self, question: Question, wanted: Wanted, after: SortKey | None, limit: int) -> Iterator[Row]:
        """The records that meet a question, in its order, from behind `after`."""
        descending = [order.descending for order in question.orders] + [False]
        nodes = [(self._sort_key(question, node), node) for node in self._matching(question)]
        nodes.sort(key=lambda one: _comparable(one[0], descending))
        if after is not None:
            nodes = [one for one in nodes if _comparable(one[0], descending) > _comparable(after, descending)]
        for sort_key, node in nodes[:limit]:
            above = [node.at(Level(each))[0] for each in range(node.level - 1, 0, -1)] if wanted.above else []
            elements = [each.record.elements for each in (node, *above)]
            header = node.put.dicom_json if wanted.header else None
            yield Row(sort_key, len(node.at(Level.INSTANCE)), elements, header)

    def count(self, question: Question) -> int:
        """How many there are."""
        return len(self._matching(question))

    def totals(self, store: str | None = None) -> Totals:
        """How many records a store has, or all stores together."""
        patients = [node for name, nodes in self._stores.items() if store in (None, name) for node in nodes]
        return Totals(*(sum(len(patient.at(level)) for patient in patients) for level in Level))

    def _matching(self, question: Question) -> list[_Node]:
        nodes = [node for patient in self._stores.get(question.store, []) for node in patient.at(question.level)]
        return [node for node in nodes if _answers(node, question.conditions)]

    def _sort_key(self, question: Question, node: _Node) -> SortKey:
        forms = [
            node.at(order.attribute.level)[0].record.forms[_INDEX[order.attribute.tag]] for order in question.orders
        ]
        return (*forms, node.key)


def _tree(puts: Sequence[Put]) -> list[_Node]:
    """The patients of one store, from its instances by arrival."""
    nodes: dict[tuple[Level, str], _Node] = {}
    for put in puts:
        names = put.names
        series_key = f"{names.series_uid}/{names.study_uid}"
        for level, key in ((Level.STUDY, names.study_uid), (Level.SERIES, series_key), (Level.INSTANCE, names.sop_uid)):
            nodes.setdefault((level, key), _Node(level, key, put)).put = put
        _join(nodes[Level.STUDY, names.study_uid], nodes[Level.SERIES, series_key])
        _join(nodes[Level.SERIES, series_key], nodes[Level.INSTANCE, names.sop_uid])
    patients: dict[str, _Node] = {}
    arrival = {id(put): number for number, put in enumerate(puts)}
    studies = [node for (level, _), node in nodes.items() if level is Level.STUDY]
    for study in sorted(studies, key=lambda node: arrival[id(node.put)]):
        key = patient_key(study.put.header, study.key)
        patients.setdefault(key, _Node(Level.PATIENT, key, study.put)).put = study.put
        _join(patients[key], study)
    for patient in patients.values():
        for node in (each for level in Level for each in patient.at(level)):
            node.record = build_record(node.put.header, node.level, node.put.names, {})
    for patient in patients.values():
        for node in (each for level in Level for each in patient.at(level)):
            node.record = build_record(node.put.header, node.level, node.put.names, _gathered(node))
    return list(patients.values())


def _join(above: _Node, below: _Node) -> None:
    if below.above is None:
        below.above = above
        above.below.append(below)


def _gathered(node: _Node) -> Gathered:
    counts = {level: len(node.at(level)) for level in Level if level >= node.level}
    match node.level:
        case Level.PATIENT:
            names = "Studies", "Series", "Instances"
            return {f"NumberOfPatientRelated{name}": [counts[Level(n)]] for n, name in enumerate(names, start=2)}
        case Level.STUDY:
            return {
                "ModalitiesInStudy": _values(node, BY_KEYWORD["Modality"]),
                "SOPClassesInStudy": _values(node, BY_KEYWORD["SOPClassUID"]),
                "NumberOfStudyRelatedSeries": [counts[Level.SERIES]],
                "NumberOfStudyRelatedInstances": [counts[Level.INSTANCE]],
            }
        case Level.SERIES:
            return {"NumberOfSeriesRelatedInstances": [counts[Level.INSTANCE]]}
    return {}


def _values(node: _Node, attribute: Attribute) -> list[Form]:
    forms: set[Any] = {form for each in node.at(attribute.level) for form in each.forms(attribute)}
    return sorted(forms)


def _answers(node: _Node, conditions: Sequence[Condition]) -> bool:
    """Whether a record meets what speaks of it and those above, and one path below it meets all the rest."""
    below = [one for one in conditions if one.attribute.level > node.level]
    if not all(_meets(node, one) for one in conditions if one not in below):
        return False
    return not below or any(all(_meets(leaf, one) for one in below) for leaf in node.at(Level.INSTANCE))


def _meets(node: _Node, condition: Condition) -> bool:
    """Whether the record at the condition's level, this one or above it, has any form that meets it."""
    (named,) = node.at(condition.attribute.level)
    return any(_is_met(form, condition) for form in named.forms(condition.attribute))


def _is_met(form: Form, condition: Condition) -> bool:
    if form in condition.exact:
        return True
    if not isinstance(form, str):
        return False
    return any(low <= form <= high for low, high in condition.ranges) or any(
        re.fullmatch(_expression(pattern), form, re.DOTALL) for pattern in condition.patterns
    )


def _expression(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)


def _comparable(sort_key: SortKey, descending: Sequence[bool]) -> list[_Place]:
    return [_Place(form, down) for form, down in zip(sort_key, descending, strict=True)]


@dataclass(frozen=True)
class _Place:
    """A form in an order: none comes first, last when descending."""

    form: Any
    descending: bool

    def __lt__(self, other: _Place) -> bool:
        low, high = (other.form, self.form) if self.descending else (self.form, other.form)
        return (low is None and high is not None) or (low is not None and high is not None and low < high)


class MemoryGenerations:
    """Generations that live as long as the object."""

    def __init__(self) -> None:
        self._active: Generation = MemoryGeneration()

    @contextmanager
    def active(self) -> Iterator[Generation]:
        """The generation that answers now."""
        yield self._active

    def create(self) -> Generation:
        """A new, empty one that answers nothing yet."""
        return MemoryGeneration()

    def adopt(self, generation: Generation) -> None:
        """Have a created one answer from now on."""
        self._active = generation

    def discard(self, generation: Generation) -> None:
        """Nothing of it is kept anyway."""
