"""Elements of our own, in the encoding of the data set they go into."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TypeAlias

from diana_common.dicom.context import Context
from diana_common.dicom.limits import over_limit
from diana_common.dicom.vr import LONG_VRS, implicit_vr

Tree: TypeAlias = "dict[int, bytes | tuple[Tree, ...]]"
"""A small data set: tag to value, or to the items of a sequence. Numbers are not for it: text has no byte order."""

Value: TypeAlias = "bytes | tuple[Tree, ...]"
"""What an element holds."""

_LONGEST = 0xFFFFFFFE
_SHORT = 128
"""Bytes of a value whose element is remembered: the instances of a study share most of theirs."""


def head(tag: int, vr: bytes, length: int, ctx: Context) -> bytes:
    """What precedes a value of `length` bytes. A value too long for its VR's 16-bit length is UN (PS3.5 6.2.2)."""
    if length > _LONGEST:
        raise over_limit("bytes of a value")
    group, number = tag >> 16, tag & 0xFFFF
    if ctx.implicit:
        return struct.pack(ctx.order + "HHI", group, number, length)
    if vr not in LONG_VRS and length > 0xFFFF:
        vr = b"UN"
    if vr in LONG_VRS:
        return struct.pack(ctx.order + "HH2sHI", group, number, vr, 0, length)
    return struct.pack(ctx.order + "HH2sH", group, number, vr, length)


def element(tag: int, value: Value, ctx: Context, vr: bytes = b"") -> bytes:
    """One element, padded to even length, with the VR of the dictionary, or this one of a private attribute."""
    if isinstance(value, tuple):
        value = b"".join(item(tree, ctx) for tree in value)
    return _short(tag, value, ctx, vr) if len(value) <= _SHORT else _element(tag, value, ctx, vr)


def _element(tag: int, value: bytes, ctx: Context, vr: bytes) -> bytes:
    vr = vr or implicit_vr(tag)[:2].encode()
    if len(value) % 2:
        value += b" " if vr not in (b"UI", b"OB", b"UN") else b"\0"
    return head(tag, vr, len(value), ctx) + value


_short = lru_cache(maxsize=8192)(_element)


def item(tree: Tree, ctx: Context) -> bytes:
    """One item of a sequence, of defined length."""
    content = b"".join(element(tag, value, ctx) for tag, value in sorted(tree.items()))
    return item_head(len(content), ctx) + content


def item_head(length: int, ctx: Context) -> bytes:
    """The item tag and its length."""
    if length > _LONGEST:
        raise over_limit("bytes of an item")
    return struct.pack(ctx.order + "HHI", 0xFFFE, 0xE000, length)
