"""JPEG Extended with 12 bits, which pydicom leaves to a library of another licence, and GDCM decodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import gdcm
from pydicom.encaps import generate_frames
from pydicom.uid import JPEGExtended12Bit

from diana_dimse.adapters.rewriting import NotConvertible


def frames(data: BinaryIO, options: dict[str, Any]) -> Iterator[bytes]:
    """The decoded frames of encapsulated pixels; `options` are their attributes as pydicom's decoders take them."""
    wanted = (options["samples_per_pixel"], options["bits_allocated"], options["bits_stored"])
    if wanted != (1, 16, 12):
        raise NotConvertible("twelve bits are decoded of grey images only")
    size = options["rows"] * options["columns"] * 2
    for frame in generate_frames(data, number_of_frames=options["number_of_frames"]):
        samples = _decoded(frame, options)
        if len(samples) != size:
            raise NotConvertible("a frame is not as large as its header says")
        yield samples


def _decoded(frame: bytes, options: dict[str, Any]) -> bytes:
    fragment, fragments = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(frame)
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    kind = gdcm.PhotometricInterpretation.GetPIType(options["photometric_interpretation"])
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((options["columns"], options["rows"], 1))
    image.SetDataElement(element)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(JPEGExtended12Bit))))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, options["pixel_representation"]))
    samples: bytes = image.GetBuffer().encode("utf-8", "surrogateescape")  # it takes bytes for text
    return samples
