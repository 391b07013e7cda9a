"""What a question asks of a record: conditions, and how they are joined. No more than this is put into SQL.

A clause speaks of records of one level, the question's. Conditions on higher levels are met by the record
that it belongs to. Of the parts of an `All`, those that speak of lower levels are met together, by one child
with the records between; a part that has a `No` in it is taken by itself: a `No` is met by a record that has no
such child.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from diana_index.core.attributes import Attribute, Level
from diana_index.core.matching import Condition


@dataclass(frozen=True, slots=True)
class Present:
    """That the record has a value of the attribute."""

    attribute: Attribute


@dataclass(frozen=True, slots=True)
class Absent:
    """That the record has no value of the attribute."""

    attribute: Attribute


@dataclass(frozen=True, slots=True)
class Differs:
    """That the record has a value of the attribute, and none that meets the condition."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class InItem:
    """That one item of a sequence meets all conditions; each is on an attribute within that sequence."""

    depth: int
    """How many sequences down the item is: 1 in a top-level one."""
    parts: tuple[Condition | InItem, ...]
    """At least one; all on one level."""


@dataclass(frozen=True, slots=True)
class HasWords:
    """That the texts of the record, of those above and below it, or of its study's reports have a phrase."""

    words: tuple[str, ...]
    """As `reports.words` makes them."""
    prefix: bool = False
    """Whether the last one may go on."""


@dataclass(frozen=True, slots=True)
class HasFinding:
    """That a report of the record's study has a finding that meets a condition."""

    name: str
    condition: Condition | None
    """On `FINDING_TEXT` or `FINDING_NUMBER`; None: any."""


@dataclass(frozen=True, slots=True)
class All:
    """That all parts are met; none are always met."""

    parts: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """That one part is met; of none, none is."""

    parts: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class No:
    """That the part is not met."""

    part: Clause


FINDING_TEXT = Attribute("report", "report", "LO", Level.STUDY, many=False)
"""What a condition on a finding's text is on."""
FINDING_NUMBER = Attribute("report", "report", "FD", Level.STUDY, many=False)
"""What a condition on a finding's number is on."""

Clause = Condition | Present | Absent | Differs | InItem | HasWords | HasFinding | All | Any | No


def attributes_of(clause: Clause) -> Iterator[Attribute]:
    """All attributes that it speaks of; words and findings have none."""
    match clause:
        case Condition(attribute=attribute) | Present(attribute) | Absent(attribute):
            yield attribute
        case Differs(condition):
            yield condition.attribute
        case All(parts) | Any(parts) | InItem(_, parts):
            for part in parts:
                yield from attributes_of(part)
        case No(part):
            yield from attributes_of(part)


def lowest_level(clause: Clause) -> Level:
    """The lowest level that a clause speaks of; PATIENT if of none. Words and findings are a study's."""
    return max(levels_of(clause), default=Level.PATIENT)


def levels_of(clause: Clause) -> Iterator[Level]:
    """The levels that a clause speaks of."""
    match clause:
        case HasWords() | HasFinding():
            yield Level.STUDY
        case All(parts) | Any(parts):
            for part in parts:
                yield from levels_of(part)
        case No(part):
            yield from levels_of(part)
        case _:
            yield from (attribute.level for attribute in attributes_of(clause))


def has_no(clause: Clause) -> bool:
    """Whether there is a `No` in it."""
    match clause:
        case No():
            return True
        case All(parts) | Any(parts):
            return any(has_no(part) for part in parts)
    return False


def depth(clause: Clause) -> int:
    """How deep clauses lie in it."""
    match clause:
        case No(part):
            return depth(part) + 1
        case All(parts) | Any(parts):
            return max((depth(part) for part in parts), default=0) + 1
    return 0
