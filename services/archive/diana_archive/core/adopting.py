"""Files that a door on the same host hands over in its spool directory, taken in as if they were uploaded.

They are read, not moved: a file that a kill would leave neither here nor there, or that its writer still has open,
must not be the only copy or the stored one. It is removed once it is answered.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from diana_archive.core.model import Stored
from diana_archive.core.ports import Meter
from diana_archive.core.uploads import Answer, Chunk, Upload
from diana_common.errors import Code, DianaError, Reason, invalid_field

PIECE = 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")
_PASSING = frozenset({Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE, Code.INTERNAL})
"""The file stays for another try."""


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """A file to take over, and the caller's number for it."""

    tag: int
    name: str


class Opened(Protocol):
    """A plain file that is open."""

    identity: tuple[int, ...]
    """What tells it from another that later has its name."""
    size_bytes: int

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end. Raises OSError."""

    def close(self) -> None:
        """Let go of it."""


class Spool(Protocol):
    """One door's directory."""

    def open(self, name: str) -> Opened:
        """A plain file with no other name. Raises DianaError INVALID_FIELD, SOURCE_NOT_FOUND, INTERNAL; OSError."""

    def remove(self, name: str, identity: tuple[int, ...]) -> None:
        """Remove a file, if it is still that one. Raises OSError."""


class Adopting:
    """The spool directories by their doors' names, and which of their files are being taken over."""

    def __init__(self, spools: Mapping[str, Spool]) -> None:
        self._desks = {name: SpoolDesk(spool) for name, spool in spools.items()}

    def find(self, name: str, caller_is_local: bool) -> SpoolDesk:
        """A door's spool. Raises DianaError PATH_FORBIDDEN."""
        desk = self._desks.get(name)
        if desk is None or not caller_is_local:
            raise DianaError(Reason.PATH_FORBIDDEN, "No spool directory of that name is open to this caller.")
        return desk


class SpoolDesk:
    """A spool, of which each file is taken over by one stream at a time."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def claim(self, name: str) -> None:
        """Raises DianaError SOURCE_NOT_FOUND for a file that somebody takes over already."""
        with self._lock:
            if name in self._busy:
                raise DianaError(Reason.SOURCE_NOT_FOUND, "Another request takes this file over.")
            self._busy.add(name)

    def release(self, name: str) -> None:
        """The file is done with."""
        with self._lock:
            self._busy.discard(name)


@dataclass(frozen=True, slots=True)
class _Taken:
    name: str
    identity: tuple[int, ...] = ()


class Adoption:
    """One stream of files. One thread takes `chunks`, another settles the answers; `close` it at the end."""

    def __init__(self, upload: Upload, desk: SpoolDesk, meter: Meter) -> None:
        self._upload = upload
        self._desk = desk
        self._meter = meter
        self._taken: dict[int, _Taken] = {}
        self._lock = threading.Lock()
        self._closed = False

    def chunks(self, files: Iterable[SpoolFile]) -> Iterator[Chunk]:
        """What the files hold, read as it is asked for; those that cannot be read are answered so.

        Raises DianaError INVALID_FIELD when a tag is taken.
        """
        for file in files:
            with self._lock:
                is_taken = file.tag in self._taken
            if is_taken:
                raise invalid_field("files.tag", "is that of a file whose answer is still to come")
            try:
                yield from self._read(file)
            except DianaError as error:
                self._upload.refuse(file.tag, error)
            except OSError as error:
                self._upload.refuse(file.tag, DianaError(Reason.INTERNAL, "The file could not be read."))
                self._meter.failed(error)

    def settle(self, answers: Sequence[Answer]) -> Sequence[Answer]:
        """The same answers, their files removed where they are stored or refused for good."""
        for answer in answers:
            with self._lock:
                taken = self._taken.pop(answer.tag, None)
            if taken:
                if taken.identity and _is_over(answer.result):
                    self._remove(taken)
                self._desk.release(taken.name)
        return answers

    def close(self) -> None:
        """Nobody settles any more: what is not answered stays in the spool, and may be asked for again."""
        with self._lock:
            self._closed = True
            while self._taken:
                self._desk.release(self._taken.popitem()[1].name)

    def _read(self, file: SpoolFile) -> Iterator[Chunk]:
        if not _NAME.fullmatch(file.name):
            raise invalid_field("files.name", "is not a file's plain name")
        with self._lock:
            if self._closed:
                return
            self._desk.claim(file.name)
            self._taken[file.tag] = _Taken(file.name)
        with closing(self._desk.spool.open(file.name)) as opened:
            with self._lock:
                if self._closed:  # and released: another stream may have it by now
                    return
                self._taken[file.tag] = _Taken(file.name, opened.identity)
            yield from _pieces(file.tag, opened)

    def _remove(self, taken: _Taken) -> None:
        try:
            self._desk.spool.remove(taken.name, taken.identity)
        except OSError as error:  # it is stored all the same; whoever asks for it again is told so
            self._meter.failed(error)


def _is_over(result: Stored | DianaError) -> bool:
    """Whether the file is of no more use. One that was not read to its end, on a stream that was cut, still is."""
    return isinstance(result, Stored) or (result.code not in _PASSING and result.reason != Reason.UPLOAD_INCOMPLETE)


def _pieces(tag: int, opened: Opened) -> Iterator[Chunk]:
    offset, finished = 0, False
    while not finished:
        data = opened.read(PIECE)
        finished = not data or offset + len(data) >= opened.size_bytes
        yield Chunk(tag, offset, data, finished)
        offset += len(data)
