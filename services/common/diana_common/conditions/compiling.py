"""Conditions: filters (AIP-160) over an instance's own header, compiled once.

They are values, so that a plan can be handed to another process; two that read alike are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from diana_common.conditions.comparisons import BadComparison, Element, HasValue, Test, make_test
from diana_common.conditions.steps import BadPath, Step, parse_step, step_text
from diana_common.dicomjson import first_value, items
from diana_common.filters import And, Comparator, Filter, Member, Not, Or, Restriction, Words, filter_error
from diana_common.tags import vr_of

Header: TypeAlias = Mapping[str, Any]
"""An instance's header as DICOM JSON (PS3.18 annex F), pixel data left out."""

Condition: TypeAlias = Callable[[Header], bool]
"""Whether something holds for an instance."""


@dataclass(frozen=True, slots=True)
class Every:
    """Met where all parts are."""

    parts: tuple[Condition, ...]

    def __call__(self, header: Header) -> bool:
        return all(part(header) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Some:
    """Met where any part is."""

    parts: tuple[Condition, ...]

    def __call__(self, header: Header) -> bool:
        return any(part(header) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Never:
    """Met where its part is not."""

    part: Condition

    def __call__(self, header: Header) -> bool:
        return not self.part(header)


@dataclass(frozen=True, slots=True)
class Compared:
    """Met where the attribute, in any item of the sequences before it, passes the test."""

    steps: tuple[Step, ...]
    test: Test

    def __call__(self, header: Header) -> bool:
        return any(map(self.test, elements(header, self.steps)))


def bind(tree: Filter, field: str) -> Filter:
    """The tree with its attributes' names in canonical form. Raises FILTER_INVALID for the name of none."""
    match tree:
        case And(operands):
            return And(tuple(bind(one, field) for one in operands))
        case Or(operands):
            return Or(tuple(bind(one, field) for one in operands))
        case Not(operand):
            return Not(bind(operand, field))
        case Words():
            raise filter_error(tree.position, 'expected an attribute compared with a value, as Modality = "MR"', field)
        case Restriction(member, comparator, value):
            names = tuple(map(step_text, _steps(member, field)))
            return Restriction(Member(names, member.position), comparator, value)


def compile_condition(tree: Filter, field: str) -> Condition:
    """What a tree asks of a header. Raises FILTER_INVALID for values that do not fit their attributes."""
    match tree:
        case And(operands):
            return Every(tuple(compile_condition(one, field) for one in operands))
        case Or(operands):
            return Some(tuple(compile_condition(one, field) for one in operands))
        case Not(operand):
            return Never(compile_condition(operand, field))
        case Restriction():
            return _comparison(tree, field)
    raise filter_error(tree.position, "expected a comparison", field)


def elements(header: Header, steps: tuple[Step, ...]) -> Iterator[Element]:
    """The elements at a path: one for each item of the sequences on the way that has it."""
    levels: list[Header] = [header]
    *outer, last = steps
    for step in outer:
        levels = [item for level in levels for item in items(level, _tag(level, step))]
    for level in levels:
        element = level.get(_tag(level, last))
        if isinstance(element, Mapping):
            yield element


def _comparison(one: Restriction, field: str) -> Condition:
    steps = _steps(one.member, field)
    if not one.value.text.strip():
        present = Compared(steps, HasValue())
        if one.comparator is Comparator.EQUALS:
            return Never(present)
        if one.comparator is Comparator.NOT_EQUALS:
            return present
        raise filter_error(one.value.position, "expected a value", field)
    vr = "UN" if steps[-1].creator else vr_of(steps[-1].tag)
    differs = one.comparator is Comparator.NOT_EQUALS
    try:
        equal = Compared(steps, make_test(vr, Comparator.EQUALS if differs else one.comparator, one.value.text))
    except BadComparison as error:
        raise filter_error(one.value.position, str(error), field) from None
    return Every((Compared(steps, HasValue()), Never(equal))) if differs else equal


def _steps(member: Member, field: str) -> tuple[Step, ...]:
    try:
        steps = tuple(parse_step(name) for name in member.path)
    except BadPath as error:
        raise filter_error(member.position, str(error), field) from None
    for step in steps[:-1]:
        if not step.creator and vr_of(step.tag) != "SQ":
            raise filter_error(member.position, f"{step_text(step)} is no sequence: nothing stands within it", field)
    return steps


def _tag(level: Header, step: Step) -> str:
    """The step's tag in one data set, as DICOM JSON writes it; of a private one by the block that its creator has."""
    if not step.creator:
        return f"{step.tag:08X}"
    group, element = step.tag >> 16, step.tag & 0xFF
    for block in range(0x10, 0x100):
        if (first_value(level, f"{group:04X}00{block:02X}") or "").strip() == step.creator:
            return f"{group:04X}{block:02X}{element:02X}"
    return ""
