"""Instances on their way out of the archive: in few streams, and none lost when one cannot be read.

There is no thread that reads ahead: the stream's own window fills while an instance is sent, and a thread more cost
more than it gained.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from diana_common.dicom.filemeta import read_file_meta
from diana_common.errors import Code, DianaError, Reason
from diana_dimse.core.sending.selection import Portion, Reading, StoredInstance

_A_STREAM = 500
_MOST_META_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Fetched:
    """An instance whose bytes begin to come: take them before the next one."""

    instance: StoredInstance
    pieces: Iterator[bytes]
    """Its Part 10 file. Raises DianaError."""


def fetch(reading: Reading, store: str, instances: Sequence[StoredInstance]) -> Generator[Fetched, None, None]:
    """Every one of these instances, in any order. What cannot be read raises so when its pieces are taken."""
    with closing(portions(reading, store, instances)) as coming:
        for first in coming:
            pieces = _pieces(first, coming)
            yield Fetched(first.instance, pieces)
            with suppress(DianaError):
                for _ in pieces:  # what was not taken
                    pass


def data_set(pieces: Iterator[bytes]) -> Iterator[bytes | memoryview]:
    """What follows File Meta Information, which is read before this returns. Raises DianaError."""
    head = b""
    for piece in pieces:
        head = head + piece if head else piece
        meta = read_file_meta(head, complete=False)
        if meta is not None:
            return _following(memoryview(head)[meta.offset :], pieces)
        if len(head) > _MOST_META_BYTES:
            break
    raise DianaError(Reason.FILE_META_INVALID, "File Meta Information has no end")


def _following(first: memoryview, pieces: Iterator[bytes]) -> Iterator[bytes | memoryview]:
    yield first
    yield from pieces


def _pieces(portion: Portion, coming: Iterator[Portion]) -> Iterator[bytes]:
    while True:
        if portion.error is not None:
            raise portion.error
        yield portion.data
        if portion.is_last:
            return
        portion = next(coming)


def portions(reading: Reading, store: str, instances: Sequence[StoredInstance]) -> Generator[Portion, None, None]:
    """The bytes of all of these, or for each that cannot be read, an error."""
    for start in range(0, len(instances), _A_STREAM):
        yield from _stream(reading, store, instances[start : start + _A_STREAM])


def _stream(reading: Reading, store: str, instances: Sequence[StoredInstance]) -> Generator[Portion, None, None]:
    """One stream; if it breaks, what is left is asked for in halves, so that one bad instance is found soon."""
    left = {one.sop_instance_uid: one for one in instances}
    begun: StoredInstance | None = None
    fault = DianaError(Reason.INSTANCE_NOT_FOUND, "The archive has it no more.")
    try:
        with closing(reading.download(store, list(left))) as download:
            for portion in download:
                begun = None if portion.is_last else portion.instance
                if portion.is_last:
                    left.pop(portion.instance.sop_instance_uid, None)
                yield portion
    except DianaError as error:
        fault = error
    if begun is not None:
        left.pop(begun.sop_instance_uid, None)
        yield Portion(begun, error=fault)
    rest = list(left.values())
    if len(rest) < 2 or fault.code is Code.UNAVAILABLE:
        yield from (Portion(one, error=fault) for one in rest)
        return
    for half in (rest[: len(rest) // 2], rest[len(rest) // 2 :]):
        yield from _stream(reading, store, half)
