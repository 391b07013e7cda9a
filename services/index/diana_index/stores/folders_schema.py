"""The tables of a folder registry in SQL."""

from __future__ import annotations

from diana_index.core.folders.model import Kind, Shared
from diana_index.stores.databases import Layout
from diana_index.stores.dialect import Dialect

COLUMNS = {Kind.ACCESSION_NUMBER: "accession_number", Kind.STUDY: "study_uid", Kind.PATIENT: "patient_id"}
"""Where a collection's value is."""

_SHARED = ", ".join(f"{name} {{text}} NOT NULL" for name in Shared._fields)
_TABLES = (
    """CREATE TABLE folder (
        id {id},
        path {blob} NOT NULL,
        run_name {text} NOT NULL,
        run BIGINT NOT NULL,
        counts {text} NOT NULL,
        index_time DOUBLE PRECISION
    )""",
    # `run` is the last one in which it was dealt with to its end. The digest stands for the path, which is too
    # long for PostgreSQL's indexes.
    """CREATE TABLE directory (
        id {id},
        folder BIGINT NOT NULL,
        digest {text} NOT NULL,
        path {blob} NOT NULL,
        run BIGINT NOT NULL,
        dicom_count BIGINT NOT NULL,
        UNIQUE (folder, digest)
    )""",
    # What the files of a series have in common, once for each combination.
    f"CREATE TABLE shared (id {{id}}, digest {{text}} NOT NULL UNIQUE, {_SHARED})",
    """CREATE TABLE file (
        directory BIGINT NOT NULL,
        name {blob} NOT NULL,
        number BIGINT NOT NULL,
        member {text} NOT NULL,
        size BIGINT NOT NULL,
        stamp_size BIGINT NOT NULL,
        mtime_ns BIGINT NOT NULL,
        sop_instance_uid {text} NOT NULL,
        shared BIGINT,
        dicom_count BIGINT NOT NULL,
        skipped_count BIGINT NOT NULL,
        run BIGINT NOT NULL,
        PRIMARY KEY (directory, name, number)
    ){clustered}""",
    "CREATE INDEX file_shared ON file (shared) WHERE shared IS NOT NULL",
    *(f"CREATE INDEX shared_{column} ON shared ({column})" for column in COLUMNS.values()),
)


def _tables(dialect: Dialect) -> list[str]:
    words = {"id": dialect.serial, "blob": dialect.blob, "text": dialect.text, "clustered": dialect.clustered}
    return [table.format(**words) for table in _TABLES]


FOLDERS = Layout("diana_folders", "the folder registry", [_tables])
"""The tables of the registry."""
