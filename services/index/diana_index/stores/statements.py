"""Pieces of statements: no value ever becomes part of a statement's text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from diana_index.core.attributes import Attribute, Level
from diana_index.core.forms import NUMBERS
from diana_index.stores.dialect import Dialect
from diana_index.stores.schema import COUNTS, TABLES

PARENTS = {Level.STUDY: "patient", Level.SERIES: "study", Level.INSTANCE: "series"}
"""The column of a level's table that names the record above."""


@dataclass
class Sql:
    """A statement in the making: its text and what its question marks stand for."""

    text: str = ""
    values: list[Any] = field(default_factory=list)

    def add(self, text: str, *values: Any) -> None:
        """Append text and the values of its question marks."""
        self.text += text
        self.values += values

    def append(self, other: Sql) -> None:
        """Append another's text and values."""
        self.add(other.text, *other.values)


@dataclass(frozen=True, slots=True)
class Setting:
    """What statements are made for."""

    dialect: Dialect
    further: frozenset[tuple[int, str]] = frozenset()
    """Level and tag of attributes of which some record has more forms than its column holds."""


def column(attribute: Attribute) -> str:
    """The column of an attribute that has one."""
    return f'{TABLES[attribute.level]}."{attribute.keyword}"'


def count_column(level: Level) -> str:
    """How many instances a record stands for."""
    return COUNTS[level] if level is Level.INSTANCE else f"{TABLES[level]}.{COUNTS[level]}"


def first_form(attribute: Attribute) -> Sql:
    """The first form of a record's attribute: to sort and to measure by."""
    if attribute.has_column:
        return Sql(column(attribute))
    table, kind = TABLES[attribute.level], form_column(attribute)
    return Sql(
        f"(SELECT f.{kind} FROM {table}_form f WHERE f.record = {table}.id AND f.tag = ? AND f.n = 0)", [attribute.tag]
    )


def all_forms(attribute: Attribute, setting: Setting) -> Sql:
    """All forms of a record's attribute without a column, as a JSON array."""
    table, value = TABLES[attribute.level], f"f.{form_column(attribute)}"
    array = setting.dialect.array(value)
    ordered = f"SELECT * FROM {table}_form WHERE record = {table}.id AND tag = ? ORDER BY n"
    return Sql(f"(SELECT {array} FROM ({ordered}) AS f)", [attribute.tag])


def form_column(attribute: Attribute) -> str:
    """The column of a table of forms that has the attribute's."""
    return "number" if attribute.vr in NUMBERS else "text"


def joined(level: Level, top: Level) -> str:
    """A level's table with those of the levels above it, up to `top`."""
    text = TABLES[level]
    for each in range(level, top, -1):
        parent = PARENTS[Level(each)]
        text += f" JOIN {parent} ON {parent}.id = {TABLES[Level(each)]}.{parent}"
    return text
