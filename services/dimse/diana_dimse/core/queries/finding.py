"""Queries of the Patient Root and the Study Root Information Model (PS3.4 sections C.3, C.4.1, C.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from diana_common.dicomjson import DataSetJson
from diana_common.errors import DianaError, Reason
from diana_dimse.core.queries.identifiers import (
    CHARACTER_SET,
    INSTANCE_AVAILABILITY,
    QUERY_RETRIEVE_LEVEL,
    RETRIEVE_AE_TITLE,
    TIMEZONE_OFFSET,
    IdentifierMismatch,
    Key,
    answer,
    matching_keys,
    single_value,
)
from diana_dimse.core.sop_classes import PATIENT_ROOT_FIND, STUDY_ROOT_FIND

_MOST_RETURN_KEYS = 256
"""What the index takes in one question."""


class Level(Enum):
    """A Query/Retrieve Level (0008,0052)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


UNIQUE_KEYS: Mapping[Level, str] = {
    Level.PATIENT: "00100020",
    Level.STUDY: "0020000D",
    Level.SERIES: "0020000E",
    Level.IMAGE: "00080018",
}

_LEVELS = tuple(Level)
_MODELS: Mapping[str, tuple[Level, ...]] = {PATIENT_ROOT_FIND: _LEVELS, STUDY_ROOT_FIND: _LEVELS[1:]}

_ABOUT_THE_QUERY = frozenset((QUERY_RETRIEVE_LEVEL, RETRIEVE_AE_TITLE, INSTANCE_AVAILABILITY))
"""What identifiers carry that is no attribute of a record."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was negotiated (PS3.4 section C.5.1.1)."""

    relational: bool = False
    combined_date_times: bool = False
    fuzzy_names: bool = False

    @classmethod
    def of(cls, information: bytes) -> Agreement:
        """From the Service Class Application Information that was agreed to."""
        return cls(*(bool(byte) for byte in information[:3]))


@dataclass(frozen=True, slots=True)
class Question:
    """What the index is asked."""

    store: str
    level: Level
    keys: tuple[Key, ...]
    return_tags: tuple[str, ...]
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the index can be asked for."""

    matched: frozenset[str]
    """Tags of attributes that it matches; of those within sequences joined by "."."""

    levels: Mapping[str, Level]
    """By tag, the highest level whose records it answers with an attribute. At IMAGE level it answers with all."""


class Index(Protocol):
    """The index, as far as it answers queries. Raises DianaError, PEER_UNAVAILABLE where it does not answer."""

    def vocabulary(self, fresh: bool = False) -> Vocabulary:
        """What it can be asked for; `fresh`: as it is now rather than a while ago."""
        ...

    def find(self, question: Question) -> Iterator[DataSetJson]:
        """The records that match, page by page."""
        ...


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to a query."""

    data_sets: Iterator[Mapping[str, Mapping[str, Any]]]
    has_unsupported_keys: bool = False
    """Whether keys were asked for that were not matched, or cannot be answered."""


class Finding:
    """Answers queries from the index. Safe to share between threads."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def find(self, sop_class: str, store: str, title: str, identifier: DataSetJson, agreement: Agreement) -> Answers:
        """The answers to an identifier; `title` is the AE title that the instances are retrieved from.

        Raises IdentifierMismatch, and DianaError of the index here or while the answers are taken.
        """
        level = query_level(sop_class, identifier, agreement.relational)
        question, is_whole = _question(store, level, identifier, agreement, self._index.vocabulary())
        try:
            records = _begun(self._index.find(question))
        except DianaError as error:
            if error.reason is not Reason.KEY_UNSUPPORTED:
                raise
            # A search key has gone since we asked what there is.
            question, is_whole = _question(store, level, identifier, agreement, self._index.vocabulary(fresh=True))
            records = self._index.find(question)
        fixed = {
            QUERY_RETRIEVE_LEVEL: {"vr": "CS", "Value": [level.value]},
            RETRIEVE_AE_TITLE: {"vr": "AE", "Value": [title]},
            INSTANCE_AVAILABILITY: {"vr": "CS", "Value": ["ONLINE"]},
        }
        return Answers(({**answer(identifier, record), **fixed} for record in records), not is_whole)


def query_level(sop_class: str, identifier: DataSetJson, is_relational: bool) -> Level:
    """The level of a query. Raises IdentifierMismatch where a model or its hierarchy is not kept to.

    In a hierarchical query each level above has its unique key, with one value (PS3.4 section C.4.1.2.1).
    """
    model = _MODELS[sop_class]
    asked = single_value(identifier, QUERY_RETRIEVE_LEVEL)
    level = next((one for one in model if one.value == asked), None)
    if level is None:
        raise IdentifierMismatch("Query/Retrieve Level is not one of the model's")
    if not is_relational:
        for above in model[: model.index(level)]:
            if not single_value(identifier, UNIQUE_KEYS[above]):
                raise IdentifierMismatch(f"the unique key of {above.value} needs one value")
    return level


def _question(
    store: str, level: Level, identifier: DataSetJson, agreement: Agreement, vocabulary: Vocabulary
) -> tuple[Question, bool]:
    """The question, and whether all that is asked for is in it."""
    asked = {tag: element for tag, element in identifier.items() if tag not in _ABOUT_THE_QUERY}
    # The time zone of the query's own dates and times, were that negotiated: it never is.
    keys = [key for key in matching_keys(asked) if key.tag != TIMEZONE_OFFSET]
    matched = tuple(part for key in keys if (part := _matched(key, "", vocabulary)))
    returned = tuple(tag for tag in asked if _is_answered(tag, level, vocabulary))[:_MOST_RETURN_KEYS]
    is_whole = matched == tuple(keys) and len(returned) == len(asked.keys() - {CHARACTER_SET})
    return Question(store, level, matched, returned, agreement), is_whole


def _matched(key: Key, above: str, vocabulary: Vocabulary) -> Key | None:
    """What the index matches of a key."""
    path = f"{above}{key.tag}"
    if key.item:
        item = tuple(part for inner in key.item if (part := _matched(inner, f"{path}.", vocabulary)))
        return Key(key.tag, key.vr, item=item) if item else None
    return key if key.values and path in vocabulary.matched else None


def _is_answered(tag: str, level: Level, vocabulary: Vocabulary) -> bool:
    if tag == CHARACTER_SET:
        return False
    if level is Level.IMAGE:
        return True
    own = vocabulary.levels.get(tag)
    return own is not None and _LEVELS.index(own) <= _LEVELS.index(level)


def _begun(records: Iterator[DataSetJson]) -> Iterator[DataSetJson]:
    """The same records, the first of them asked for already, so that a refusal comes now."""
    first = next(records, None)
    return _chained(first, records) if first is not None else iter(())


def _chained(first: DataSetJson, rest: Iterator[DataSetJson]) -> Iterator[DataSetJson]:
    yield first
    yield from rest
