"""Every test here runs on cohorts in SQLite and in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.index.cohort_bench import CohortBench
from tests.support.shared_postgres import database
from tests.unit.index.index_bench import STORES


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of an empty PostgreSQL database; empty for SQLite."""
    if request.param == "sqlite":
        yield ""
    else:
        with database() as made:
            yield made


@pytest.fixture
def bench(url: str, tmp_path: Path) -> Iterator[CohortBench]:
    with closing(STORES["postgres" if url else "sqlite"](tmp_path / "records")) as generations:
        bench = CohortBench(generations, url, tmp_path)
        yield bench
        bench.database.close()
