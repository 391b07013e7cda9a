"""Every scenario runs against every store, through the servicer and through a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diana_archive.stores.s3_bucket import Bucket
from tests.contract.archive.harness import Clock, Rig, open_door
from tests.contract.archive.places import make_bucket
from tests.support.outside import OUTSIDE, stop_servers
from tests.support.s3 import S3Server, serving


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What lies outside is the same behind either door: one will do."""
    items[:] = [item for item in items if not _is_twice(item)]


def _is_twice(item: pytest.Item) -> bool:
    chosen = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return chosen.get("door") == "grpc" and chosen.get("store_kind") in OUTSIDE


@pytest.fixture(scope="session", autouse=True)
def servers() -> Iterator[None]:
    yield
    stop_servers()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "files", *OUTSIDE])
def store_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rig(store_kind: str, tmp_path: Path, clock: Clock) -> Iterator[Rig]:
    rig = Rig(store_kind, tmp_path / "state", clock)
    yield rig
    rig.close()


@pytest.fixture(params=["direct", "grpc"])
def door(request: pytest.FixtureRequest, rig: Rig) -> Iterator[Any]:
    with open_door(request.param, rig) as door:
        yield door


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server for all tests of this directory."""
    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server, tmp_path: Path) -> Bucket:
    """A part of the server's bucket that no other test uses."""
    return make_bucket(s3, tmp_path)
