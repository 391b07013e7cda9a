"""Counting a million instances in groups, over gRPC, beside DuckDB on the same rows."""

import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import duckdb

import bench.index
from bench.harness import Case, bound
from bench.room import BenchError, Place

MILLION = 1_000_000
_BY = ("Modality", "ContentDate:month")
_COLUMNS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "Modality", "ContentDate", "Rows")


def group_by(place: Place) -> float:
    """Seconds for the instances by modality, which their series has, and the month of their content: all are read."""
    with bench.index.running(place.scratch, bench.index.filled(place, MILLION)) as index:
        index.client.status()
        started = time.perf_counter()
        found = index.client.aggregate("instance", group_by=_BY)
        seconds = time.perf_counter() - started
    _check(found.record_count, len(found.groups))
    return seconds


def duckdb_group_by(place: Place) -> float:
    """Seconds for the same in DuckDB, all in one table, on one thread."""
    with duckdb.connect(str(table(place)), read_only=True, config={"threads": "1"}) as database:
        started = time.perf_counter()
        found = database.execute(
            """SELECT "Modality", strftime("ContentDate", '%Y%m') AS month, count(*) FROM instance
            GROUP BY ALL ORDER BY ALL"""
        ).fetchall()
        seconds = time.perf_counter() - started
    _check(sum(row[2] for row in found), len(found))
    return seconds


def table(place: Place) -> Path:
    """A DuckDB database with the same instances, made once of the table that the index exports."""
    records = bench.index.filled(place, MILLION)
    path = records.with_suffix(".duckdb")
    if not path.exists():
        exported, making = place.scratch / "instances.parquet", path.with_suffix(".making")
        making.unlink(missing_ok=True)
        with bench.index.running(place.scratch / "exporting", records) as index:
            index.client.export(exported, "instance", file_format="parquet", columns=_COLUMNS)
        with duckdb.connect(str(making)) as database:
            database.execute(f"CREATE TABLE instance AS SELECT * FROM read_parquet('{exported}')")
        making.rename(path)
    return path


def _check(instances: int, groups: int) -> None:
    if instances != MILLION or groups < 100:
        raise BenchError(f"{instances} instances in {groups} groups were counted")


def versions() -> Mapping[str, str]:
    return {name: metadata.version(name) for name in ("diana-mesh", "duckdb")}


CASES = [
    Case("index_group_by", "index", "s", group_by, bound(1), 1.0, less_is_better=True, versions=versions),
    # What rows cannot be, and columns are: the distance is worth knowing.
    Case(
        "index_group_by_duckdb", "index", "s", group_by, duckdb_group_by, 0.005, less_is_better=True, versions=versions
    ),
]
