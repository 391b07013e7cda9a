"""A process that reads headers: `python -m diana_index.adapters.header_worker`, of which header_pool starts some.

It takes requests from its standard input and answers on its standard output, in frames: 4 bytes of length, then
what `marshal` makes of plain tuples, the fastest way between two processes of one Python. It ends when its input does,
which is also when whoever started it was killed.

A request is (root, parts below it, [(directory, [name, ...]), ...]). An answer is (values that files share, rows,
counts, failures, files done, whether that was the last), with the number of the directory in each row, count and
failure; and a number of the shared values in a row, or -1.
"""

from __future__ import annotations

import marshal
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from diana_common.errors import DianaError, Reason
from diana_common.fence import Place, missing
from diana_index.adapters.header_files import Found, read_file
from diana_index.adapters.trees import below
from diana_index.core.folders.registry import Row

_LENGTH = struct.Struct("<I")
_ROWS = 1000
"""Rows of an answer."""


def write_frame(stream: BinaryIO, message: Any) -> None:
    """Send a message. Raises OSError."""
    data = marshal.dumps(message)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read_frame(stream: BinaryIO) -> Any:
    """The next message. Raises EOFError."""
    head = stream.read(_LENGTH.size)
    data = stream.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""
    if not data:
        raise EOFError
    # From the other end of a pipe of our own, and of no type but those of plain data.
    return marshal.loads(data)


class _Answer:
    """Rows and all that goes with them, gathered until they are sent."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self._shared: dict[tuple[str, ...], int] = {}
        self._counts: dict[int, list[int]] = {}
        self._unended = [0, 0, 0]
        self._failures: list[tuple[int, str, str, str]] = []

    def add(self, number: int, found: Found) -> None:
        """What became of a file of the directory of this number, or of one of its members."""
        counts = self._unended
        if not isinstance(found, Row):
            name, error = found
            counts[2] += 1
            if name:
                self._failures.append((number, name, error.reason.name, error.message))
            return
        shared = -1
        if found.shared is not None:
            counts[0] += 1
            shared = self._shared.setdefault(found.shared, len(self._shared))
        if found.number == 0:
            counts[1] += found.skipped_count
        self.rows.append((number, *found[:7], shared, *found[8:]))

    def end(self, number: int) -> None:
        """A file is done, and counts from now on: it would count twice if another process had to read it anew."""
        ended, self._unended = self._unended, [0, 0, 0]
        self._counts[number] = [sum(pair) for pair in zip(self._counts.get(number, [0, 0, 0]), ended)]

    def next(self) -> _Answer:
        """For what comes after this one, with what a file that is not done came to so far."""
        answer = _Answer()
        answer._unended = self._unended
        return answer

    def message(self, done: int, last: bool) -> tuple[Any, ...]:
        """As it is sent, when so many files are done."""
        return [tuple(one) for one in self._shared], self.rows, self._counts, self._failures, done, last


def answers(root: bytes, parts: Sequence[str], wanted: Sequence[tuple[bytes, Sequence[bytes]]]) -> Iterator[Any]:
    """What comes of a request, an answer after the other."""
    place = Place(Path(os.fsdecode(root)), tuple(parts))
    answer = _Answer()
    done = 0
    for number, (directory, names) in enumerate(wanted):
        try:
            descriptor = below(place, directory).open_folder()
        except FileNotFoundError:
            done += len(names)
            continue
        except OSError:
            for name in names:
                answer.add(number, (name.decode("utf-8", "backslashreplace"), missing()))
                answer.end(number)
            done += len(names)
            continue
        try:
            for name in names:
                for found in _safely(descriptor, name):
                    answer.add(number, found)
                    if len(answer.rows) >= _ROWS:
                        yield answer.message(done, False)
                        answer = answer.next()
                answer.end(number)
                done += 1
        finally:
            os.close(descriptor)
    yield answer.message(done, True)


def _safely(descriptor: int, name: bytes) -> Iterator[Found]:
    """A file that nobody foresaw is that file's failure."""
    try:
        yield from read_file(descriptor, name)
    except Exception as error:  # one file must not end the rest
        yield (
            name.decode("utf-8", "backslashreplace"),
            DianaError(Reason.INTERNAL, f"Reading it failed unexpectedly ({type(error).__name__})."),
        )


def main() -> None:
    """Answer until there is no more input."""
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            root, parts, wanted = read_frame(requests)
        except EOFError:
            return
        for message in answers(root, parts, wanted):
            write_frame(replies, message)


if __name__ == "__main__":
    main()
