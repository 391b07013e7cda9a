"""From clauses to conditions of SQL. What matches is `core.matching`'s business; here it is only said in SQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from diana_index.core.attributes import Attribute, Level
from diana_index.core.clauses import (
    Absent,
    All,
    Any,
    Clause,
    Differs,
    HasFinding,
    HasWords,
    InItem,
    No,
    Present,
    depth,
    has_no,
    levels_of,
    lowest_level,
)
from diana_index.core.forms import NUMBERS
from diana_index.core.matching import Condition
from diana_index.core.question import Question
from diana_index.core.records import SOUNDS
from diana_index.stores.matches import match_sql
from diana_index.stores.schema import TABLES
from diana_index.stores.statements import Setting, Sql, column, form_column, joined

_ITEM_DIGITS = 4
_DEEP = 4
"""From where on the order of what is joined is not the question's."""


def add_source(sql: Sql, question: Question, named: Sequence[Level], setting: Setting) -> None:
    """FROM and WHERE: the level's table, joined to those above that are needed or `named`, and the clause."""
    level = question.level
    top = min([level, *named, *levels_of(question.clause)])
    sql.add(f" FROM {joined(level, top)} WHERE {TABLES[level]}.store = ?", question.store)
    if question.clause != All(()):
        sql.add(" AND ")
        _Scope(sql, question.store, level, setting).add(question.clause)


