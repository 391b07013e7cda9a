"""What the tests of endpoints share: one Orthanc."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import orthanc


@pytest.fixture(scope="session")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[orthanc.Served]:
    """An Orthanc that the tests share: each has studies of its own."""
    with orthanc.serving(tmp_path_factory.mktemp("orthanc")) as served:
        yield served
