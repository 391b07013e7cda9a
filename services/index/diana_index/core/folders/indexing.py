"""Indexing a folder: only what is new or changed is read, and a run that was cut short goes on where it was."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Protocol

from diana_common.errors import DianaError
from diana_index.core.folders.model import Counts, joined, shown
from diana_index.core.folders.ports import Listed, Listing, Part, Readers, Tree, Wanted
from diana_index.core.folders.registry import Changes, Run

_BATCH = 512
"""Files that a reader is given at once."""
_BATCH_STEPS = 2000
"""Directories that a batch deals with at most."""
_WRITE_CHANGES = 5000
_WRITE_SECONDS = 2.0
"""What is written at once: so many changes, or those of so much time. That much a crash has done again."""
_MOST_UNREADABLE = 1000
"""Directories that cannot be read; with more, nothing is forgotten for being gone."""


class Watcher(Protocol):
    """Who follows an indexing; may raise to end it, at any of these."""

    def reached(self, counts: Counts) -> None:
        """So many files were looked at."""

    def fail(self, name: str, error: DianaError) -> None:
        """A file, or a directory, cannot be read."""


@dataclass(slots=True)
class _Batch:
    """Some directories' files that are to be read, and the directories that are dealt with then."""

    wanted: list[Wanted] = field(default_factory=list)
    removed: list[tuple[bytes, bytes]] = field(default_factory=list)
    ends: list[bytes] = field(default_factory=list)
    size: int = 0
    parts: Generator[Part, None, None] | None = None


class Indexing:
    """One run over one folder."""

    def __init__(self, tree: Tree, run: Run, readers: Readers, read_all: bool, watcher: Watcher) -> None:
        self._tree = tree
        self._run = run
        self._readers = readers
        self._read_all = read_all
        self._watcher = watcher
        self._counts = run.counts
        self._tallies: dict[bytes, Counts] = {}
        self._changes = Changes(counts=run.counts)
        self._batch = _Batch()
        self._begun: deque[_Batch] = deque()
        self._unreadable: list[bytes] = []
        self._unended = Counts()
        self._written = time.monotonic()

    def do(self) -> Counts:
        """Index the folder to its end; what it came to.

        Raises what the watcher raises; DianaError SOURCE_NOT_FOUND if there is no such folder (any more).
        """
        stack = [iter([b""])]
        while stack:
            directory = next(stack[-1], None)
            if directory is None:
                stack.pop()
            else:
                stack.append(iter(self._visit(directory)))
        self._begin_batch()
        while self._begun:
            self._settle(self._begun.popleft())
        self._write()
        if len(self._unreadable) < _MOST_UNREADABLE:
            self._forget_stale()
        return self._so_far()

    def _visit(self, directory: bytes) -> list[bytes]:
        """Deal with a directory's own files; the directories in it."""
        try:
            with self._tree.open(directory) as listing:
                if listing is None:
                    return []
                done, entry_count = self._run.directory(directory)
                files = listing.files()
                if done:
                    deque(files, maxlen=0)
                else:
                    met = sum(self._look_at(directory, listed, entry_count > 0) for listed in files)
                    if met < entry_count:
                        self._forget_gone(directory, listing)
                    self._batch.ends.append(directory)
                    if len(self._batch.ends) >= _BATCH_STEPS:
                        self._begin_batch()
                return [joined(directory, name) for name in listing.subdirectories]
        except DianaError as error:
            if not directory:
                raise
            self._pass_over(directory, error)
            return []

    def _pass_over(self, directory: bytes, error: DianaError) -> None:
        """Of a directory that cannot be read (to its end), what is known stays."""
        if len(self._unreadable) < _MOST_UNREADABLE:
            self._unreadable.append(directory)
        self._unended = self._unended.plus(self._tallies.pop(directory, Counts())).plus(Counts(failed=1))
        self._watcher.fail(shown(directory), error)

    def _look_at(self, directory: bytes, listed: list[Listed], any_known: bool) -> int:
        """Want those read that are new or changed; how many are known."""
        known = self._run.known(directory, [one.name for one in listed]) if any_known else {}
        unchanged = read = skipped = 0
        names: list[bytes] = []
        for name, stamp in listed:
            before = known.get(name)
            if before and before.stamp == stamp and (before.fresh or not self._read_all):
                skipped += before.skipped_count
                if before.fresh:
                    read += before.dicom_count
                else:
                    unchanged += before.dicom_count
                continue
            if before:
                self._batch.removed.append((directory, name))
            names.append(name)
        self._count(directory, Counts(read=read, unchanged=unchanged, skipped=skipped))
        if names:
            self._batch.wanted.append(Wanted(directory, names))
            self._batch.size += len(names)
            if self._batch.size >= _BATCH:
                self._begin_batch()
        return len(known)

    def _forget_gone(self, directory: bytes, listing: Listing) -> None:
        gone: set[bytes] = set()
        for page in self._run.names(directory):
            for name, dicom_count in page:
                if name not in gone and not listing.has(name):
                    gone.add(name)
                    self._batch.removed.append((directory, name))
                    self._count(directory, Counts(forgotten=dicom_count))

    def _begin_batch(self) -> None:
        """Have what was gathered read, and settle what is ready."""
        batch, self._batch = self._batch, _Batch()
        if batch.wanted:
            batch.parts = self._readers.read(self._tree, batch.wanted)
        self._begun.append(batch)
        while len(self._begun) > 2 * self._readers.count:
            self._settle(self._begun.popleft())

    def _settle(self, batch: _Batch) -> None:
        """Take what came of a batch into the changes."""
        self._changes.removed += batch.removed
        for part in batch.parts or ():
            for number, counts in part.counts.items():
                self._count(batch.wanted[number].directory, counts)
            for number, name, error in part.failures:
                self._watcher.fail(shown(joined(batch.wanted[number].directory, b"")) + name, error)
            self._changes.rows += [(batch.wanted[number].directory, row) for number, row in part.rows]
            self._write_if_due()
        for directory in batch.ends:
            tally = self._tallies.pop(directory, Counts())
            self._counts = self._counts.plus(tally)
            self._changes.done.append((directory, tally.read + tally.unchanged))
        self._write_if_due()

    def _write_if_due(self) -> None:
        self._watcher.reached(self._so_far())
        changes = self._changes
        many = len(changes.rows) + len(changes.removed) + len(changes.done) >= _WRITE_CHANGES
        if many or time.monotonic() - self._written >= _WRITE_SECONDS:
            self._write()

    def _write(self) -> None:
        self._changes.counts = self._counts
        self._run.write(self._changes)
        self._changes = Changes(counts=self._counts)
        self._written = time.monotonic()

    def _forget_stale(self) -> None:
        """Forget directories that are gone; not those that are there and cannot be read."""
        for page in self._run.stale():
            gone = [directory for directory in page if not self._is_below_unreadable(directory)]
            forgotten = self._run.forget(gone, self._counts)
            self._counts = self._counts.plus(Counts(forgotten=forgotten))
            self._watcher.reached(self._so_far())

    def _is_below_unreadable(self, directory: bytes) -> bool:
        return any(directory == one or directory.startswith(one + b"/") for one in self._unreadable)

    def _count(self, directory: bytes, counts: Counts) -> None:
        self._tallies[directory] = self._tallies.get(directory, Counts()).plus(counts)

    def _so_far(self) -> Counts:
        total = self._counts.plus(self._unended)
        for tally in self._tallies.values():
            total = total.plus(tally)
        return total
