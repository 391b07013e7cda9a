"""PNG images of an instance's frames, as a viewer shows them before anybody touches it.

Grey values pass the Modality LUT, then a window or VOI LUT; MONOCHROME1 is inverted; colours become RGB. Overlays
are not drawn, presentation states not applied. What is burned into the pixels stays.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from diana_common.errors import invalid_field
from diana_endpoints.decoding import Frames, extra_missing, typed
from diana_endpoints.items import Item
from diana_endpoints.windows import Window, window_of

if TYPE_CHECKING:
    import numpy as np


def pngs_of(item: Item, frames: Iterable[int] | None = None, window: str = "") -> Iterator[bytes]:
    """Frames as PNG, 8 bit grey or RGB, one at a time: those that are named, counted from 0, or all in order.

    `window` is CENTRE/WIDTH ("40/80"), a name ("brain"), "full" (all values of the frame), or empty: what the header
    says, else all values. Raises DianaError: NOT_AN_IMAGE for an object that makes none, or passes a limit;
    EXTRA_MISSING without the extra `pixels`; INVALID_FIELD for a frame or window that is none; OSError.
    """
    asked = window_of(window) if window else None
    with closing(_frames(item)) as source:
        for index in range(source.count) if frames is None else frames:
            array = source.array(index)
            with typed("its values cannot be shown"):
                png = _png(_shown(source, array, index, asked, bool(window)))
            yield png


def frame_count(item: Item) -> int:
    """How many frames an instance has. Errors as `pngs_of`."""
    with closing(_frames(item)) as frames:
        return frames.count


def _frames(item: Item) -> Frames:
    if item.content is None:
        raise invalid_field("content", "is required: get the instance with its content")
    return Frames(item.content)


def _shown(source: Frames, array: np.ndarray[Any, Any], index: int, window: Window | None, asked: bool) -> Any:
    from diana_endpoints.greys import eight_bits, grey  # numpy with it

    header = source.header
    if int(header.SamplesPerPixel) > 1 or str(header.get("PhotometricInterpretation")) == "PALETTE COLOR":
        return eight_bits(array, header)
    return grey(array, header, index, window, full=asked)


def _png(pixels: np.ndarray[Any, Any]) -> bytes:
    try:
        from PIL import Image
    except ImportError as error:
        raise extra_missing("Pillow") from error
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()
