"""Importing what lies outside the archive, file by file, through the same intake as an upload's."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from diana_archive.core.incoming import Desk, Incoming
from diana_archive.core.model import Origin, Outcome, Stored, StorePolicy
from diana_archive.core.policies import Policies
from diana_archive.core.ports import Meter
from diana_common.errors import Code, DianaError, Reason

PIECE = 1024 * 1024
_IN_FLIGHT = 64
"""How many files may wait for their commit, so that they share one."""
_OURS = frozenset({Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE})
"""Not the file's fault: the next one would fare no better."""

Key = tuple[str, ...]
"""Where a file stands in its source's order; keys compare as tuples do."""

Result = Stored | DianaError | None
"""What became of a file; None: it is no DICOM."""


class Reader(Protocol):
    """A file's bytes from the first on; good until the source is asked for the next file."""

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end. Raises DianaError."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a source: its bytes, why they cannot be had, or None where there are none (a socket, say)."""

    name: str
    key: Key
    content: Reader | DianaError | None


class ImportSource(Protocol):
    """What is to be imported."""

    def files(self, after: Key) -> Generator[Found, None, None]:
        """All files whose key is greater, in order. Raises DianaError when it cannot be read as a whole."""


class ImportSources(Protocol):
    """Where imports may come from."""

    def open(self, path: str) -> ImportSource:
        """What lies under a path of this host.

        Raises DianaError INVALID_FIELD, PATH_FORBIDDEN, SOURCE_NOT_FOUND.
        """


@dataclass(frozen=True, slots=True)
class Imported:
    """How far an import is: all files up to the one with the key `reached` are done."""

    reached: Key = ()
    file_count: int = 0
    stored_count: int = 0
    already_stored_count: int = 0
    refused_count: int = 0
    skipped_count: int = 0
    stored_bytes: int = 0

    def to_bytes(self) -> bytes:
        """For an operation's checkpoint."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, checkpoint: bytes) -> Imported:
        """And back; the beginning from an empty one."""
        if not checkpoint:
            return cls()
        values = json.loads(checkpoint)
        return cls(**{**values, "reached": tuple(values["reached"])})


class ImportWatcher(Protocol):
    """Who follows an import; may raise to end it, at any of these."""

    def working(self) -> None:
        """A piece of a file was read."""

    def reached(self, imported: Imported) -> None:
        """Another file is done, and all before it."""

    def fail(self, name: str, error: DianaError) -> None:
        """A file was refused."""


@dataclass(frozen=True)
class Importing:
    """Imports into one archive."""

    desk: Desk
    policies: Policies
    meter: Meter

    def run(
        self, source: ImportSource, store: str, origin: Origin, begun: Imported, watcher: ImportWatcher
    ) -> Imported:
        """Store what a source holds, going on from `begun`; several files share a commit.

        Raises STORE_UNKNOWN, what the source and the watcher raise, and what no file is to blame for (DISK_FULL, ...).
        """
        policy = self.policies.find(store)
        so_far = begun
        window: deque[_Taken] = deque()
        with closing(source.files(begun.reached)) as files:
            for found in files:
                window.append(self._take(found, policy, origin, watcher))
                while window and (len(window) >= _IN_FLIGHT or window[0].result.done()):
                    so_far = self._settle(so_far, window.popleft(), watcher)
        for taken in window:
            so_far = self._settle(so_far, taken, watcher)
        return so_far

    def _take(self, found: Found, policy: StorePolicy, origin: Origin, watcher: ImportWatcher) -> _Taken:
        taken = _Taken(found.name, found.key, Future())
        if found.content is None or isinstance(found.content, DianaError):
            taken.result.set_result(found.content)
        else:
            incoming = Incoming(self.desk, policy, origin)
            try:
                _read(found.content, incoming, taken.result.set_result, watcher)
            except DianaError as error:
                incoming.discard()
                taken.result.set_result(error)
            except Exception as error:  # one file that nobody foresaw must not end the import
                incoming.discard()
                self.meter.failed(error)
                taken.result.set_result(DianaError(Reason.INTERNAL, "The file could not be taken in."))
            except BaseException:
                incoming.discard()
                raise
        return taken

    def _settle(self, so_far: Imported, taken: _Taken, watcher: ImportWatcher) -> Imported:
        """Wait for what becomes of the oldest file, and count it."""
        result = taken.result.result()
        if isinstance(result, DianaError) and result.reason is Reason.DICOMDIR_REFUSED:
            result = None
        if isinstance(result, DianaError):
            self.meter.refused(result)
            if result.reason.code in _OURS:
                raise result
            watcher.fail(taken.name, result)
        elif result:
            self.meter.stored(result)
        counted = _count(replace(so_far, reached=taken.key, file_count=so_far.file_count + 1), result)
        watcher.reached(counted)
        return counted


@dataclass(frozen=True, slots=True)
class _Taken:
    name: str
    key: Key
    result: Future[Result]


def _read(reader: Reader, incoming: Incoming, answer: Callable[[Result], None], watcher: ImportWatcher) -> None:
    """One file into the intake, a piece behind the reading: only the end says which piece is the last."""
    piece = reader.read(PIECE)
    if piece[128:132] != b"DICM":
        answer(None)
        return
    while following := reader.read(PIECE):
        watcher.working()
        incoming.write(piece)
        piece = following
    incoming.finish(piece, answer)


def _count(so_far: Imported, result: Result) -> Imported:
    if result is None:
        return replace(so_far, skipped_count=so_far.skipped_count + 1)
    if isinstance(result, DianaError):
        return replace(so_far, refused_count=so_far.refused_count + 1)
    if result.outcome is Outcome.ALREADY_STORED:
        return replace(so_far, already_stored_count=so_far.already_stored_count + 1)
    return replace(
        so_far,
        stored_count=so_far.stored_count + 1,
        stored_bytes=so_far.stored_bytes + result.instance.size_bytes,
    )
