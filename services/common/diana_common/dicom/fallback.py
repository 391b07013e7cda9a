"""The second reader: pydicom, for data sets the walk finds odd but not hostile.

It knows many habits of old writers (missing VRs, items in another encoding, stray delimiters). What it reads
is rendered by the same renderers, so that both give one kind of DICOM JSON.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import TypeVar

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from diana_common.dicom.context import Context, context
from diana_common.dicom.fragments import bulk, rendered
from diana_common.dicom.limits import Limits, invalid, over_limit, truncated
from diana_common.dicom.render import BINARY
from diana_common.dicom.source import Source
from diana_common.dicom.text import text_of
from diana_common.dicom.vr import US_OR_SS, implicit_vr
from diana_common.dicom.walk import CHARACTER_SET, HEADER_END, UNDEFINED
from diana_common.errors import DianaError

Taken = TypeVar("Taken")


def patient_read(source: Source, uri: str, start: int, ctx: Context, limits: Limits) -> tuple[list[str], int, int]:
    """Fragments, where the header ends, and the tag found there (0 at the end), as pydicom sees them.

    Raises DATA_SET_INVALID when pydicom cannot read it either, DATA_SET_TRUNCATED, DATA_SET_LIMIT.
    """
    rendering = _Rendering(uri, limits)
    return patient_walk(source, start, ctx, limits, lambda data_set: rendering.elements(data_set, ctx.charset, start))


def patient_walk(
    source: Source, start: int, ctx: Context, limits: Limits, take: Callable[[Dataset], Taken]
) -> tuple[Taken, int, int]:
    """What `take` makes of the data set as pydicom reads it; the rest as `patient_read`."""
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
        taken = take(data_set)
    except RecursionError:
        raise over_limit("nesting") from None
    except DianaError:
        raise
    except Exception:
        # A foreign parser on input that made ours give up: whatever it says, the input is at fault.
        raise invalid("the data set cannot be parsed") from None
    if stopped:
        return taken, end, stopped
    if not source.ends_before(start + limits.max_odd_bytes + 1):
        raise over_limit("bytes of an odd header")
    _require_end(data_set, data)
    return taken, end, 0


def _require_end(data_set: Dataset, data: io.BytesIO) -> None:
    """pydicom drops an element that the end of the data cuts: what it read last must end there."""
    elements = list(data_set.values())
    last = elements[-1] if elements else None
    if isinstance(last, RawDataElement):
        # A tag that comes twice stands where it came first.
        last = max((raw for raw in elements if isinstance(raw, RawDataElement)), key=lambda raw: raw.value_tell)
        data.seek(last.value_tell + len(last.value or b"") + (8 if last.length == UNDEFINED else 0))
    elif last is None:
        data.seek(0)
    if any(data.read()):
        raise truncated("an element")


def patient_values(
    source: Source, start: int, ctx: Context, limits: Limits, tags: Iterable[int]
) -> dict[int, str | None]:
    """The text of those of the tags that the top level has, no sequences; raises what `patient_read` does."""

    def take(data_set: Dataset) -> dict[int, str | None]:
        charset = declared_charset(data_set)
        taken: dict[int, str | None] = {}
        for tag in tags:
            raw = data_set.get_item(tag, keep_deferred=True)
            if isinstance(raw, RawDataElement) and raw.length <= limits.max_value_bytes:
                vr, value, inner = raw_value(raw, charset)
                taken[tag] = text_of(vr, value, inner.order, inner.repertoire)
        return taken

    return patient_walk(source, start, ctx, limits, take)[0]


def declared_charset(data_set: Dataset, charset: bytes = b"") -> bytes:
    """The Specific Character Set of a data set, as encoded; `charset` if it declares none."""
    declared = data_set.get_item(CHARACTER_SET, keep_deferred=True)
    return declared.value or b"" if isinstance(declared, RawDataElement) else charset


def raw_value(raw: RawDataElement, charset: bytes) -> tuple[str, bytes, Context]:
    """VR, value and encoding of an element that is no sequence. Raises DATA_SET_TRUNCATED."""
    value = raw.value or b""
    if raw.length not in (len(value), UNDEFINED):
        raise truncated("an element")
    ctx = context(charset, raw.is_implicit_VR, "<" if raw.is_little_endian else ">")
    vr = raw.VR or implicit_vr(raw.tag)
    if raw.VR == "UN" and raw.length < 0xFFFF and implicit_vr(raw.tag) != "SQ":
        vr, ctx = implicit_vr(raw.tag), context(charset, True, "<")  # as the walk has it (PS3.5 6.2.2)
    return "US" if vr == US_OR_SS else vr if vr in ctx.renderers else "UN", value, ctx


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
        charset = declared_charset(data_set, charset)
        tags = [tag for tag in sorted(data_set.keys()) if tag.element]
        return [self._element(data_set, tag, charset, origin, depth) for tag in tags]

    def _element(self, data_set: Dataset, tag: BaseTag, charset: bytes, origin: int, depth: int) -> str:
        raw = data_set.get_item(tag, keep_deferred=True)  # else an empty one would be converted
        if not isinstance(raw, RawDataElement) or (raw.VR or implicit_vr(tag)) == "SQ":
            inner = origin + raw.value_tell if isinstance(raw, RawDataElement) else origin
            items = [
                "{" + ",".join(self.elements(item, charset, inner, depth + 1)) + "}" for item in data_set[tag].value
            ]
            body = ',"Value":[' + ",".join(items) + "]" if items else ""
            return f'"{tag:08X}":{{"vr":"SQ"{body}}}'
        vr, value, ctx = raw_value(raw, charset)
        if len(value) > (self._limits.inline_bytes if vr in BINARY else self._limits.max_value_bytes):
            return bulk(self._uri, tag, vr, origin + raw.value_tell, len(value))
        return rendered(tag, vr, value, ctx)
