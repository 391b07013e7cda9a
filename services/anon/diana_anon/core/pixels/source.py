"""An image's frames, one at a time, whether they are stored as they are or have to be decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from diana_anon.core.pixels.codestream import stream_size
from diana_anon.core.pixels.faults import unreadable
from diana_anon.core.pixels.frames import encapsulated_frames, native_frames
from diana_anon.core.pixels.image import GE_PRIVATE, Image
from diana_anon.core.pixels.locate import Located
from diana_anon.core.pixels.model import Codec, Shape
from diana_anon.core.pixels.unused import Unused

RLE = "1.2.840.10008.1.2.5"
Samples = bytes | memoryview

NATIVE = frozenset(
    {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", GE_PRIVATE}
)
"""Transfer syntaxes whose samples are stored as they are."""


class Frames:
    """Frames by number, from 0. Nothing is decoded before it is asked for; the frame of an image that has but one is
    held, others are not. Of native frames, `unused` bits are cleared."""

    def __init__(self, located: Located, image: Image, codec: Codec, unused: Unused | None = None) -> None:
        """Raises PIXELS_UNREADABLE if the value does not fall into that many frames."""
        if located.encapsulated == (located.transfer_syntax_uid in NATIVE):
            raise unreadable("Pixel Data is not encoded as its transfer syntax says")
        self._located = located
        self._image = image
        self._codec = codec
        self._unused = None if located.encapsulated else unused
        self._decoded: tuple[bytes, Shape] | None = None
        self._fragments = encapsulated_frames(located, image) if located.encapsulated else []
        self._native: list[memoryview] = []
        self.padding = self.rest = memoryview(b"")
        if not located.encapsulated:
            self._native, self.padding, self.rest = native_frames(located, image)

    def __len__(self) -> int:
        return self._image.frames

    def stored(self, index: int) -> Samples:
        """The frame as it is stored: samples, or a stream."""
        if not self._fragments:
            return self._native[index]
        view = self._located.view
        return b"".join(view[start:end] for start, end in self._fragments[index])

    def samples(self, index: int) -> tuple[Samples, Shape]:
        """The frame decoded. Raises PIXELS_UNREADABLE before anything is allocated for a size that is not the header's,
        and what `Codec.decode` does."""
        if not self._fragments:
            frame = self._native[index]
            return (self._unused.cleared(frame) if self._unused else frame), self._image.shape
        if len(self) > 1:
            return self._of_stream(index)
        if self._decoded is None:
            self._decoded = self._of_stream(index)
        return self._decoded

    def in_unused(self) -> bool:
        """Whether anything lies in bits that ought to be unused."""
        return self._unused is not None and any(self._unused.cleared(frame) != frame for frame in self._native)

    def _of_stream(self, index: int) -> tuple[bytes, Shape]:
        stream, shape, syntax = bytes(self.stored(index)), self._image.shape, self._located.transfer_syntax_uid
        if syntax != RLE and stream_size(stream) != (shape.rows, shape.columns):
            raise unreadable("a frame does not have the size that the header says")
        return self._codec.decode(stream, syntax, shape)

    def sampled(self, most: int) -> Iterator[int]:
        """Up to `most` frames spread evenly from the first to the last; of those that are equal, the first."""
        last, count = len(self) - 1, min(len(self), most)
        seen: set[bytes] = set()
        for index in sorted({round(last * step / max(count - 1, 1)) for step in range(count)}):
            digest = hashlib.sha256(self.stored(index)).digest()
            if digest not in seen:
                seen.add(digest)
                yield index
