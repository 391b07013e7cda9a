"""Every test here runs on every store of records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_index.stores.generations import SqliteGenerations
from tests.unit.index.index_bench import STORES, IndexBench


@pytest.fixture(params=sorted(STORES))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IndexBench]:
    generations = STORES[request.param](tmp_path / "records")
    yield IndexBench(generations)
    if isinstance(generations, SqliteGenerations):
        generations.close()
