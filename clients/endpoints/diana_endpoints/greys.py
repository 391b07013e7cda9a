"""From stored values to grey levels: Modality LUT, VOI LUT or window, polarity (PS3.3 section C.11)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diana_endpoints.windows import Window

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Array = np.ndarray[Any, Any]
_WHITE = 255.0
_LUT_ENTRIES = 65536
_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def grey(stored: Array, header: Dataset, index: int, window: Window | None, full: bool = False) -> Array:
    """Grey levels of a frame, 0 (black) to 255, of the same shape.

    A `window` goes before what the header says, and `full` (all values of the frame) does where there is none.
    """
    values = _modality(stored, header, index)
    if window is None and not full:
        window = _window(header, index)
        if window is None and (lut := _voi_lut(header)):
            return _polarity(_scaled(_looked_up(values, lut), 0.0, 2.0 ** _bits(lut) - 1), header)
    levels = _windowed(values, window) if window else _scaled(values, *_range(stored, values, header))
    return _polarity(levels, header)


def eight_bits(colours: Array, header: Dataset) -> Array:
    """RGB of shape (rows, columns, 3) with 8 bits a sample, of what a decoder gives; palettes are looked up."""
    if str(header.get("PhotometricInterpretation")) == "PALETTE COLOR":
        return _palette(colours, header)
    if colours.dtype == np.uint8:
        return colours[..., :3]
    shift = max(int(header.get("BitsStored") or 8) - 8, 0)
    return (colours[..., :3] >> shift).clip(0, 255).astype(np.uint8)


def _palette(stored: Array, header: Dataset) -> Array:
    from pydicom.pixels.processing import apply_color_lut

    found = apply_color_lut(stored, header)[..., :3]
    if found.dtype == np.uint8:
        return found
    depth = int(header.RedPaletteColorLookupTableDescriptor[2])
    return (found >> (depth - 8)).astype(np.uint8)


def _modality(stored: Array, header: Dataset, index: int) -> Array:
    """The modality's values: of CT, Hounsfield units."""
    if lut := _first(header.get("ModalityLUTSequence")):
        return _looked_up(stored, lut)
    source = _macro(header, "PixelValueTransformationSequence", index) or header
    slope, intercept = _number(source, "RescaleSlope"), _number(source, "RescaleIntercept")
    if slope is None or intercept is None:
        return stored
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def _window(header: Dataset, index: int) -> Window | None:
    """The first window that the header gives the frame, if it can be used."""
    source = _macro(header, "FrameVOILUTSequence", index) or header
    center, width = _number(source, "WindowCenter"), _number(source, "WindowWidth")
    function = str(source.get("VOILUTFunction") or "LINEAR")
    if center is None or width is None or function not in _FUNCTIONS:
        return None
    return Window(center, width, function) if width >= (1 if function == "LINEAR" else 1e-9) else None


def _windowed(values: Array, window: Window) -> Array:
    """The functions of PS3.3 sections C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2, to the range of a byte."""
    values = values.astype(np.float32)
    if window.function == "SIGMOID":
        power = np.clip(-4 * (values - window.center) / window.width, -80, 80)
        return np.asarray(_WHITE / (1 + np.exp(power)))
    exact = window.function == "LINEAR_EXACT"
    center, width = (window.center, window.width) if exact else (window.center - 0.5, window.width - 1)
    if width <= 0:
        return np.where(values > center, np.float32(_WHITE), np.float32(0))
    return np.asarray(np.clip((values - center) / width + 0.5, 0, 1) * np.float32(_WHITE))


def _range(stored: Array, values: Array, header: Dataset) -> tuple[float, float]:
    """From black to white where nothing says: all that 8 bits hold, else what the frame holds but for padding."""
    if stored.dtype == np.uint8 and values is stored:
        return 0.0, 2.0 ** int(header.get("BitsStored") or 8) - 1
    padding = _number(header, "PixelPaddingValue")
    kept = values[np.isfinite(values) & (stored != padding)] if padding is not None else values[np.isfinite(values)]
    return (float(kept.min()), float(kept.max())) if kept.size else (0.0, 0.0)


def _scaled(values: Array, low: float, high: float) -> Array:
    if high <= low:
        return np.zeros(values.shape, np.float32)
    return np.asarray(np.clip((values.astype(np.float32) - low) / (high - low), 0, 1) * np.float32(_WHITE))


def _polarity(levels: Array, header: Dataset) -> Array:
    rounded = np.nan_to_num(np.rint(levels)).astype(np.uint8)
    return 255 - rounded if str(header.get("PhotometricInterpretation")) == "MONOCHROME1" else rounded


def _voi_lut(header: Dataset) -> Dataset | None:
    return _first(header.get("VOILUTSequence"))


def _looked_up(values: Array, lut: Dataset) -> Array:
    """A lookup table (PS3.3 section C.11.1.1.1), whose first and last entry stand for all that lies beyond."""
    entries = int(lut.LUTDescriptor[0]) or _LUT_ENTRIES
    data = lut.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, np.uint8 if len(data) <= entries + 1 else np.uint16)
    table = np.asarray(data)[:entries]
    place = np.clip(values.astype(np.int64) - int(lut.LUTDescriptor[1]), 0, len(table) - 1)
    return np.asarray(table[place])


def _bits(lut: Dataset) -> int:
    return int(lut.LUTDescriptor[2])


def _macro(header: Dataset, keyword: str, index: int) -> Dataset | None:
    """A functional group macro of a frame: its own, else the one that frames share (PS3.3 section C.7.6.16)."""
    own = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = _first(header.get("SharedFunctionalGroupsSequence"))
    for group in (own[index] if index < len(own) else None, shared):
        if group is not None and (found := _first(group.get(keyword))) is not None:
            return found
    return None


def _first(sequence: Sequence[Dataset] | None) -> Dataset | None:
    return sequence[0] if sequence else None


def _number(source: Dataset, keyword: str) -> float | None:
    """The first value of an attribute as a number; None if it has none that is one."""
    try:
        found: Any = source.get(keyword)
        number = float(found[0] if isinstance(found, Sequence) else found)
    except (ValueError, TypeError, IndexError, ArithmeticError):
        return None
    return number if math.isfinite(number) else None
