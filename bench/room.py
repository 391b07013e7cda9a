"""Where a side works: a folder of its own on a disk that has come to rest.

Files deleted just before slow ext4 down, and a page cache full of the last run's output changes the cost of new writes.
So each run gets a new folder, what it wrote is synced and dropped from the cache, and folders go only between cases.
"""

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

GROUP_SECONDS = 12 * 60
GROUP_BYTES = 20 * 10**9


class BenchError(Exception):
    """A measurement that could not be made; the message says what to do about it."""


class TimeUpError(BenchError):
    """A group ran out of time."""


@dataclass(frozen=True)
class Place:
    """What a side may use: `scratch`, an empty folder; `corpora`, the folder that generated files are kept in."""

    scratch: Path
    corpora: Path


class Room:
    """Gives runs their places under `root`, which must be on the disk that is to be measured."""

    def __init__(self, root: Path, limit_bytes: int = GROUP_BYTES) -> None:
        self._scratch = root / f"scratch-{os.getpid()}"
        self._corpora = root / "corpora"
        self._limit_bytes = limit_bytes
        self._runs = 0

    def run(self, side: Callable[[Place], float]) -> float:
        """One run of `side` in a new folder. Raises BenchError when all runs since `sweep` fill too much disk."""
        self._runs += 1
        folder = self._scratch / str(self._runs)
        folder.mkdir(parents=True)
        os.sync()
        measured = side(Place(folder, self._corpora))
        settle(folder)
        if (used := size(self._scratch)) > self._limit_bytes:
            raise BenchError(f"outputs fill {used / 1e9:.1f} GB; {self._limit_bytes / 1e9:g} GB are the limit")
        return measured

    def sweep(self) -> None:
        """Remove what the runs wrote and let the disk come to rest."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        os.sync()


def settle(folder: Path) -> None:
    """Bring what lies in `folder` to disk and out of the page cache."""
    os.sync()
    for path in _files(folder):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def size(folder: Path) -> int:
    """Bytes that the files under `folder` take on disk."""
    return sum(path.stat().st_blocks * 512 for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


@contextlib.contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """Raise TimeUpError in the main thread if the block runs longer, even when it hangs."""

    def expire(_: int, __: FrameType | None) -> None:
        raise TimeUpError(f"{what} took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def peak_bytes(pid: int) -> int:
    """The most memory of a process that was resident at a time so far. Raises BenchError where nobody tells."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise BenchError("the kernel does not tell a process's peak memory")
