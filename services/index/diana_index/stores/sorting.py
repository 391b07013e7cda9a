"""Sorting more names than memory should hold: sorted runs in files that have no name, merged."""

from __future__ import annotations

import errno
import heapq
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from diana_common.errors import DianaError, Reason

_RUN = 100_000
"""Names of a run: about 20 MB of memory, of the names of instances."""


class Sorter:
    """Sorts names, which have no line feeds in them, by their bytes. `folder` has the runs: they may be of patients."""

    def __init__(self, folder: Path, run: int = _RUN) -> None:
        self._folder = folder
        self._run = run

    def __call__(self, names: Iterable[bytes]) -> Generator[bytes, None, None]:
        """All names in order; they are taken before this returns. Raises DianaError DISK_FULL."""
        names = iter(names)
        with ExitStack() as files:
            runs: list[BinaryIO] = []
            run = sorted(islice(names, self._run))
            while len(run) == self._run:
                runs.append(files.enter_context(tempfile.TemporaryFile(dir=self._folder)))
                _write(run, runs[-1])
                run = sorted(islice(names, self._run))
            return _merged(runs, run, files.pop_all())


def _write(names: list[bytes], file: BinaryIO) -> None:
    try:
        file.writelines(name + b"\n" for name in names)
        file.seek(0)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DianaError(Reason.DISK_FULL, "The disk of the index is full.") from error
        raise


def _merged(runs: list[BinaryIO], last: list[bytes], files: ExitStack) -> Generator[bytes, None, None]:
    with files:
        # Without the line feeds, which come behind tabs.
        yield from heapq.merge(*map(_lines, runs), last)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    return (line[:-1] for line in file)
