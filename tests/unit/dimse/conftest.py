"""Fixtures of more than one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.dimse.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)
