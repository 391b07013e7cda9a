"""What the index's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.shared_postgres import stop_server


@pytest.fixture(scope="session", autouse=True)
def servers() -> Iterator[None]:
    yield
    stop_server()
