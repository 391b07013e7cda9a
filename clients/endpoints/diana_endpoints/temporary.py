"""Content that is too large for memory and comes only once."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO


class TemporaryContent:
    """Content in a file that goes when nobody holds the content any more, and at the latest with the process."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        descriptor, name = tempfile.mkstemp(prefix="diana-")
        self._path = Path(name)
        weakref.finalize(self, self._path.unlink, missing_ok=True)
        with open(descriptor, "wb") as file:
            file.writelines(pieces)
        self.size = self._path.stat().st_size

    def open(self) -> BinaryIO:
        return self._path.open("rb")
