"""Fragments: the text of one element in DICOM JSON (PS3.18 Annex F), `"GGGGEEEE":{"vr":...}`."""

from __future__ import annotations

from bisect import bisect_left
from operator import ge

from diana_common.dicom.context import Context
from diana_common.dicom.limits import Odd
from diana_common.dicom.render import BadLength, inline_binary


def joined(fragments: list[str]) -> str:
    """Elements as a JSON object."""
    return "{" + ",".join(ordered(fragments)) + "}"


def ordered(fragments: list[str]) -> list[str]:
    """The elements ascending, each tag once, the last of its kind (as pydicom reads them)."""
    keys = [fragment[1:9] for fragment in fragments]
    if any(map(ge, keys, keys[1:])):
        by_key = dict(zip(keys, fragments, strict=True))
        return [by_key[key] for key in sorted(by_key)]
    return fragments


def bulk(uri: str, tag: int, vr: str, offset: int, length: int) -> str:
    """An element whose value stays in the file."""
    return f'"{tag:08X}":{{"vr":"{vr}","BulkDataURI":"{uri}:{offset}-{length}"}}'


def rendered(tag: int, vr: str, data: bytes, ctx: Context) -> str:
    """An element by its value's bytes; UN if they do not fit its VR. Raises Odd on a VR that is none."""
    renderer = ctx.renderers.get(vr)
    if renderer is None:
        raise Odd
    try:
        return f'"{tag:08X}":{{"vr":"{vr}"{renderer(data, ctx.repertoire)}}}'
    except BadLength:
        return f'"{tag:08X}":{{"vr":"UN"{inline_binary(data)}}}'


def find(fragments: list[str], tag: int) -> str:
    """The fragment of `tag`, empty if there is none (or the elements are out of order)."""
    key = f'"{tag:08X}"'
    index = bisect_left(fragments, key)
    return fragments[index] if index < len(fragments) and fragments[index].startswith(key) else ""


def text_of(fragments: list[str], tag: int) -> str:
    """The first string of an element's Value."""
    text = find(fragments, tag).partition('"Value":["')[2]
    return text.partition('"')[0]
