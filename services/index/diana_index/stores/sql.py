"""From a question to SQL with parameters: no value ever becomes part of a statement.

What matches is `core.matching`'s business; here it is only said in SQLite's words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from diana_index.core.attributes import Attribute, Level
from diana_index.core.matching import Condition
from diana_index.core.question import Question
from diana_index.core.store import SortKey, Wanted
from diana_index.stores.schema import COUNTS, KEYS, TABLES

_PARENTS = {Level.STUDY: "patient", Level.SERIES: "study", Level.INSTANCE: "series"}


@dataclass
class Sql:
    """A statement in the making: its text and what its question marks stand for."""

    text: str = ""
    values: list[Any] = field(default_factory=list)

    def add(self, text: str, *values: Any) -> None:
        """Append text and the values of its question marks."""
        self.text += text
        self.values += values


def find_sql(question: Question, wanted: Wanted, after: SortKey | None, limit: int) -> Sql:
    """Records in order. Columns: the count, elements from the record's level upwards, the header, the sort key."""
    level = question.level
    terms = _terms(question)
    columns = [f"{TABLES[level]}.{COUNTS[level]}" if level < Level.INSTANCE else COUNTS[level]]
    columns.append(", ".join(f"{TABLES[each]}.elements" for each in _answering(level, wanted)))
    columns.append("(SELECT body FROM header WHERE header.instance = instance.id)" if wanted.header else "NULL")
    columns += [column for column, _ in terms]
    sql = Sql(f"SELECT {', '.join(columns)}")
    _add_source(sql, question, wanted.above)
    if after is not None:
        _add_after(sql, terms, after)
    order = ", ".join(f"{column} DESC" if descending else column for column, descending in terms)
    sql.add(f" ORDER BY {order} LIMIT ?", limit)
    return sql


def count_sql(question: Question) -> Sql:
    """How many records there are."""
    sql = Sql("SELECT count(*)")
    _add_source(sql, question, above=False)
    return sql


def _answering(level: Level, wanted: Wanted) -> list[Level]:
    return [each for each in reversed(Level) if each == level or (wanted.above and each < level)]


def _terms(question: Question) -> list[tuple[str, bool]]:
    """The columns to sort by, each with whether it descends; the last one is unique."""
    terms = [(_column(order.attribute), order.descending) for order in question.orders]
    return [*terms, (f"{TABLES[question.level]}.{KEYS[question.level]}", False)]


def _column(attribute: Attribute) -> str:
    return f'{TABLES[attribute.level]}."{attribute.keyword}"'


def _add_source(sql: Sql, question: Question, above: bool) -> None:
    """FROM and WHERE: the level's table, joined to those above that are needed, and all conditions."""
    level = question.level
    named = [one.attribute.level for one in question.conditions] + [one.attribute.level for one in question.orders]
    top = Level.PATIENT if above else min((level, *named))
    sql.add(f" FROM {_joined(level, top)} WHERE {TABLES[level]}.store = ?", question.store)
    for condition in question.conditions:
        if condition.attribute.level <= level:
            sql.add(" AND ")
            _add_condition(sql, condition)
    if below := [one for one in question.conditions if one.attribute.level > level]:
        _add_below(sql, question.store, level, below)


def _joined(level: Level, top: Level) -> str:
    """A level's table with those of the levels above it, up to `top`."""
    text = TABLES[level]
    for each in range(level, top, -1):
        parent = _PARENTS[Level(each)]
        text += f" JOIN {parent} ON {parent}.id = {TABLES[Level(each)]}.{parent}"
    return text


def _add_below(sql: Sql, store: str, level: Level, conditions: Sequence[Condition]) -> None:
    """That one record below, with those between, meets all the conditions."""
    lowest = max(one.attribute.level for one in conditions)
    child = TABLES[Level(level + 1)]
    sql.add(f" AND {TABLES[level]}.id IN (SELECT {child}.{TABLES[level]} FROM {_joined(lowest, Level(level + 1))}")
    sql.add(f" WHERE {TABLES[lowest]}.store = ?", store)
    for condition in conditions:
        sql.add(" AND ")
        _add_condition(sql, condition)
    sql.add(")")


def _add_condition(sql: Sql, condition: Condition) -> None:
    """That one of the attribute's forms meets the condition: in the column, or among the further forms."""
    attribute = condition.attribute
    table = TABLES[attribute.level]
    sql.add("(")
    if not attribute.many:
        _add_match(sql, _column(attribute), condition)
        sql.add(" OR ")
    if attribute.many and attribute.level is Level.INSTANCE:
        # Instances are many and their images' types alike: gathering all that match would cost more.
        sql.add(
            f"EXISTS (SELECT 1 FROM {table}_form AS f WHERE f.record = {table}.id AND f.tag = ? AND ", attribute.tag
        )
    else:
        sql.add(f"{table}.id IN (SELECT f.record FROM {table}_form AS f WHERE f.tag = ? AND ", attribute.tag)
    _add_match(sql, "f.form", condition)
    sql.add("))")


def _add_match(sql: Sql, column: str, condition: Condition) -> None:
    """That a column meets one of the condition's alternatives; many of a kind travel as one JSON parameter."""
    words = "("
    if condition.exact:
        _add_either(
            sql,
            words,
            f"{column} = ?",
            f"{column} IN (SELECT value FROM json_each(?))",
            [[one] for one in condition.exact],
        )
        words = " OR "
    if condition.patterns:
        any_pattern = f"EXISTS (SELECT 1 FROM json_each(?) AS p WHERE {column} GLOB p.value)"
        _add_either(sql, words, f"{column} GLOB ?", any_pattern, [[_glob(one)] for one in condition.patterns])
        words = " OR "
    if condition.ranges:
        ends = "json_extract(p.value, '$[0]') AND json_extract(p.value, '$[1]')"
        any_range = f"EXISTS (SELECT 1 FROM json_each(?) AS p WHERE {column} BETWEEN {ends})"
        _add_either(sql, words, f"{column} BETWEEN ? AND ?", any_range, [list(one) for one in condition.ranges])
    sql.add(")")


def _add_either(sql: Sql, before: str, single: str, several: str, rows: list[list[Any]]) -> None:
    if len(rows) == 1:
        sql.add(before + single, *rows[0])
    else:
        sql.add(before + several, json.dumps([row[0] if len(row) == 1 else row for row in rows]))


def _glob(pattern: str) -> str:
    """A pattern in GLOB's words, where "[" is special too."""
    return pattern.replace("[", "[[]")


def _add_after(sql: Sql, terms: Sequence[tuple[str, bool]], after: SortKey) -> None:
    """That a record comes behind `after`: equal in the first terms, beyond in the next."""
    clauses = Sql()
    equal = Sql()
    for (column, descending), form in zip(terms, after, strict=True):
        beyond = _beyond(column, descending, form is None)
        if beyond:
            clauses.add(" OR " if clauses.text else "")
            clauses.add(f"({equal.text}{beyond})", *equal.values, *([] if form is None else [form]))
        equal.add(f"{column} IS ? AND ", form)
    sql.add(f" AND ({clauses.text})", *clauses.values)


def _beyond(column: str, descending: bool, none: bool) -> str:
    """What comes behind a form, or behind no form at all, in a column; empty if nothing does."""
    if none:
        return "" if descending else f"{column} IS NOT NULL"
    return f"({column} < ? OR {column} IS NULL)" if descending else f"{column} > ?"
