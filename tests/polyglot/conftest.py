"""Each language's client is made ready once for all tests, and so is the mesh that they talk to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_client import ArchiveClient, GuidClient, IndexClient, connect
from tests.polyglot.toolchain import Examples, go_examples, needs, node_client
from tests.support.mesh import Mesh


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the Node client, ready to run."""
    return node_client(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="session", params=["go", "node"])
def examples(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """One language's examples, ready to run."""
    if request.param == "go":
        return go_examples(tmp_path_factory.mktemp("go"))
    return Examples(request.getfixturevalue("client"), (needs("node"), "examples/{}.js"))


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """The services that the examples ask; notify, which wants a configuration, is its tests' own."""
    with Mesh(tmp_path_factory.mktemp("mesh"), "index", "guid", "anon") as mesh:
        yield mesh


@pytest.fixture
def archive(mesh: Mesh) -> Iterator[ArchiveClient]:
    with connect(mesh.archive) as channel:
        yield ArchiveClient(channel)


@pytest.fixture
def index(mesh: Mesh) -> Iterator[IndexClient]:
    with connect(mesh.index) as channel:
        yield IndexClient(channel)


@pytest.fixture
def guid(mesh: Mesh) -> Iterator[GuidClient]:
    with connect(mesh.guid) as channel:
        yield GuidClient(channel)
