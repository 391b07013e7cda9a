"""Frames of an instance as arrays, one at a time: bounded before anything is decoded, and typed when it fails.

pydicom and the decoders that are installed do the work; they and numpy come with the extra `pixels`.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from diana_common.dicom.filemeta import read_file_meta
from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.codestreams import size_of
from diana_endpoints.decoding_worker import worker
from diana_endpoints.items import CHUNK, Content

if TYPE_CHECKING:
    import numpy as np
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

MOST_PIXELS = 64 * 1024 * 1024
"""Of a frame: more than detectors have."""
MOST_FRAMES = 100_000
_MOST_META_BYTES = 1024 * 1024
_MOST_HEADER_BYTES = 64 * 1024 * 1024
_MOST_INFLATED_BYTES = 512 * 1024 * 1024
_IN_MEMORY = 16 * 1024 * 1024
_PIXELS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}
_WANTED = {0x7FE00001, 0x7FE00002, 0x20500020, 0x52009229, 0x52009230}
"""Offsets of frames, Presentation LUT Shape and functional groups, beside group 0028."""


class Frames:
    """The frames of one instance; to be closed. Errors: DianaError NOT_AN_IMAGE, EXTRA_MISSING."""

    def __init__(self, content: Content) -> None:
        """Read the header, and hold it against the limits."""
        _need_numpy()
        self._stream = _seekable(content)
        try:
            with typed("the header cannot be read"):
                self._syntax, self._stream = _past_meta(self._stream)
                self.header = _header(self._stream, self._syntax)
                self._keyword, self._vr = _pixels(self._stream, self._syntax)
                self._start = self._stream.tell()
            with typed("the attributes of the image cannot be read"):
                self.count = _checked(self.header)
                _refuse_tables_in_big_endian(self.header, self._syntax)
        except BaseException:
            self._stream.close()
            raise
        self._streams, self._next = self._codestreams(), 0

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def array(self, index: int) -> np.ndarray[Any, Any]:
        """One frame, counted from 0, of shape (rows, columns) or, in colour, (rows, columns, 3). Best in order."""
        if not 0 <= index < self.count:
            raise invalid_field("frame", f"is not there: the object has {self.count}, counted from 0")
        with typed("the pixels cannot be decoded"):
            from pydicom.pixels.decoders.base import get_decoder

            decoder = get_decoder(self._syntax)
            if self._syntax.is_encapsulated:
                if not decoder.is_available:
                    raise extra_missing("a decoder of this object's transfer syntax")
                return worker().decode(self._encoded(index), self._syntax, self._options(1))
            self._stream.seek(self._start)
            return decoder.as_array(self._stream, index=index, **self._options(self.count))[0]

    def _encoded(self, index: int) -> bytes:
        """One frame's codestream, once it has been looked at."""
        if index < self._next:
            self._streams, self._next = self._codestreams(), 0
        frame = next(islice(self._streams, index - self._next, None))
        self._next = index + 1
        size = size_of(frame)
        if size and size != (self.header.Rows, self.header.Columns):
            raise _unfit("a compressed frame is not of the size that the header says")
        return frame

    def _codestreams(self) -> Iterator[bytes]:
        """Every frame's, in order, from the stream, of which nothing else may be read meanwhile."""
        from pydicom.encaps import generate_frames

        offsets, lengths = self.header.get("ExtendedOffsetTable"), self.header.get("ExtendedOffsetTableLengths")
        extended = (offsets, lengths) if offsets and lengths else None
        self._stream.seek(self._start)
        yield from generate_frames(self._stream, number_of_frames=self.count, extended_offsets=extended)

    def _options(self, count: int) -> dict[str, Any]:
        """How the pixels of `count` frames are kept, as decoders want to be told."""
        from pydicom.pixels.utils import as_pixel_options

        options = as_pixel_options(self.header, pixel_keyword=self._keyword, number_of_frames=count)
        options.pop("extended_offsets", None)
        return options | ({"pixel_vr": self._vr} if self._vr else {})


def extra_missing(what: str) -> DianaError:
    """The error where the extra `pixels` is not installed."""
    return DianaError(Reason.EXTRA_MISSING, f"{what} is not installed: pip install 'diana-mesh[pixels]'")


