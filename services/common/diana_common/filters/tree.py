"""What a filter says: a tree of restrictions and words. It knows no attribute; who uses it does.

Positions are characters of the filter's text, counted from 1, for errors; trees are equal without regard
to them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from diana_common.errors import DianaError, FieldViolation, Reason


class Comparator(Enum):
    """How a member is compared with a value."""

    EQUALS = "="
    NOT_EQUALS = "!="
    LESS = "<"
    LESS_EQUALS = "<="
    GREATER = ">"
    GREATER_EQUALS = ">="
    HAS = ":"


@dataclass(frozen=True, slots=True)
class Member:
    """A name, or several joined by dots: `RequestAttributesSequence.ScheduledProcedureStepID`."""

    path: tuple[str, ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Value:
    """What a member is compared with: text as it was meant, quotation marks and escapes gone. May be empty.

    "*" is a wildcard within quotation marks too; AIP-160 has no way to mean the character itself.
    """

    text: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Words:
    """A word, or a phrase in quotation marks, by itself: to be found in whatever the service searches."""

    text: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Restriction:
    """A comparison of a member with one value."""

    member: Member
    comparator: Comparator
    value: Value


@dataclass(frozen=True, slots=True)
class Not:
    """What is met where its operand is not."""

    operand: Filter


@dataclass(frozen=True, slots=True)
class And:
    """What is met where all of its operands are, at least two. An And among them stood in brackets of its own."""

    operands: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """What is met where any of its operands is, at least two. An Or among them stood in brackets of its own."""

    operands: tuple[Filter, ...]


Filter = And | Or | Not | Restriction | Words


def filter_error(position: int, description: str, field: str = "filter") -> DianaError:
    """FILTER_INVALID for what stands at a position of the filter in a request's `field`.

    The description says what is wrong and what was expected; never what the filter's values are.
    """
    where = f"at character {position}: {description}"
    return DianaError(Reason.FILTER_INVALID, f"{field}: {where}", fields=[FieldViolation(field, where)])
