"""Decoding and encoding single frames with pydicom's plugins; runs in a pixel worker, since the libraries are C."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gdcm
import numpy as np
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID, JPEGExtended12Bit, JPEGLSTransferSyntaxes, RLELossless

from diana_anon.core.pixels.model import Shape


def decode(stream: bytes, transfer_syntax_uid: str, shape: Shape) -> tuple[bytes, Shape]:
    """See core.pixels.model.Codec; raises whatever the libraries do."""
    if transfer_syntax_uid == JPEGExtended12Bit and shape.bits_stored > 8:
        return _twelve_bits(stream, shape), replace(shape, big_endian=False)
    options = _options(shape)
    if transfer_syntax_uid == RLELossless:
        options["correct_unused_bits"] = False  # as they are, since they are encoded again
    decoder = get_decoder(UID(transfer_syntax_uid))
    # The other decoder of JPEG-LS takes seconds over a damaged stream; it is for the few that GDCM does not know.
    plugin = "gdcm" if transfer_syntax_uid in JPEGLSTransferSyntaxes and shape.bits_stored > 7 else ""
    source = encapsulate([stream], has_bot=False)
    array, told = decoder.as_array(source, index=0, raw=True, decoding_plugin=plugin, **options)
    wanted = (shape.rows, shape.columns) if shape.samples == 1 else (shape.rows, shape.columns, shape.samples)
    if array.shape != wanted:
        raise ValueError("the stream's size is not the header's")
    kept = array.astype(_dtype(shape), casting="unsafe", copy=False)
    if not np.array_equal(kept, array):
        raise ValueError("the stream's values do not fit the header's bits")
    photometric = str(told["photometric_interpretation"])
    photometric = "YBR_FULL" if photometric == "YBR_FULL_422" else photometric
    return kept.tobytes(), replace(shape, photometric=photometric, planes=False, big_endian=False)


def encode(samples: bytes, transfer_syntax_uid: str, shape: Shape) -> bytes:
    """See core.pixels.model.Codec; raises whatever the libraries do."""
    array = np.frombuffer(samples, _dtype(shape))
    array = array.reshape((shape.rows, shape.columns, shape.samples) if shape.samples > 1 else (shape.rows, -1))
    encoder = get_encoder(UID(transfer_syntax_uid))
    made: bytes = encoder.encode(array, **_options(shape))
    back, _ = decode(made, transfer_syntax_uid, shape)
    if back != samples:
        raise ValueError("the encoder did not keep every bit")
    return made


def _twelve_bits(stream: bytes, shape: Shape) -> bytes:
    """JPEG Extended with 12 bits, which pydicom leaves to a library of another licence, and GDCM decodes."""
    if shape.samples != 1 or shape.bits_stored != 12 or shape.bits_allocated != 16:
        raise ValueError("twelve bits are decoded of grey images only")
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((shape.columns, shape.rows, 1))
    image.SetDataElement(element)
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.GetPIType(shape.photometric))
    )
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(JPEGExtended12Bit))))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, int(shape.signed)))
    samples: bytes = image.GetBuffer().encode("utf-8", "surrogateescape")  # it takes bytes for text
    if len(samples) != shape.frame_bytes:
        raise ValueError("the stream's size is not the header's")
    return samples


def _dtype(shape: Shape) -> np.dtype[Any]:
    return np.dtype(f"<{'i' if shape.signed else 'u'}{shape.bits_allocated // 8}")


def _options(shape: Shape) -> dict[str, Any]:
    options = {
        "number_of_frames": 1,
        "rows": shape.rows,
        "columns": shape.columns,
        "samples_per_pixel": shape.samples,
        "bits_allocated": shape.bits_allocated,
        "bits_stored": shape.bits_stored,
        "pixel_representation": int(shape.signed),
        "photometric_interpretation": shape.photometric,
        "pixel_keyword": "PixelData",
    }
    return options | ({"planar_configuration": int(shape.planes)} if shape.samples > 1 else {})
