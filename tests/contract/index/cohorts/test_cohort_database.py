"""The database of cohorts: of another version, and damaged."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from diana_common.errors import Reason
from diana_index.stores.databases import Layout, open_database
from diana_index.stores.written import WRITTEN
from tests.contract.index.cohort_bench import refused


def test_a_database_of_a_newer_version_is_left_alone(url: str, tmp_path: Path) -> None:
    newer = Layout(WRITTEN.schema, WRITTEN.title, [*WRITTEN.steps, lambda _: ["CREATE TABLE more (one BIGINT)"]])
    open_database(url, tmp_path / "written.sqlite", WRITTEN).close()
    open_database(url, tmp_path / "written.sqlite", newer).close()
    open_database(url, tmp_path / "written.sqlite", newer).close()
    with refused(Reason.STORE_SCHEMA_NEWER):
        open_database(url, tmp_path / "written.sqlite", WRITTEN)


def test_a_damaged_database_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "written.sqlite"
    path.write_bytes(b"no database" * 1000)
    with refused(Reason.STORE_DAMAGED) as caught:
        open_database("", path, WRITTEN)
    assert "written.sqlite" in caught.value.message


def test_a_page_that_is_damaged_is_refused_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "written.sqlite"
    open_database("", path, WRITTEN).close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    database = open_database("", path, WRITTEN)
    with closing(database), refused(Reason.STORE_DAMAGED), database.reading() as db:
        db.execute("SELECT * FROM cohort").fetchall()
