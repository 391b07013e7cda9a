"""Sources of imports, and what is found in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from diana_archive.adapters.sources import HostSources
from diana_archive.core.importing import Found, Key
from diana_common.errors import DianaError, Reason
from tests.support.dicom_files import make_small

DICOM = make_small()


def look(room: Path, path: Path | str, after: Key = ()) -> list[Found]:
    """All files of a source, with their bytes read."""
    return [Found(one.name, one.key, taken(one)) for one in HostSources([room]).open(str(path)).files(after)]


def taken(found: Found) -> Read | DianaError | None:
    """Its bytes, or why they cannot be had."""
    if found.content is None or isinstance(found.content, DianaError):
        return found.content
    try:
        return Read(b"".join(iter(lambda: found.content.read(4096), b"")))  # type: ignore[union-attr]
    except DianaError as error:
        return error


class Read:
    """Content that was read."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, size: int) -> bytes:
        return self.data


def told(found: list[Found]) -> dict[str, bytes | str | None]:
    """By name: the bytes, why they cannot be had, or None."""
    return {one.name: told_of(one.content) for one in found}


def told_of(content: object) -> bytes | str | None:
    """The bytes, why they cannot be had, or None."""
    if isinstance(content, Read):
        return content.data
    return content.reason.name if isinstance(content, DianaError) else None


def refusal(room: Path, path: Path | str) -> Reason:
    """Why a source as a whole is refused."""
    with pytest.raises(DianaError) as caught:
        look(room, path)
    return caught.value.reason


def write(path: Path, data: bytes) -> Path:
    """A new file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
