"""Every scenario runs against every store, through the servicer and through a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.archive.harness import Clock, Rig, open_door


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "files"])
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
