"""Every test here runs on every store of records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.index import folder_bench
from tests.contract.index.folder_bench import FolderBench
from tests.contract.index.written_bench import WrittenBench
from tests.support.shared_postgres import stop_server
from tests.unit.index.index_bench import STORES, IndexBench


@pytest.fixture(params=sorted(STORES))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IndexBench]:
    with closing(STORES[request.param](tmp_path / "records")) as generations:
        yield IndexBench(generations)


@pytest.fixture
def desk(bench: IndexBench, tmp_path: Path) -> Iterator[WrittenBench]:
    """The bench, where people write."""
    made = WrittenBench(bench.generations, tmp_path)
    with closing(made.database):
        yield made


@pytest.fixture(scope="session", autouse=True)
def servers() -> Iterator[None]:
    yield
    folder_bench.stop_servers()
    stop_server()


@pytest.fixture(params=folder_bench.STORES)
def folders(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FolderBench]:
    bench = FolderBench(folder_bench.new_place(request.param, tmp_path), tmp_path / "room")
    yield bench
    bench.registry.close()
