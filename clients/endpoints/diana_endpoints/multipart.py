"""multipart/related, as DICOMweb uses it (PS3.18 section 8.6, RFC 2046 section 5.1): read and written as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from email.message import Message
from itertools import chain
from typing import BinaryIO
from uuid import uuid4

from diana_common.errors import DianaError
from diana_endpoints.http import refused
from diana_endpoints.items import BytesContent, Content, FileContent, chunks
from diana_endpoints.temporary import TemporaryContent

HELD = 4 * 1024 * 1024
"""Bytes of a part that are held in memory; a larger one lies in a temporary file."""
_LARGEST = 16 * 1024**3
_PIECE = 256 * 1024
_PREAMBLE = 64 * 1024
_HEADERS = 16 * 1024

Part = tuple[Mapping[str, str], Iterator[bytes]]
"""A part's headers, their names in lower case, and its bytes in pieces."""


def boundary_of(content_type: str) -> str:
    """What stands between the parts of an answer. Raises DianaError ENDPOINT_REFUSED for what has no parts."""
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_maintype() != "multipart" or not isinstance(boundary, str) or not 0 < len(boundary) <= 200:
        raise refused("does not answer in parts (multipart/related)")
    return boundary


def read_parts(stream: BinaryIO, boundary: str) -> Iterator[Part]:
    """The parts in turn; what is left of one is skipped when the next is asked for.

    Raises DianaError ENDPOINT_REFUSED for what is no multipart, or ends before its end.
    """
    reader = _Reader(stream, b"\r\n--" + boundary.encode("latin-1", "replace"))
    reader.skip(_PREAMBLE)
    while not reader.at_end():
        headers = reader.headers()
        pieces = reader.pieces()
        yield headers, pieces
        for _ in pieces:  # whoever has the part may not have read all of it
            pass
    with suppress(DianaError):  # an answer that was read to its end leaves its connection for the next
        stream.read(_PREAMBLE)


def held(pieces: Iterator[bytes]) -> Content:
    """A part as content that can be opened again: small ones in memory, others in a temporary file."""
    first = bytearray()
    for piece in pieces:
        first += piece
        if len(first) > HELD:
            return TemporaryContent(_bounded(chain([bytes(first)], pieces)))
    return BytesContent(bytes(first))


def fetched(content: Content) -> Content:
    """Content that lies here: what is small in memory, what comes from elsewhere in a temporary file."""
    if isinstance(content, (BytesContent, TemporaryContent)):
        return content
    if isinstance(content, FileContent) and content.size > HELD:
        return content
    return held(chunks(content))


def new_boundary() -> str:
    """One that no content holds, but by a chance of 1 in 2 to the power of 122."""
    return f"diana-{uuid4().hex}"


def written(contents: Iterable[Content], boundary: str, content_type: str) -> Iterator[bytes]:
    """The parts of a request, in pieces."""
    for content in contents:
        yield f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode()
        yield from chunks(content)
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


class _Reader:
    """Where in the stream we are; no more of it is held than a piece and a delimiter."""

    def __init__(self, stream: BinaryIO, delimiter: bytes) -> None:
        self._stream = stream
        self._delimiter = delimiter
        self._held = b"\r\n"  # so that a delimiter may be the very first thing

    def skip(self, most: int) -> None:
        """Go behind the next delimiter, which is not far."""
        for piece in self.pieces():
            most -= len(piece)
            if most < 0:
                raise refused("does not answer in parts (multipart/related)")

    def at_end(self) -> bool:
        """Whether the delimiter that was met is the last."""
        self._need(2)
        return self._held[:2] == b"--"

    def headers(self) -> dict[str, str]:
        """Those of the part that begins here: what is left of the delimiter's line, then lines up to an empty one."""
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            if len(self._held) > _HEADERS:
                raise refused("answers in parts with too many headers")
            self._need(len(self._held) + 1)
        if end > _HEADERS:
            raise refused("answers in parts with too many headers")
        block, self._held = self._held[:end], self._held[end + 4 :]
        lines = block.decode("latin-1").split("\r\n")[1:]
        named = (line.partition(":") for line in lines)
        return {name.strip().lower(): value.strip() for name, _, value in named}

    def pieces(self) -> Iterator[bytes]:
        """The bytes up to the next delimiter, and then stand behind it."""
        keep = len(self._delimiter) - 1
        while (end := self._held.find(self._delimiter)) < 0:
            if len(self._held) > keep:
                piece, self._held = self._held[:-keep], self._held[-keep:]
                yield piece
            self._need(len(self._held) + 1)
        piece, self._held = self._held[:end], self._held[end + len(self._delimiter) :]
        if piece:
            yield piece

    def _need(self, count: int) -> None:
        while len(self._held) < count:
            more = self._stream.read(_PIECE)
            if not more:
                raise refused("broke off within a part of its answer")
            self._held += more


def _bounded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > _LARGEST:
            raise refused("sends an instance that has no end")
        yield piece
