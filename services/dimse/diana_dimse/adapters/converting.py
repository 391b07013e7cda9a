"""One instance, file to file, in another transfer syntax: without compression, frame by frame where it had one."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, JPEGExtended12Bit

from diana_common.dicom.filemeta import read_file_meta
from diana_dimse.adapters.rewriting import PIXEL_DATA, NotConvertible, Rewriter

_MOST_META_BYTES = 1024 * 1024
_MOST_INFLATED_BYTES = 512 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})
_PHOTOMETRIC, _PLANAR = 0x00280004, 0x00280006
_OFFSETS, _LENGTHS = 0x7FE00001, 0x7FE00002
_ICON_IMAGES = 0x00880200
_UNDEFINED = 0xFFFFFFFF
_JPEG_BITS = 8


def convert(source: Path, target: Path, transfer_syntax: str) -> None:
    """Write the data set of a Part 10 file, without File Meta Information, in an uncompressed transfer syntax.

    Raises NotConvertible, ImportError without the codecs, and whatever pydicom and they raise.
    """
    with source.open("rb") as file, target.open("wb") as out:
        meta = read_file_meta(file.read(_MOST_META_BYTES), complete=True)
        if meta is None:
            raise NotConvertible("it has no File Meta Information")
        file.seek(meta.offset)
        old, new = UID(meta.transfer_syntax_uid), UID(transfer_syntax)
        data: BinaryIO = _inflated(file) if old == DeflatedExplicitVRLittleEndian else file
        header = read_dataset(data, old.is_implicit_VR, old.is_little_endian, stop_when=_at_pixels)
        rewriter = Rewriter(
            out,
            is_implicit=new.is_implicit_VR,
            is_big=not new.is_little_endian,
            source_is_big=not old.is_little_endian,
        )
        if old.is_encapsulated:
            _decompress(data, old, header, rewriter)
        else:
            rewriter.write(header)
            _copy(data, old, header, rewriter)


def _inflated(file: BinaryIO) -> BinaryIO:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = inflater.decompress(file.read(), _MOST_INFLATED_BYTES)
    if not inflater.eof:
        raise NotConvertible("it does not inflate, or to too much")
    return io.BytesIO(data)


def _at_pixels(tag: int, vr: str | None, length: int) -> bool:
    return tag in _PIXELS


def _copy(data: BinaryIO, syntax: UID, header: Dataset, rewriter: Rewriter) -> None:
    """Pixels that are not compressed, and what follows them."""
    head = _pixel_head(data, syntax)
    if head is None:
        return
    tag, vr, length = head
    if length == _UNDEFINED:
        raise NotConvertible("its pixels are encapsulated where they may not be")
    vr = vr or ("OW" if tag == PIXEL_DATA else "OF" if tag == min(_PIXELS) else "OD")
    if rewriter.is_swapped and vr == "OW" and int(header.get("BitsAllocated", 16)) > 16:
        raise NotConvertible("its pixels are of more than 16 bits, which big endian writers order as they like")
    rewriter.head(tag, vr, length)
    rewriter.values(vr, _pieces(data, length))
    rewriter.write(read_dataset(data, syntax.is_implicit_VR, syntax.is_little_endian))


def _pieces(data: BinaryIO, length: int) -> Iterator[bytes]:
    while length:
        piece = data.read(min(length, _PIECE_BYTES))
        if not piece:
            raise NotConvertible("its pixels end too soon")
        length -= len(piece)
        yield piece


def _pixel_head(data: BinaryIO, syntax: UID) -> tuple[int, str, int] | None:
    """Tag, VR (empty where the encoding has none) and length of the pixels; None at the end of the data set."""
    start = data.read(8)
    if len(start) < 8:
        return None
    order = "<" if syntax.is_little_endian else ">"
    group, element = struct.unpack_from(order + "HH", start)
    if syntax.is_implicit_VR:
        return group << 16 | element, "", struct.unpack_from(order + "L", start, 4)[0]
    return group << 16 | element, start[4:6].decode("latin_1"), struct.unpack(order + "L", data.read(4))[0]


def _decompress(data: BinaryIO, syntax: UID, header: Dataset, rewriter: Rewriter) -> None:
    """What is lossy keeps the attributes that say so (PS3.3 section C.7.6.1.1.5); icons, which would be compressed
    too, are left out, and so is what follows the pixels: padding and signatures that no longer hold."""
    changed: dict[int, tuple[str, bytes]] = {_ICON_IMAGES: ("", b""), _OFFSETS: ("", b""), _LENGTHS: ("", b"")}
    if _pixel_head(data, syntax) is None:
        rewriter.write(header, changed)
        return
    frames = _frames(data, syntax, header)
    first, properties = next(frames)
    photometric = str(properties["photometric_interpretation"]).encode()
    changed[_PHOTOMETRIC] = ("CS", photometric + b" " * (len(photometric) % 2))
    if properties["samples_per_pixel"] > 1:
        changed[_PLANAR] = ("US", bytes(2))
    rewriter.write(header, changed)
    size = len(first) * int(properties["number_of_frames"])
    if size >= _UNDEFINED:
        raise NotConvertible("it would be longer than pixels can be")
    vr = "OB" if properties["bits_allocated"] <= 8 else "OW"
    rewriter.head(PIXEL_DATA, vr, size + size % 2)
    written = 0
    for frame in _all(first, frames):
        rewriter.values(vr, [frame])
        written += len(frame)
    if written != size:
        raise NotConvertible("it has another number of frames than it says")
    rewriter.values(vr, [bytes(size % 2)])


def _all(first: bytes, others: Iterator[tuple[bytes, dict[str, Any]]]) -> Iterator[bytes]:
    yield first
    for frame, _ in others:
        yield frame


def _frames(data: BinaryIO, syntax: UID, header: Dataset) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Decoded frames, colours as RGB and pixel by pixel, and what their attributes are."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.utils import as_pixel_options

    options = as_pixel_options(header.group_dataset(0x0028), pixel_keyword="PixelData", pixel_vr="OB")
    if _OFFSETS in header and _LENGTHS in header:
        options["extended_offsets"] = (header.get_item(_OFFSETS).value, header.get_item(_LENGTHS).value)
    if syntax == JPEGExtended12Bit and options["bits_stored"] > _JPEG_BITS:
        from diana_dimse.adapters import twelve_bits

        yield from ((frame, options) for frame in twelve_bits.frames(data, options))
        return
    for frame, properties in get_decoder(syntax).iter_array(data, **options):
        yield frame.tobytes(), {**properties, "number_of_frames": options["number_of_frames"]}
