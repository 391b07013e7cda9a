"""From a question to the statements that answer it."""

from __future__ import annotations

from collections.abc import Sequence

from diana_index.core.attributes import Attribute, Level
from diana_index.core.question import Question
from diana_index.core.store import SortKey, Wanted
from diana_index.stores.clauses import add_source
from diana_index.stores.schema import KEYS, TABLES
from diana_index.stores.statements import Setting, Sql, all_forms, column, count_column, first_form, joined

_Term = tuple[Sql, bool, bool]
"""What to sort by, whether it descends, whether it may be missing."""


def find_sql(question: Question, wanted: Wanted, after: SortKey | None, limit: int, setting: Setting) -> Sql:
    """Records in order. Columns: the count, elements from the record's level upwards, the header, forms, the sort key.

    First the page is found, by what records are matched and sorted by; only then is read what they answer with.
    """
    level = question.level
    terms = _terms(question, setting)
    sql = Sql(f"SELECT {count_column(level)}")
    for each in _answering(level, wanted):
        sql.add(f", (SELECT elements FROM {TABLES[each]}_answer WHERE record = {TABLES[each]}.id)")
    sql.add(", (SELECT header FROM instance_answer WHERE record = instance.id)" if wanted.header else ", NULL")
    for attribute in wanted.keyed:
        sql.add(", ")
        sql.append(all_forms(attribute, setting))
    sql.add("".join(f", page.term{number}" for number in range(len(terms))))
    top = Level.PATIENT if wanted.above else min([level, *(attribute.level for attribute in wanted.keyed)])
    sql.add(" FROM (")
    sql.append(_page_sql(question, terms, after, limit, setting))
    sql.add(f") AS page, {joined(level, top)} WHERE {TABLES[level]}.id = page.record")
    _add_order(sql, [(Sql(f"page.term{n}"), descending, optional) for n, (_, descending, optional) in enumerate(terms)])
    return sql


def _page_sql(question: Question, terms: Sequence[_Term], after: SortKey | None, limit: int, setting: Setting) -> Sql:
    """The ids of a page's records, and what they are sorted by."""
    sql = Sql(f"SELECT {TABLES[question.level]}.id AS record")
    for number, (term, _, _) in enumerate(terms):
        sql.add(", ")
        sql.append(term)
        sql.add(f" AS term{number}")
    add_source(sql, question, [order.attribute.level for order in question.orders], setting)
    if after is not None:
        _add_after(sql, terms, after)
    _add_order(sql, terms)
    sql.add(" LIMIT ?", limit)
    return sql


def _add_order(sql: Sql, terms: Sequence[_Term]) -> None:
    for number, (term, descending, optional) in enumerate(terms):
        sql.add(", " if number else " ORDER BY ")
        sql.append(term)
        sql.add(" DESC" if descending else "")
        if optional:
            sql.add(" NULLS LAST" if descending else " NULLS FIRST")


def names_sql(question: Question, after: SortKey | None, limit: int | None, setting: Setting) -> Sql:
    """What names records, by their keys; without a limit all, in no order. Columns: the key, and beside it a patient's
    Patient ID, an instance's series' key."""
    level = question.level
    key = f"{TABLES[level]}.{KEYS[level]}"
    beside = {Level.PATIENT: 'patient."PatientID"', Level.INSTANCE: "series.key"}.get(level, "''")
    sql = Sql(f"SELECT {key}, {beside}")
    add_source(sql, question, [Level.SERIES] if level is Level.INSTANCE else [], setting)
    if after is not None:
        sql.add(f" AND {key} > ?", *after)
    if limit is not None:
        sql.add(f" ORDER BY {key} LIMIT ?", limit)
    return sql


def _answering(level: Level, wanted: Wanted) -> list[Level]:
    return [each for each in reversed(Level) if each == level or (wanted.above and each < level)]


def _terms(question: Question, setting: Setting) -> list[_Term]:
    terms = [(_sorted_by(order.attribute, setting), order.descending, True) for order in question.orders]
    return [*terms, (Sql(f"{TABLES[question.level]}.{KEYS[question.level]}"), False, False)]


def _sorted_by(attribute: Attribute, setting: Setting) -> Sql:
    """The first form; of an instance's attribute with several it is the first of its array."""
    if attribute.has_column and attribute.many and attribute.level is Level.INSTANCE:
        return Sql(setting.dialect.ends(column(attribute))[0])
    return first_form(attribute)


def _add_after(sql: Sql, terms: Sequence[_Term], after: SortKey) -> None:
    """That a record comes behind `after`: equal in the first terms, beyond in the next."""
    clauses, equal = Sql(), Sql()
    for (term, descending, _), form in zip(terms, after, strict=True):
        beyond = _beyond(term, descending, form)
        if beyond.text:
            clauses.add(" OR (" if clauses.text else "(")
            clauses.append(equal)
            clauses.append(beyond)
            clauses.add(")")
        equal.append(term)
        equal.add(" IS NULL AND " if form is None else " = ? AND ", *([] if form is None else [form]))
    sql.add(" AND (")
    sql.append(clauses)
    sql.add(")")


def _beyond(term: Sql, descending: bool, form: object) -> Sql:
    """What comes behind a form, or behind no form at all; empty if nothing does."""
    if form is None:
        return Sql() if descending else Sql(f"{term.text} IS NOT NULL", list(term.values))
    if descending:
        return Sql(f"({term.text} < ? OR {term.text} IS NULL)", [*term.values, form, *term.values])
    return Sql(f"{term.text} > ?", [*term.values, form])
