"""One SQLite file: changes in groups that reach the disk together, and a connection of its own for looks."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Generic, TypeVar

from diana_common import sqlite_file

T = TypeVar("T")


class Database:
    """Safe to share between threads; one process at a time.

    A change that returned has survived a power cut. Threads that change something at the same time share a
    transaction, and so the wait for the disk; looks do not wait for it.
    """

    def __init__(self, path: Path, steps: Sequence[str], written: Callable[[], None]) -> None:
        """`written` is called after each commit. The rest is as in diana_common.sqlite_file."""
        self.writer = sqlite_file.Database(path, steps)
        self._reader = sqlite_file.Database(path, steps)
        self._written = written
        self._jobs: list[_Job[Any]] = []
        self._listing = threading.Lock()
        self._writing = threading.Lock()

    def close(self) -> None:
        """Close the file; what is under way is finished."""
        with self._writing:
            self.writer.close()
            self._reader.close()

    def look(self) -> AbstractContextManager[sqlite3.Connection]:
        """The connection that sees what is durable. Raises STORE_DAMAGED."""
        return self._reader.reading()

    def change(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Make a change, all of it or none; it may be run twice.

        Raises what it raises, and DianaError DISK_FULL, STORE_DAMAGED.
        """
        job = _Job(change)
        with self._listing:
            self._jobs.append(job)
        with self._writing:
            if not job.done:
                with self._listing:
                    jobs, self._jobs = self._jobs, []
                self._make(jobs)
        return job.result()

    def _make(self, jobs: list[_Job[Any]]) -> None:
        """All together; where that fails, each by itself, so that it fails for its own reasons only."""
        error = self._commit(jobs)
        for job in jobs:
            job.error = error if len(jobs) == 1 or error is None else self._commit([job])
            job.done = True

    def _commit(self, jobs: list[_Job[Any]]) -> Exception | None:
        try:
            with self.writer.writing() as db:
                for job in jobs:
                    job.value = job.change(db)
        except Exception as error:
            return error
        self._written()
        return None


class _Job(Generic[T]):
    """A change, and what came of it."""

    def __init__(self, change: Callable[[sqlite3.Connection], T]) -> None:
        self.change = change
        self.done = False
        self.error: Exception | None = None
        self.value: T

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return self.value
