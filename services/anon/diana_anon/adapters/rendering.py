"""Stored samples as pictures in which a reader finds text: RGB, 8 bits. Runs in a pixel worker."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from diana_anon.core.pixels.model import Shape, Window

Picture = npt.NDArray[np.uint8]
"""Rows by columns by red, green and blue."""

Samples = npt.NDArray[Any]


def pictures(data: bytes, shape: Shape, window: Window) -> list[Picture]:
    """The frame over its whole range, and, if its samples have more than 8 bits and it has a window, as that shows it.

    Text at the end of a wide range may drown in a window, and text in the midst of one outside it.
    """
    samples = _samples(data, shape)
    if shape.photometric == "PALETTE COLOR" and len(window.palette) == 3:
        return [_coloured(samples, window)]
    if shape.samples == 3:
        colours = _stretched(samples, 0, 2**shape.bits_stored - 1)
        return [_from_ybr(colours) if shape.photometric in ("YBR_FULL", "YBR_FULL_422") else colours]
    values = samples * window.slope + window.intercept
    found = [_stretched(values, values.min(), values.max())]
    if shape.bits_stored > 8 and window.center is not None and window.width is not None:
        found.append(_stretched(values, window.center - window.width / 2, window.center + window.width / 2))
    return [np.repeat((255 - one if shape.photometric == "MONOCHROME1" else one)[:, :, None], 3, 2) for one in found]


def _samples(data: bytes, shape: Shape) -> Samples:
    """Rows by columns, and by colours if there are any, without the bits that are not stored."""
    if shape.swapped:
        whole = len(data) // 2 * 2
        data = np.frombuffer(data, np.uint8, whole).reshape(-1, 2)[:, ::-1].tobytes() + data[whole:]
    order = ">" if shape.big_endian else "<"
    values = np.frombuffer(data, f"{order}{'i' if shape.signed else 'u'}{shape.bits_allocated // 8}")
    unused = shape.bits_allocated - shape.bits_stored
    if unused:
        values = np.right_shift(np.left_shift(values, unused), unused)
    if shape.photometric == "YBR_FULL_422":
        return _spread(values, shape)
    if shape.samples == 1:
        return values.reshape(shape.rows, shape.columns)
    if shape.planes:
        return values.reshape(3, shape.rows, shape.columns).transpose(1, 2, 0)
    return values.reshape(shape.rows, shape.columns, 3)


def _spread(values: Samples, shape: Shape) -> Samples:
    """Two pixels are stored as Y, Y, Cb, Cr (PS3.3 C.7.6.3.1.2)."""
    pairs = values.reshape(shape.rows, shape.columns // 2, 4)
    whole = np.empty((shape.rows, shape.columns // 2, 2, 3), values.dtype)
    whole[..., 0] = pairs[..., :2]
    whole[..., 1:] = pairs[:, :, None, 2:]
    return whole.reshape(shape.rows, shape.columns, 3)


def _stretched(values: Samples, low: float, high: float) -> Picture:
    """From `low`, black, to `high`, white."""
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / max(float(high) - float(low), 1e-9))
    picture: Picture = np.clip(scaled, 0, 255).astype(np.uint8)
    return picture


def _coloured(samples: Samples, window: Window) -> Picture:
    planes = []
    for first, entries in window.palette:
        table = np.frombuffer(entries, "<u2")
        high = table if table.max() < 256 else table >> 8
        planes.append(high[np.clip(samples.astype(np.int64) - first, 0, len(table) - 1)].astype(np.uint8))
    return np.stack(planes, -1)


def _from_ybr(colours: Picture) -> Picture:
    y, blue, red = (colours[..., index].astype(np.float32) for index in range(3))
    blue, red = blue - 128, red - 128
    rgb = np.stack([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], -1)
    picture: Picture = np.clip(rgb, 0, 255).astype(np.uint8)
    return picture
