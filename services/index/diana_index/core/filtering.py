"""From a filter's tree to a clause: what its names, comparators and values mean to the index."""

from __future__ import annotations

from collections.abc import Callable

from diana_common.errors import DianaError, FieldViolation
from diana_common.filters import (
    And,
    Comparator,
    Filter,
    Member,
    Not,
    Or,
    Restriction,
    Value,
    Words,
    filter_error,
    parse_filter,
)
from diana_index.core.attributes import Attribute
from diana_index.core.clauses import (
    FINDING_NUMBER,
    FINDING_TEXT,
    Absent,
    All,
    Any,
    Clause,
    Differs,
    HasFinding,
    HasWords,
    No,
    Present,
)
from diana_index.core.matching import (
    NO_VALUE,
    Condition,
    Made,
    compare_condition,
    containing_condition,
    fuzzy_condition,
    parse_condition,
)
from diana_index.core.reports.words import phrase
from diana_index.core.vocabulary import Vocabulary

_REPORT = "report"
_SCORES = ("radcat", "bi_rads", "lung_rads", "pack_years", "bone_age")
"""Findings whose texts are numbers, with letters behind them at most."""
_FINDINGS = (*_SCORES, "smoking")
_ORDERED = {
    Comparator.LESS: "<",
    Comparator.LESS_EQUALS: "<=",
    Comparator.GREATER: ">",
    Comparator.GREATER_EQUALS: ">=",
}


def bind_filter(text: str, field: str, vocabulary: Vocabulary, fuzzy_names: bool = False) -> Clause:
    """The clause of a filter; one that every record meets if it is empty.

    Raises FILTER_INVALID, naming the request's `field` and the character, KEY_UNSUPPORTED, SEARCH_KEY_NOT_READY.
    """
    tree = parse_filter(text, field)
    return All(()) if tree is None else _Binder(field, vocabulary, fuzzy_names).clause(tree)


class _Binder:
    def __init__(self, field: str, vocabulary: Vocabulary, fuzzy_names: bool) -> None:
        self._field = field
        self._vocabulary = vocabulary
        self._fuzzy = fuzzy_names

    def clause(self, tree: Filter) -> Clause:
        match tree:
            case And(operands):
                return All(tuple(self.clause(one) for one in operands))
            case Or(operands):
                return Any(tuple(self.clause(one) for one in operands))
            case Not(operand):
                return No(self.clause(operand))
            case Words():
                return self._words(tree)
            case Restriction():
                return self._restriction(tree)

    def _words(self, words: Words) -> Clause:
        made = phrase(words.text)
        if not made.words:
            raise filter_error(words.position, "there is no letter or digit to look for", self._field)
        return HasWords(made.words, made.prefix)

    def _restriction(self, one: Restriction) -> Clause:
        if one.member.path[0] == _REPORT:
            return self._finding(one)
        attribute = self._attribute(one.member)
        if one.comparator is Comparator.HAS:
            return self._has(attribute, one.value)
        if one.comparator in _ORDERED:
            comparator = _ORDERED[one.comparator]
            return self._made(one.value, lambda: compare_condition(attribute, comparator, one.value.text, self._field))
        if not one.value.text:
            return Absent(attribute) if one.comparator is Comparator.EQUALS else Present(attribute)
        condition = self._equal(attribute, one.value)
        if one.comparator is Comparator.EQUALS:
            return condition or Present(attribute)
        # Every value is like "*": none differs from it.
        return Differs(condition) if condition else Any(())

    def _attribute(self, member: Member) -> Attribute:
        name = ".".join(member.path)
        try:
            return self._vocabulary.find(name, self._field)
        except DianaError as error:
            description = error.fields[0].description if error.fields else error.message
            description = description.removeprefix(f"{self._field}: ")
            raise DianaError(
                error.reason,
                f"{self._field}: at character {member.position}: {description}",
                fields=[FieldViolation(self._field, f"at character {member.position}: {description}")],
            ) from None

    def _has(self, attribute: Attribute, value: Value) -> Clause:
        if value.text == "*":
            return Present(attribute)
        if self._fuzzy and attribute.vr == "PN":
            return fuzzy_condition(attribute, value.text) or Present(attribute)
        return self._made(value, lambda: containing_condition(attribute, value.text, self._field)) or Present(attribute)

    def _equal(self, attribute: Attribute, value: Value) -> Condition | None:
        """None for a value that is nothing but "*"."""
        if self._fuzzy and attribute.vr == "PN":
            return fuzzy_condition(attribute, value.text)
        if value.text.strip() == NO_VALUE:
            raise filter_error(value.position, 'expected a value; "" stands for none', self._field)
        return self._made(value, lambda: parse_condition(attribute, [value.text], self._field))

    def _made(self, value: Value, make: Callable[[], Made]) -> Made:
        """What is made of a value; an error names the filter's character instead of a field."""
        try:
            return make()
        except DianaError as error:
            description = error.fields[0].description if error.fields else error.message
            raise filter_error(value.position, description, self._field) from None

    def _finding(self, one: Restriction) -> Clause:
        name = one.member.path[1] if len(one.member.path) == 2 else ""
        if name not in _FINDINGS:
            raise filter_error(
                one.member.position, f"expected one of {', '.join(_FINDINGS)} behind report.", self._field
            )
        if one.comparator is Comparator.HAS and one.value.text == "*":
            return HasFinding(name, None)
        score = name in _SCORES
        text = one.value.text.strip().upper() if score else one.value.text.strip().lower()
        if one.comparator in _ORDERED or (score and text.replace(".", "", 1).isdigit()):
            comparator = _ORDERED.get(one.comparator, "=")
            condition = self._made(one.value, lambda: compare_condition(FINDING_NUMBER, comparator, text, self._field))
        else:
            condition = Condition(FINDING_TEXT, exact=(text,))
        equal = HasFinding(name, condition)
        return All((HasFinding(name, None), No(equal))) if one.comparator is Comparator.NOT_EQUALS else equal
