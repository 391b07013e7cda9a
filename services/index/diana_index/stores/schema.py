"""The tables of a generation, made from the table of attributes.

Each level has a table with a column for each attribute, which holds its first matching form; a table of what its
records answer with, apart so that searching reads little; a table of further forms (see `records.LevelRecord`);
and, above instances, one of the words of its texts. A record's id orders instances by arrival: the largest id
below a record is its newest instance, which the record reflects.
"""

from __future__ import annotations

import hashlib

from diana_index.core.attributes import ATTRIBUTES, NESTED, Attribute, Level
from diana_index.core.forms import NUMBERS
from diana_index.stores.dialect import Dialect
from diana_index.stores.packing import DICTIONARY

VERSION = 2
"""Counts up when a newer program writes what an older one cannot read."""

TABLES = {Level.PATIENT: "patient", Level.STUDY: "study", Level.SERIES: "series", Level.INSTANCE: "instance"}
KEYS = {
    Level.PATIENT: "key",
    Level.STUDY: '"StudyInstanceUID"',
    Level.SERIES: "key",
    Level.INSTANCE: '"SOPInstanceUID"',
}
"""The column that is unique within a store, by which records are sorted."""

TEXTUAL = (Level.STUDY, Level.SERIES)
"""Levels whose records have texts that are searched by their words; `said` is a digest of them."""

_OWN_COLUMNS = {
    Level.PATIENT: "key {text} NOT NULL, newest BIGINT",
    Level.STUDY: "patient BIGINT, newest BIGINT, said BIGINT",
    Level.SERIES: "key {text} NOT NULL, study BIGINT NOT NULL, newest BIGINT, said BIGINT",
    Level.INSTANCE: "series BIGINT NOT NULL, version {text} NOT NULL",
}
_ROWS = {Level.PATIENT: 50_000, Level.STUDY: 100_000, Level.SERIES: 500_000, Level.INSTANCE: 50_000_000}
_INDEXES: dict[Level, dict[str, str]] = {
    Level.PATIENT: {'store, "PatientID"': "50000 1"},
    Level.STUDY: {
        "patient, newest": "2 1",
        'store, "AccessionNumber"': "100000 1",
        'store, "StudyDate"': "100000 50",
        'store, "StudyID"': "100000 5",
    },
    Level.SERIES: {
        "study, newest": "5 1",
        'store, "SeriesInstanceUID"': "500000 1",
        'store, "Modality"': "500000 50000",
    },
    Level.INSTANCE: {"series, id": "100 1"},
}
"""Indexes, and how many rows of an archive of middling size share each of their columns' values, from the left.

SQLite's planner goes by these figures instead of counting: its plans are the same from the first instance on.
"""

COUNTS = {
    Level.PATIENT: '"NumberOfPatientRelatedInstances"',
    Level.STUDY: '"NumberOfStudyRelatedInstances"',
    Level.SERIES: '"NumberOfSeriesRelatedInstances"',
    Level.INSTANCE: "1",
}
"""How many instances a record stands for."""


def statements(dialect: Dialect) -> list[str]:
    """What makes an empty generation."""
    text, blob = dialect.text, dialect.blob
    made = [
        f"""CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), position {text} NOT NULL,
            commit_time DOUBLE PRECISION, written BIGINT NOT NULL)""",
        "INSERT INTO state VALUES (1, '', NULL, 0)",
        f"""CREATE TABLE search_key (id {text} PRIMARY KEY, path {text} NOT NULL, level INTEGER NOT NULL,
            vr {text} NOT NULL, filled BIGINT, looked_at BIGINT NOT NULL, valued BIGINT NOT NULL)""",
        f"CREATE TABLE further (level INTEGER NOT NULL, tag {text} NOT NULL, PRIMARY KEY (level, tag))",
        f"""CREATE TABLE series_class (series BIGINT NOT NULL, sop_class {text} NOT NULL, instances BIGINT NOT NULL,
            PRIMARY KEY (series, sop_class))""",
        f"""CREATE TABLE report (id {dialect.key}, store {text} NOT NULL, report_id {text} NOT NULL,
            study_uid {text}, accession_number {text}, instance BIGINT, report_time DOUBLE PRECISION,
            findings {blob} NOT NULL, body {blob} NOT NULL)""",
        "CREATE INDEX report_instance ON report (instance)",
        "CREATE INDEX report_key ON report (store, report_id)",
        "CREATE INDEX report_study ON report (store, study_uid)",
        "CREATE INDEX report_accession ON report (store, accession_number)",
        f"""CREATE TABLE finding (report BIGINT NOT NULL, name {text} NOT NULL, text {text} NOT NULL,
            number {dialect.number})""",
        "CREATE INDEX finding_report ON finding (report)",
        "CREATE INDEX finding_name ON finding (name, number)",
        *dialect.words_tables("report"),
    ]
    for level in Level:
        made += _level_statements(level, dialect)
    return made


