"""Small hospitals to look at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmread

from diana_mock.description import sites
from diana_mock.hospital import Hospital, Made

START = datetime(2026, 1, 5, 8)


def site(*modalities: str, **keys: Any) -> dict[str, Any]:
    """A site with a small service of each modality."""
    service = keys.pop("service", {})
    services = [{"name": f"Main {one}", "modality": one, "image_size": 32, **service} for one in modalities]
    return {"name": "Example Hospital", "services": services, **keys}


def made(tree: Any, studies: int | None = None, duration: timedelta | None = None) -> Iterator[Made]:
    """What the hospital of a description makes."""
    return Hospital(sites(tree), START).instances(studies, duration)


def read(one: Made) -> Dataset:
    """What was made, parsed."""
    return dcmread(BytesIO(one.data))