def _unfit(why: str) -> DianaError:
    return DianaError(Reason.NOT_AN_IMAGE, f"the object makes no image: {why}")


@contextmanager
def typed(what: str) -> Iterator[None]:
    """Whatever pydicom and the decoders raise or warn of, without their words: those may hold values."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DianaError:
        raise
    except Exception as error:
        raise _unfit(what) from error


def _need_numpy() -> None:
    try:
        import numpy  # noqa: F401
    except ImportError as error:
        raise extra_missing("numpy") from error


def _seekable(content: Content) -> BinaryIO:
    """The content's stream, or a copy of it that can be sought in; beyond 16 MiB on disk."""
    stream = content.open()
    if stream.seekable():
        return stream
    copy = cast(BinaryIO, tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115  # its caller closes it
    with stream:
        shutil.copyfileobj(stream, copy, CHUNK)
    return copy


def _past_meta(stream: BinaryIO) -> tuple[UID, BinaryIO]:
    """The transfer syntax, and a stream that stands at the data set's first byte, inflated where it is deflated."""
    from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

    stream.seek(0)
    meta = read_file_meta(stream.read(_MOST_META_BYTES), complete=True)
    if meta is None:
        raise _unfit("it has no File Meta Information")
    stream.seek(meta.offset)
    syntax = UID(meta.transfer_syntax_uid)
    return syntax, _inflated(stream) if syntax == DeflatedExplicitVRLittleEndian else stream


def _inflated(stream: BinaryIO) -> BinaryIO:
    copy = cast(BinaryIO, tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115  # its caller closes it
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    with stream:
        while not inflater.eof and (piece := inflater.unconsumed_tail or stream.read(CHUNK)):
            copy.write(inflater.decompress(piece, CHUNK))
            if copy.tell() > _MOST_INFLATED_BYTES:
                copy.close()
                raise _unfit("it inflates beyond the limit")
    copy.seek(0)
    return copy


def _header(stream: BinaryIO, syntax: UID) -> Dataset:
    """What of the header shows how pixels are kept and shown. Nothing else of it is held."""
    from pydicom.filereader import read_dataset

    start = stream.tell()

    def stop(tag: int, vr: str | None, length: int) -> bool:
        if stream.tell() - start > _MOST_HEADER_BYTES:
            raise _unfit("its header is larger than the limit")
        return tag in _PIXELS

    wanted: list[Any] = [*_WANTED, *(tag for tag in _group_28())]
    return read_dataset(stream, syntax.is_implicit_VR, syntax.is_little_endian, stop_when=stop, specific_tags=wanted)


def _group_28() -> Iterator[int]:
    from diana_common.tags import known_tags

    return (tag for tag in known_tags() if tag >> 16 == 0x0028)


def _pixels(stream: BinaryIO, syntax: UID) -> tuple[str, str]:
    """The keyword and VR (empty where it is implicit) of the pixels, at whose first byte the stream stands then."""
    start = stream.read(8)
    if len(start) < 8:
        raise _unfit("it has no pixels")
    order = "<" if syntax.is_little_endian else ">"
    group, element = struct.unpack_from(order + "HH", start)
    if not syntax.is_implicit_VR:
        stream.read(4)
    return _PIXELS[group << 16 | element], "" if syntax.is_implicit_VR else start[4:6].decode("ascii")


def _checked(header: Dataset) -> int:
    """How many frames there are, once their size is within the limits."""
    rows, columns, samples = (int(header.get(name) or 0) for name in ("Rows", "Columns", "SamplesPerPixel"))
    count = int(header.get("NumberOfFrames") or 1)
    if min(rows, columns, samples, count) < 1:
        raise _unfit("it has no size")
    if rows * columns > MOST_PIXELS or samples > 4 or count > MOST_FRAMES:
        raise _unfit("it has more pixels or frames than the limits")
    return count


def _refuse_tables_in_big_endian(header: Dataset, syntax: UID) -> None:
    """pydicom takes the bytes of lookup tables for little endian; the other order is retired since 2006."""
    tables = ("RedPaletteColorLookupTableDescriptor", "ModalityLUTSequence", "VOILUTSequence")
    if not syntax.is_little_endian and any(table in header for table in tables):
        raise _unfit("its lookup tables are in big endian, which is retired")
