"""The storable files of the shared corpus: those that the archive takes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from diana_common.errors import DianaError
from diana_common.header import check_complete, scan
from tests.support.corpus import CORPUS


@cache
def storable() -> tuple[Path, ...]:
    """Their paths, in order."""
    return tuple(path for path in sorted((CORPUS / "dicom").rglob("*")) if path.is_file() and _is_storable(path))


def _is_storable(path: Path) -> bool:
    data = path.read_bytes()
    try:
        check_complete(data, scan(data))
    except DianaError:
        return False
    return True
