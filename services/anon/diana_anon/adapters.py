"""The disk that large instances are spooled to, and the metrics."""

from __future__ import annotations

import errno
import mmap
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import Counter

from diana_common.errors import DianaError, Reason
from diana_common.settings import config_invalid
from diana_common.state_files import make_directory

IN_MEMORY_BYTES = 8 * 1024 * 1024
"""An instance up to this size is held in memory."""

DEIDENTIFIED = Counter("diana_anon_deidentified_instances", "Instances de-identified, by profile.", ["profile"])
REFUSED = Counter("diana_anon_refused_instances", "Instances refused, by profile and reason.", ["profile", "reason"])

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class DiskSpool:
    """core.ports.Spool: small instances in memory, larger ones mapped from files that have no name."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """The folder is made if absent. Raises DianaError CONFIG_INVALID if it cannot be used."""
        self._folder = folder
        self._max_bytes = max_bytes
        try:
            make_directory(folder)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise config_invalid("work_dir", f"the directory cannot be used ({error.strerror})") from None

    def collect(self, pieces: Iterable[bytes]) -> bytes | mmap.mmap:
        """See core.ports.Spool."""
        with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, "w+b", dir=str(self._folder)) as file:
            size = 0
            for piece in pieces:
                size += len(piece)
                if size > self._max_bytes:
                    text = f"The instance is larger than {self._max_bytes} bytes, the most that is taken."
                    raise DianaError(Reason.INSTANCE_TOO_LARGE, text)
                with _disk():
                    file.write(piece)
            return _whole(file, size)


def _whole(file: tempfile.SpooledTemporaryFile[bytes], size: int) -> bytes | mmap.mmap:
    file.seek(0)
    if size <= IN_MEMORY_BYTES:
        return file.read()
    with _disk():
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


@contextmanager
def _disk() -> Iterator[None]:
    """Turn the disk's failures into typed ones; their own text names paths."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DianaError(Reason.DISK_FULL, "The disk that large instances are spooled to is full.") from None
        raise DianaError(Reason.INTERNAL, "The disk that large instances are spooled to failed.") from None


class PrometheusMeter:
    """core.ports.Meter for Prometheus."""

    def deidentified(self, profile: str) -> None:
        """See core.ports.Meter."""
        DEIDENTIFIED.labels(profile).inc()

    def refused(self, profile: str, error: DianaError) -> None:
        """See core.ports.Meter."""
        REFUSED.labels(profile, error.reason.name).inc()
