"""The second reader: pydicom, for data sets the walk finds odd but not hostile.

It knows many habits of old writers (missing VRs, items in another encoding, stray delimiters). What it reads
is rendered by the same renderers, so that both give one kind of DICOM JSON.
"""

from __future__ import annotations

import io

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from diana_common.dicom.context import Context, context
from diana_common.dicom.fragments import bulk, rendered
from diana_common.dicom.limits import Limits, invalid, over_limit, truncated
from diana_common.dicom.render import BINARY
from diana_common.dicom.source import Source
from diana_common.dicom.vr import US_OR_SS, implicit_vr
from diana_common.dicom.walk import CHARACTER_SET, HEADER_END, UNDEFINED
from diana_common.errors import DianaError


def patient_read(source: Source, uri: str, start: int, ctx: Context, limits: Limits) -> tuple[list[str], int, int]:
    """Fragments, where the header ends, and the tag found there (0 at the end), as pydicom sees them.

    Raises DATA_SET_INVALID when pydicom cannot read it either, DATA_SET_TRUNCATED, DATA_SET_LIMIT.
    """
    window, base = source.window(start, limits.max_odd_bytes)
    data = io.BytesIO(window[start - base : start - base + limits.max_odd_bytes])
    stopped = count = 0

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal stopped, count
        count += 1
        if count > limits.max_elements:
            raise over_limit("elements")
        stopped = int(tag) if tag >= HEADER_END else 0
        return stopped != 0

    try:
        data_set = read_dataset(data, ctx.implicit, ctx.order == "<", stop_when=stop)
        end = start + data.tell()
        fragments = _Rendering(uri, limits).elements(data_set, ctx.charset, start)
    except RecursionError:
        raise over_limit("nesting") from None
    except DianaError:
        raise
    except Exception:
        # A foreign parser on input that made ours give up: whatever it says, the input is at fault.
        raise invalid("the data set cannot be parsed") from None
    if stopped:
        return fragments, end, stopped
    if not source.ends_before(start + limits.max_odd_bytes + 1):
        raise over_limit("bytes of an odd header")
    _require_end(data_set, data)
    return fragments, end, 0


def _require_end(data_set: Dataset, data: io.BytesIO) -> None:
    """pydicom drops an element that the end of the data cuts: what it read last must end there."""
    last = data_set.get_item(list(data_set.keys())[-1]) if len(data_set) else None
    if isinstance(last, RawDataElement):
        data.seek(last.value_tell + len(last.value or b"") + (8 if last.length == UNDEFINED else 0))
    elif last is None:
        data.seek(0)
    if any(data.read()):
        raise truncated("an element")


class _Rendering:
    """pydicom's raw elements to fragments; `origin` is the offset that an element's `value_tell` counts from."""

    def __init__(self, uri: str, limits: Limits) -> None:
        self._uri = uri
        self._limits = limits
        self._count = 0

    def elements(self, data_set: Dataset, charset: bytes, origin: int, depth: int = 0) -> list[str]:
        if depth > self._limits.max_depth:
            raise over_limit("nesting")
        self._count += len(data_set)
        if self._count > self._limits.max_elements:
            raise over_limit("elements")
        declared = data_set.get_item(CHARACTER_SET) if CHARACTER_SET in data_set else None
        if isinstance(declared, RawDataElement):
            charset = declared.value or b""
        tags = [tag for tag in sorted(data_set.keys()) if tag.element]
        return [self._element(data_set, tag, charset, origin, depth) for tag in tags]

    def _element(self, data_set: Dataset, tag: BaseTag, charset: bytes, origin: int, depth: int) -> str:
        raw = data_set.get_item(tag)
        if not isinstance(raw, RawDataElement) or (raw.VR or implicit_vr(tag)) == "SQ":
            inner = origin + raw.value_tell if isinstance(raw, RawDataElement) else origin
            items = [
                "{" + ",".join(self.elements(item, charset, inner, depth + 1)) + "}" for item in data_set[tag].value
            ]
            body = ',"Value":[' + ",".join(items) + "]" if items else ""
            return f'"{tag:08X}":{{"vr":"SQ"{body}}}'
        value = raw.value or b""
        if raw.length not in (len(value), UNDEFINED):
            raise truncated("an element")
        ctx = context(charset, raw.is_implicit_VR, "<" if raw.is_little_endian else ">")
        vr = raw.VR or implicit_vr(tag)
        vr = "US" if vr == US_OR_SS else vr if vr in ctx.renderers else "UN"
        if len(value) > (self._limits.inline_bytes if vr in BINARY else self._limits.max_value_bytes):
            return bulk(self._uri, tag, vr, origin + raw.value_tell, len(value))
        return rendered(tag, vr, value, ctx)