def statistics() -> list[str]:
    """What SQLite's planner is told."""
    made = ["ANALYZE"]  # makes the table of statistics
    for level in Level:
        made += _level_statistics(level)
    return made


def fingerprint(dialect: Dialect) -> str:
    """What a generation was made with: one made with another table of attributes is made anew."""
    made = hashlib.sha256("\n".join([*statements(dialect), *statistics()]).encode())
    made.update(DICTIONARY)
    made.update(repr(NESTED).encode())
    return made.hexdigest()


def columns(level: Level) -> list[str]:
    """A level's columns of attributes, in the order of its table of attributes, quoted."""
    return [f'"{one.keyword}"' for one in ATTRIBUTES[level]]


def is_number(attribute: Attribute) -> bool:
    """Whether an attribute's column has numbers; a column with all of an instance's forms has texts."""
    return attribute.vr in NUMBERS and not (attribute.many and attribute.level is Level.INSTANCE)


def _level_statements(level: Level, dialect: Dialect) -> list[str]:
    table, text = TABLES[level], dialect.text
    attributes = ", ".join(f'"{one.keyword}" {dialect.number if is_number(one) else text}' for one in ATTRIBUTES[level])
    header = f", header {dialect.blob} NOT NULL" if level is Level.INSTANCE else ""
    made = [
        f"""CREATE TABLE {table} (id {dialect.key}, store {text} NOT NULL,
            {_OWN_COLUMNS[level].format(text=text)}, {attributes})""",
        f"CREATE UNIQUE INDEX {table}_key ON {table} (store, {KEYS[level]})",
        f"CREATE TABLE {table}_answer (record {dialect.key}, elements {dialect.blob} NOT NULL{header})",
        f"""CREATE TABLE {table}_form (record BIGINT NOT NULL, tag {text} NOT NULL, n INTEGER NOT NULL,
            item {text} NOT NULL, text {text}, number {dialect.number})""",
        f"CREATE INDEX {table}_form_record ON {table}_form (record, tag, n)",
        f"CREATE INDEX {table}_form_text ON {table}_form (tag, {dialect.indexed('text')}, number, record)",
    ]
    if level in TEXTUAL:
        made += dialect.words_tables(table)
    return made + [f"CREATE INDEX {table}_{n} ON {table} ({on})" for n, on in enumerate(_INDEXES[level])]


def _level_statistics(level: Level) -> list[str]:
    table, rows = TABLES[level], _ROWS[level]
    figures = {f"{table}_key": f"{rows} 1", **{f"{table}_{n}": one for n, one in enumerate(_INDEXES[level].values())}}
    forms = {f"{table}_form_record": "4 2 1", f"{table}_form_text": f"{rows} 10 10 1"}
    made = [(table, index, f"{rows} {shared}") for index, shared in figures.items()]
    made += [(f"{table}_form", index, f"{4 * rows} {shared}") for index, shared in forms.items()]
    return [f"INSERT INTO sqlite_stat1 VALUES ('{one}', '{index}', '{shared}')" for one, index, shared in made]
