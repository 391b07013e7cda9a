"""The tables of a generation, made from the table of attributes.

Each level has a table with a column for each attribute, which holds its first matching form, and a table of
further forms (`many` attributes have all of theirs there). A record's id orders instances by arrival: the
largest id below a record is its newest instance, which the record reflects.
"""

from __future__ import annotations

import hashlib

from diana_index.core.attributes import ATTRIBUTES, Level
from diana_index.core.forms import NUMBERS

VERSION = 1
"""Counts up when a newer program writes what an older one cannot read."""

TABLES = {Level.PATIENT: "patient", Level.STUDY: "study", Level.SERIES: "series", Level.INSTANCE: "instance"}
KEYS = {
    Level.PATIENT: "key",
    Level.STUDY: '"StudyInstanceUID"',
    Level.SERIES: "key",
    Level.INSTANCE: '"SOPInstanceUID"',
}
"""The column that is unique within a store, by which records are sorted."""

_OWN_COLUMNS = {
    Level.PATIENT: "key TEXT NOT NULL, newest INTEGER",
    Level.STUDY: "patient INTEGER, newest INTEGER",
    Level.SERIES: "key TEXT NOT NULL, study INTEGER NOT NULL, newest INTEGER",
    Level.INSTANCE: "series INTEGER NOT NULL, version TEXT NOT NULL",
}
_ROWS = {Level.PATIENT: 50_000, Level.STUDY: 100_000, Level.SERIES: 500_000, Level.INSTANCE: 50_000_000}
_INDEXES: dict[Level, dict[str, str]] = {
    Level.PATIENT: {'"PatientID"': "1"},
    Level.STUDY: {
        "patient, newest": "2 1",
        'store, "AccessionNumber"': "100000 1",
        'store, "StudyDate"': "100000 50",
        'store, "StudyID"': "100000 5",
    },
    Level.SERIES: {"study": "5", 'store, "SeriesInstanceUID"': "500000 1", 'store, "Modality"': "500000 50000"},
    Level.INSTANCE: {"series": "100"},
}
"""Indexes, and how many rows of an archive of middling size share each of their columns' values, from the left.

The planner goes by these figures instead of counting: its plans are the same from the first instance on.
"""

COUNTS = {
    Level.PATIENT: '"NumberOfPatientRelatedInstances"',
    Level.STUDY: '"NumberOfStudyRelatedInstances"',
    Level.SERIES: '"NumberOfSeriesRelatedInstances"',
    Level.INSTANCE: "1",
}
"""How many instances a record stands for."""


def statements() -> list[str]:
    """What makes an empty generation."""
    made = [
        "CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), position TEXT NOT NULL, commit_time REAL)",
        "INSERT INTO state VALUES (1, '', NULL)",
        "CREATE TABLE header (instance INTEGER PRIMARY KEY, body BLOB NOT NULL)",
        """CREATE TABLE series_class (series INTEGER NOT NULL, sop_class TEXT NOT NULL, instances INTEGER NOT NULL,
            PRIMARY KEY (series, sop_class)) WITHOUT ROWID""",
    ]
    for level in Level:
        made += _level_statements(level)
    made.append("ANALYZE")  # makes the table of statistics
    for level in Level:
        made += _level_statistics(level)
    return made


def fingerprint() -> str:
    """What a generation was made with: one made with another table of attributes is made anew."""
    return hashlib.sha256("\n".join(statements()).encode()).hexdigest()


def _level_statements(level: Level) -> list[str]:
    table = TABLES[level]
    columns = ", ".join(f'"{one.keyword}" {"NUMERIC" if one.vr in NUMBERS else "TEXT"}' for one in ATTRIBUTES[level])
    made = [
        f"""CREATE TABLE {table} (id INTEGER PRIMARY KEY, store TEXT NOT NULL, {_OWN_COLUMNS[level]},
            {columns}, elements TEXT)""",
        f"CREATE UNIQUE INDEX {table}_key ON {table} (store, {KEYS[level]})",
        f"""CREATE TABLE {table}_form (record INTEGER NOT NULL, tag TEXT NOT NULL, form NOT NULL,
            PRIMARY KEY (record, tag, form)) WITHOUT ROWID""",
        f"CREATE INDEX {table}_form_form ON {table}_form (tag, form)",
    ]
    return made + [f"CREATE INDEX {table}_{n} ON {table} ({on})" for n, on in enumerate(_INDEXES[level])]


def _level_statistics(level: Level) -> list[str]:
    table, rows = TABLES[level], _ROWS[level]
    figures = {f"{table}_key": f"{rows} 1", **{f"{table}_{n}": one for n, one in enumerate(_INDEXES[level].values())}}
    forms = {f"{table}_form": "4 2 1", f"{table}_form_form": f"{rows} 10 1"}
    made = [(table, index, f"{rows} {shared}") for index, shared in figures.items()]
    made += [(f"{table}_form", index, f"{4 * rows} {shared}") for index, shared in forms.items()]
    return [f"INSERT INTO sqlite_stat1 VALUES ('{one}', '{index}', '{shared}')" for one, index, shared in made]
