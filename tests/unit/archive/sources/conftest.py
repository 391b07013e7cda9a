"""The one directory that imports come from."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """The one directory that is open for imports."""
    (tmp_path / "open").mkdir()
    return tmp_path / "open"