class _Scope:
    """Adds clauses that speak of the records of one level, or of those that they belong to."""

    def __init__(self, sql: Sql, store: str, level: Level, setting: Setting) -> None:
        self._sql = sql
        self._store = store
        self._level = level
        self._setting = setting

    def add(self, clause: Clause) -> None:
        """Append that the scope's record meets a clause."""
        match clause:
            case All(parts):
                self._add_all(parts)
            case Any(parts):
                self._add_any(parts)
            case No(part):
                self._add_not(part)
            case _ if lowest_level(clause) > self._level:
                self._add_child([clause])
            case HasWords() | HasFinding():
                self._add_of_study(clause)
            case InItem():
                self._add_item(clause)
            case Present(attribute):
                self._add_present(attribute)
            case Absent(attribute):
                self._sql.add("(")
                self._add_present(attribute)
                self._sql.add(") IS NOT TRUE")
            case Differs(condition):
                self._sql.add("(")
                self._add_present(condition.attribute)
                self._sql.add(" AND ")
                self._add_not(condition)
                self._sql.add(")")
            case Condition():
                self._add_condition(clause)

    def _add_all(self, parts: Sequence[Clause]) -> None:
        together = [part for part in parts if lowest_level(part) > self._level and not has_no(part)]
        steps = [(depth(part), partial(self.add, part)) for part in parts if part not in together]
        if together:
            steps.append((depth(All(tuple(together))), partial(self._add_child, together)))
        self._add_joined(steps, " AND ", "1 = 1")

    def _add_any(self, parts: Sequence[Clause]) -> None:
        self._add_joined([(depth(part), partial(self.add, part)) for part in parts], " OR ", "1 = 0")

    def _add_joined(self, steps: Sequence[tuple[int, Callable[[], None]]], word: str, nothing: str) -> None:
        """What is deep comes first: SQLite's parser keeps what stands before a bracket, and has room for 100."""
        self._sql.add("(" if steps else f"({nothing}")
        for number, (_, add) in enumerate(sorted(steps, key=lambda step: -step[0] if step[0] >= _DEEP else 0)):
            self._sql.add(word if number else "")
            add()
        self._sql.add(")")

    def _add_not(self, part: Clause) -> None:
        """A condition on what is missing is neither met nor not met in SQL; here it is not met."""
        bare = not isinstance(part, All | Any)  # what these add has brackets
        self._sql.add("(" if bare else "")
        self.add(part)
        self._sql.add(") IS NOT TRUE" if bare else " IS NOT TRUE")

    def _add_child(self, parts: Sequence[Clause]) -> None:
        """That one record below, with those between, meets all the parts."""
        lowest = max(lowest_level(part) for part in parts)
        child, own = Level(self._level + 1), TABLES[self._level]
        self._sql.add(f"{own}.id IN (SELECT {TABLES[child]}.{own} FROM {joined(lowest, child)}")
        self._sql.add(f" WHERE {TABLES[lowest]}.store = ?", self._store)
        below = _Scope(self._sql, self._store, lowest, self._setting)
        for part in parts:
            self._sql.add(" AND ")
            below.add(part)
        self._sql.add(")")

    def _add_present(self, attribute: Attribute) -> None:
        if attribute.has_column:
            self._sql.add(f"{column(attribute)} IS NOT NULL")
            return
        table = TABLES[attribute.level]
        self._sql.add(f"EXISTS (SELECT 1 FROM {table}_form f WHERE f.record = {table}.id AND f.tag = ?)", attribute.tag)

    def _add_condition(self, condition: Condition) -> None:
        """That one of the attribute's forms meets it: in the column, or among the forms kept apart."""
        attribute = condition.attribute
        table = TABLES[attribute.level]
        if condition.sounds:
            self._add_sounds(condition)
        elif attribute.has_column and attribute.many and attribute.level is Level.INSTANCE:
            self._add_in_array(condition)
        elif attribute.has_column and not attribute.many:
            apart = (int(attribute.level), attribute.tag) in self._setting.further
            self._sql.add("(")
            self._add_match(column(attribute), condition)
            if apart:
                self._sql.add(f" OR {table}.id IN (")
                self._add_records(condition)
                self._sql.add(")")
            self._sql.add(")")
        else:
            self._sql.add(f"{table}.id IN (")
            self._add_records(condition)
            self._sql.add(")")

    def _add_records(self, condition: Condition) -> None:
        """SELECT: the records of which a form kept apart meets the condition."""
        attribute = condition.attribute
        self._sql.add(f"SELECT f.record FROM {TABLES[attribute.level]}_form f WHERE f.tag = ? AND ", attribute.tag)
        self._add_match(f"f.{form_column(attribute)}", condition, apart=True)

    def _add_sounds(self, condition: Condition) -> None:
        """That for each word one of its sounds is among the record's."""
        attribute = condition.attribute
        table = TABLES[attribute.level]
        heard = self._setting.dialect.indexed("f.text")
        for number, sounds in enumerate(condition.sounds):
            self._sql.add(" AND " if number else "(")
            self._sql.add(f"{table}.id IN (SELECT f.record FROM {table}_form f WHERE f.tag = ? AND {heard} IN ")
            self._sql.add("(SELECT value FROM json_each(?)))", attribute.tag + SOUNDS, json.dumps(sounds))
        self._sql.add(")")

    def _add_in_array(self, condition: Condition) -> None:
        """That a value of a column that holds a JSON array of texts meets the condition."""
        where, dialect = column(condition.attribute), self._setting.dialect
        self._sql.add("(")
        if condition == Condition(condition.attribute, exact=condition.exact[:1]):
            # What it looks like in the array's text: that is quick to look for, and tells nearly all.
            quoted = json.dumps(condition.exact[0], ensure_ascii=False)
            self._sql.add(f"{where} {dialect.like} ? AND ", dialect.pattern(f"*{quoted}*"))
        self._sql.add(f"EXISTS (SELECT 1 FROM {dialect.each(where)} AS v WHERE ")
        self._add_match("v.value", condition)
        self._sql.add("))")

    def _add_match(self, where: str, condition: Condition, apart: bool = False) -> None:
        """That a column meets one of the condition's alternatives; `apart`: one of a table of forms."""
        self._sql.append(match_sql(where, condition, self._setting.dialect, apart))

    def _add_item(self, item: InItem) -> None:
        """That one item of a sequence meets all conditions: their forms lie in one item, at each depth."""
        found: list[_Row] = []
        _flatten(item, None, 0, found)
        table = TABLES[found[0].condition.attribute.level]
        self._sql.add(f"{table}.id IN (SELECT f0.record FROM {table}_form f0")
        for number, row in enumerate(found[1:], 1):
            self._sql.add(f" JOIN {table}_form f{number} ON f{number}.record = f0.record")
            if row.depth:
                ends = f"1, {row.depth * _ITEM_DIGITS}"
                self._sql.add(f" AND substr(f{number}.item, {ends}) = substr(f{row.beside}.item, {ends})")
        for number, row in enumerate(found):
            self._sql.add(f" {'AND' if number else 'WHERE'} f{number}.tag = ? AND ", row.condition.attribute.tag)
            self._add_match(f"f{number}.{form_column(row.condition.attribute)}", row.condition, apart=True)
        self._sql.add(")")

    def _add_of_study(self, clause: HasWords | HasFinding) -> None:
        """What is met by a study with its series and reports."""
        self._sql.add("(study.id IN (")
        if isinstance(clause, HasWords):
            self._add_word_studies(clause)
        else:
            self._add_finding_studies(clause)
        self._sql.add(")")
        if isinstance(clause, HasWords) and self._level > Level.STUDY:
            self._sql.add(" OR series.id IN (")
            self._add_matching_words("series", clause)
            self._sql.add(")")
        self._sql.add(")")

    def _add_word_studies(self, phrase: HasWords) -> None:
        """SELECT: studies whose own texts or reports have a phrase; of a study's series', unless series are meant."""
        self._add_matching_words("study", phrase)
        if self._level <= Level.STUDY:
            self._sql.add(" UNION SELECT s.study FROM series s WHERE s.id IN (")
            self._add_matching_words("series", phrase)
            self._sql.add(")")
        reports = Sql()
        _Scope(reports, self._store, self._level, self._setting)._add_matching_words("report", phrase)
        self._sql.add(" UNION ")
        self._add_studies_of(reports)

    def _add_finding_studies(self, finding: HasFinding) -> None:
        """SELECT: studies with a report that has a finding."""
        reports = Sql("SELECT report FROM finding WHERE name = ?", [finding.name])
        if finding.condition:
            reports.add(" AND ")
            where = "number" if finding.condition.attribute.vr in NUMBERS else "text"
            _Scope(reports, self._store, self._level, self._setting)._add_match(where, finding.condition)
        self._add_studies_of(reports)

    def _add_matching_words(self, table: str, phrase: HasWords) -> None:
        match, values = self._setting.dialect.words_match(table, phrase)
        self._sql.add(f"SELECT rowid FROM {table}_words WHERE {match}", *values)

    def _add_studies_of(self, reports: Sql) -> None:
        """SELECT: the studies that reports are of, by their UID or their accession number."""
        pairs = (('"StudyInstanceUID"', "study_uid"), ('"AccessionNumber"', "accession_number"))
        for number, (own, named) in enumerate(pairs):
            self._sql.add(" UNION " if number else "")
            self._sql.add(f"SELECT s.id FROM report r JOIN study s ON s.store = r.store AND s.{own} = r.{named}")
            self._sql.add(" WHERE r.store = ? AND r.id IN (", self._store)
            self._sql.append(reports)
            self._sql.add(")")


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of forms that an item's condition needs."""

    condition: Condition
    beside: int | None
    """The row whose item its own is in."""
    depth: int
    """At this depth."""


def _flatten(item: InItem, beside: int | None, depth: int, found: list[_Row]) -> int:
    """Add an item's rows; the number of its first."""
    first: int | None = None
    for part in item.parts:
        near, at = (beside, depth) if first is None else (first, item.depth)
        if isinstance(part, InItem):
            number = _flatten(part, near, at, found)
        else:
            found.append(_Row(part, near, at))
            number = len(found) - 1
        first = number if first is None else first
    return first or 0
