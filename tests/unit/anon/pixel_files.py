"""Images with writing in them, in every encoding that is cleaned, and reading back what became of them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.filewriter import dcmwrite
from pydicom.pixels.encoders.base import get_encoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from diana_anon.core.pixels.model import CleanedPixels, Finding, Region, Shape, Window
from diana_common.header import scan

Pixels = npt.NDArray[Any]

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
JPEG, JPEG_LOSSLESS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"
JPEG_LS, NEAR_LOSSLESS = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
JPEG_2000, JPEG_2000_LOSSY = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
SECONDARY_CAPTURE, ULTRASOUND, CT = ("1.2.840.10008.5.1.4.1.1." + end for end in ("7", "6.1", "2"))


@dataclass
class FakeReader:
    """Finds what it is told to, as long as there is anything there but black."""

    findings: Sequence[Finding] = ()
    seen: list[bytes] = field(default_factory=list)

    def read(self, samples: bytes | memoryview, shape: Shape, window: Window) -> list[Finding]:
        self.seen.append(bytes(samples))
        pixels = np.frombuffer(samples, np.uint8).reshape(shape.rows, shape.columns, -1)
        return [
            one
            for one in self.findings
            if pixels[one.region.top : one.region.bottom, one.region.left : one.region.right].any()
        ]


class Memory:
    """A room for new values."""

    def collect(self, pieces: Iterable[bytes]) -> bytes:
        return b"".join(pieces)


def drawn(text: str, columns: int = 240, rows: int = 240, size: int = 18, place: tuple[int, int] = (12, 10)) -> Pixels:
    """A grey ramp with a text in white on black above it, 8 bits."""
    ramp = np.tile(np.linspace(20, 120, columns).astype(np.uint8), (rows, 1))
    image = Image.fromarray(ramp)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size)
    draw.rectangle(draw.textbbox(place, text, font=font), fill=0)
    draw.text(place, text, fill=255, font=font)
    return np.asarray(image)


def noise(frames: int, rows: int, columns: int, samples: int = 1, bits: int = 8, seed: int = 1) -> Pixels:
    """Frames that differ in every pixel, none of them black."""
    made = np.random.default_rng(seed).integers(1, 2**bits, (frames, rows, columns, samples))
    return made.astype(np.uint8 if bits <= 8 else np.uint16)


def file_of(pixels: Pixels, syntax: str = EXPLICIT, **attributes: Any) -> bytes:
    """A Part 10 file of frames (frames, rows, columns, samples) in a transfer syntax."""
    frames, rows, columns, samples = pixels.shape
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = SECONDARY_CAPTURE, "1.2.3.4"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    ds.Modality = "OT"
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.NumberOfFrames = rows, columns, samples, frames
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored = ds.BitsAllocated
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, 0
    ds.PhotometricInterpretation = "MONOCHROME2" if samples == 1 else "RGB"
    if samples > 1:
        ds.PlanarConfiguration = 0
    for name, value in attributes.items():
        setattr(ds, name, value)
    if syntax in (IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED):
        stored = pixels.astype(pixels.dtype.newbyteorder(">")) if syntax == BIG_ENDIAN else pixels
        data = stored.tobytes()
        ds.PixelData = data + b"\0" * (len(data) % 2)
    else:
        ds.PixelData = encapsulate([stream(frame, syntax, ds) for frame in pixels])
        ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 and syntax != IMPLICIT else "OW"
    return written(ds, syntax)


def written(ds: Dataset, syntax: str) -> bytes:
    """The data set as a file."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    out = io.BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def stream(frame: Pixels, syntax: str, ds: Dataset) -> bytes:
    """One frame encoded."""
    flat = frame[..., 0] if frame.shape[-1] == 1 else frame
    if syntax == JPEG:
        out = io.BytesIO()
        Image.fromarray(flat).save(out, "JPEG", quality=95, subsampling=0, keep_rgb=True)
        return out.getvalue()
    options = {
        "rows": ds.Rows,
        "columns": ds.Columns,
        "samples_per_pixel": ds.SamplesPerPixel,
        "bits_allocated": ds.BitsAllocated,
        "bits_stored": ds.BitsStored,
        "pixel_representation": ds.PixelRepresentation,
        "photometric_interpretation": ds.PhotometricInterpretation,
        "number_of_frames": 1,
        "pixel_keyword": "PixelData",
    } | ({"planar_configuration": 0} if ds.SamplesPerPixel > 1 else {})
    lossy: Any = {NEAR_LOSSLESS: {"jls_error": 2}, JPEG_2000_LOSSY: {"j2k_cr": [4]}}.get(syntax, {})
    return get_encoder(UID(syntax)).encode(np.ascontiguousarray(flat), **options, **lossy)


def with_offsets(data: bytes, how: str) -> bytes:
    """A compressed file of frames anew: without offsets, with the extended table, or every frame in two fragments."""
    ds = dcmread(io.BytesIO(data))
    streams = list(generate_frames(ds.PixelData, number_of_frames=int(ds.NumberOfFrames)))
    if how == "extended":
        ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(streams)
    else:
        ds.PixelData = encapsulate(streams, fragments_per_frame=2 if "halves" in how else 1, has_bot="bot" in how)
    ds["PixelData"].is_undefined_length = True
    return written(ds, ds.file_meta.TransferSyntaxUID)


def header_of(data: bytes) -> Any:
    """The header as the deidentifier hands it on."""
    return json.loads(scan(data).dicom_json)


def result(data: bytes, cleaned: CleanedPixels) -> Dataset:
    """The source with what was done to its pixels, read by pydicom."""
    ds = dcmread(io.BytesIO(data))
    if cleaned.value:
        ds.PixelData = b"".join(cleaned.value.pieces)
        if cleaned.value.encapsulated:
            ds.PixelData = ds.PixelData[: -len(b"\xfe\xff\xdd\xe0\0\0\0\0")]
        ds["PixelData"].VR = cleaned.value.vr.decode()
        ds["PixelData"].is_undefined_length = cleaned.value.encapsulated
    for tag in cleaned.removed:
        ds.pop(tag, None)
    for tag, value in cleaned.attributes.items():
        vr = dictionary_VR(tag)
        ds.add_new(tag, vr, value[0] if vr == "US" else value.decode())
    ds.file_meta.TransferSyntaxUID = UID(cleaned.transfer_syntax_uid)
    out = io.BytesIO()
    dcmwrite(out, ds)
    return dcmread(io.BytesIO(out.getvalue()))


def decoded(ds: Dataset) -> Pixels:
    """Its frames as (frames, rows, columns, samples), colours as they are stored."""
    array = pixel_array(ds, raw=True)
    return array.reshape(int(ds.get("NumberOfFrames", 1)), ds.Rows, ds.Columns, ds.SamplesPerPixel)


def outside(region: Region, pixels: Pixels) -> Pixels:
    """The pixels that a mask leaves."""
    kept = np.ones(pixels.shape[1:3], bool)
    kept[region.top : region.bottom, region.left : region.right] = False
    return pixels[:, kept]


def inside(region: Region, pixels: Pixels) -> Pixels:
    """The pixels of a region."""
    return pixels[:, region.top : region.bottom, region.left : region.right]


def wide(frame: Pixels) -> Pixels:
    """One grey frame as frames of one."""
    return frame[None, :, :, None]


def frames_of(data: bytes) -> list[bytes]:
    """The streams of a compressed file."""
    ds = dcmread(io.BytesIO(data))
    return list(generate_frames(ds.PixelData, number_of_frames=int(ds.NumberOfFrames)))
