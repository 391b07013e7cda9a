"""One view of a generation's records, in SQL that both databases understand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from diana_index.core.aggregating import Aggregation, Group, Groups
from diana_index.core.attributes import Level
from diana_index.core.forms import MOST_CHARACTERS, Form, number_form
from diana_index.core.members import Member
from diana_index.core.question import Question
from diana_index.core.reports import Report
from diana_index.core.store import Mark, Row, SortKey, Totals, Wanted
from diana_index.stores.aggregates import aggregate_sql, count_sql, has_several
from diana_index.stores.connection import Connection
from diana_index.stores.dialect import Dialect
from diana_index.stores.packing import unpack, unpack_elements
from diana_index.stores.report_writer import read_report, study_reports
from diana_index.stores.sql import find_sql, names_sql
from diana_index.stores.statements import Setting

Large = Callable[[str, Sequence[Any]], Iterable[Any]]


class SqlReader:
    """Make it inside a transaction that sees one state of the records."""

    def __init__(self, connection: Connection, dialect: Dialect, large: Large | None = None) -> None:
        """`large`: does a statement whose rows together may be more than memory should hold; `connection.execute`."""
        self._connection = connection
        self._large = large or connection.execute
        further = connection.execute("SELECT level, tag FROM further").fetchall()
        self._setting = Setting(dialect, frozenset((int(level), tag) for level, tag in further))

    def mark(self) -> Mark:
        """How far the view reaches."""
        return read_mark(self._connection)

    def find(self, question: Question, wanted: Wanted, after: SortKey | None, limit: int) -> Iterator[Row]:
        """The records that meet a question, in its order, from behind `after`."""
        above = question.level if wanted.above else Level.PATIENT
        sql = find_sql(question, wanted, after, limit, self._setting)
        execute = self._large if wanted.header else self._connection.execute
        for row in execute(sql.text, sql.values):
            count, answers, body, rest = row[0], row[1 : 1 + above], row[1 + above], row[2 + above :]
            forms, sort_key = rest[: len(wanted.keyed)], rest[len(wanted.keyed) :]
            header = unpack(body) if body is not None else None
            elements = [unpack_elements(answer) for answer in answers]
            values = [json.loads(one or "[]") for one in forms]
            yield Row(tuple(_form(one) for one in sort_key), int(count), elements, header, values)

    def names(self, question: Question, after: SortKey | None, limit: int | None) -> Iterator[tuple[SortKey, Member]]:
        """What names the records that meet a question, each with its place: by unique key from behind `after`, or all
        in no order."""
        sql = names_sql(question, after, limit, self._setting)
        execute = self._large if limit is None else self._connection.execute
        for key, beside in execute(sql.text, sql.values):
            yield (key,), _member(question.level, key, beside or "")

    def count(self, question: Question) -> int:
        """How many there are."""
        sql = count_sql(question, self._setting)
        return int(self._connection.execute(sql.text, sql.values).fetchone()[0])

    def aggregate(self, question: Question, aggregation: Aggregation) -> Groups:
        """The groups of the records that meet a question, in order, up to the aggregation's limit."""
        sql = aggregate_sql(question, aggregation, self._setting)
        keys = len(aggregation.groupings)
        groups: list[Group] = []
        group_count = counted = 0
        for row in self._connection.execute(sql.text, sql.values):
            *found, group_count, counted = row
            measured = tuple(None if one is None else float(one) for one in found[keys + 1 :])
            groups.append(Group(tuple(_form(one) for one in found[:keys]), int(found[keys]), measured))
        record_count = self.count(question) if has_several(aggregation, self._setting) else int(counted)
        return Groups(groups, int(group_count), record_count)

    def totals(self, store: str | None = None) -> Totals:
        """How many records a store has, or all stores together: summed up from the patients' records."""
        where, values = ("", []) if store is None else (" WHERE store = ?", [store])
        row = self._connection.execute(
            'SELECT count(*), sum("NumberOfPatientRelatedStudies"), sum("NumberOfPatientRelatedSeries"),'
            f' sum("NumberOfPatientRelatedInstances") FROM patient{where}',
            values,
        ).fetchone()
        return Totals(*(int(number or 0) for number in row))

    def report(self, store: str, report_id: str) -> Report | None:
        """A report with its text; a plain one before a structured one."""
        return read_report(self._connection, store, report_id)

    def study_reports(self, store: str, study_uid: str, limit: int) -> list[Report]:
        """A study's reports, by its UID or its accession number, the newest first, without their texts."""
        return study_reports(self._connection, store, study_uid, limit)


def read_mark(connection: Connection) -> Mark:
    """How far the feed is applied."""
    return Mark(*connection.execute("SELECT position, commit_time FROM state").fetchone())


def _member(level: Level, key: str, beside: str) -> Member:
    """From a record's key, and what `names_sql` has beside it: see `schema.KEYS`."""
    match level:
        case Level.PATIENT:
            return _patient(key, beside)
        case Level.STUDY:
            return (key,)
        case Level.SERIES:
            return _study_and_series(key)
    return (*_study_and_series(beside), key)


def _patient(key: str, patient_id: str) -> Member:
    """See `records.patient_key`. One whose Patient ID is too long for a column is named by what its key has of it."""
    if key.startswith("\n"):
        return ("", *key[1:].rsplit("\n", 1))
    end = len(patient_id) if patient_id else key.index("\n", MOST_CHARACTERS)
    return key[:end], key[end + 1 :]


def _study_and_series(key: str) -> Member:
    series_uid, _, study_uid = key.partition("/")
    return study_uid, series_uid


def _form(value: Form | None) -> Form | None:
    """A number as `number_form` makes it, whatever the database made of it."""
    return value if value is None or isinstance(value, str) else number_form(value)
