"""What the new object says of its own de-identification (PS3.15 section E.1.1, PS3.3 C.12.1.1.7 and C.7.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from diana_anon.core.planning.level import Level
from diana_anon.core.planning.options import Method, description
from diana_anon.core.rewriting import encode
from diana_anon.core.rewriting.elements import Element, find
from diana_anon.core.rewriting.pieces import Part, size
from diana_anon.core.rewriting.rewrite import Entry, Rewriter
from diana_common.dicom.context import Context

IDENTITY_REMOVED, METHOD, CODES, DATES_MODIFIED = 0x00120062, 0x00120063, 0x00120064, 0x00280303
_CODE_VALUE, _SCHEME, _MEANING = 0x00080100, 0x00080102, 0x00080104
_DCM = b"DCM"


def method_entries(
    rewriter: Rewriter, methods: tuple[Method, ...], elements: Sequence[Element], level: Level, ctx: Context
) -> list[Entry]:
    """The flags, the method and its codes. Codes of an earlier de-identification stay; its free text does not."""
    plan = rewriter.plan
    entries = _flags(plan.removes_identity, plan.temporal_information, methods, ctx)
    return [*entries, (CODES, _codes(rewriter, methods, elements, level, ctx))]


@lru_cache(maxsize=64)
def _flags(removes_identity: bool, temporal_information: str, methods: tuple[Method, ...], ctx: Context) -> list[Entry]:
    values = {
        IDENTITY_REMOVED: b"YES" if removes_identity else b"NO",
        METHOD: description(methods).encode(),
        DATES_MODIFIED: temporal_information.encode(),
    }
    return [(tag, [encode.element(tag, value, ctx)]) for tag, value in values.items()]


def _codes(
    rewriter: Rewriter, methods: tuple[Method, ...], elements: Sequence[Element], level: Level, ctx: Context
) -> list[Part]:
    """The code sequence: what is there, then those of the methods' codes that are not."""
    parts: list[Part] = []
    known: set[bytes] = set()
    element = find(elements, CODES)
    if element is not None and element.vr in (b"", b"SQ"):
        items, _ = rewriter.reader.items(element, 0)
        known = {code for item in items for code in _dcm_codes(rewriter, item)}
        parts = rewriter.items(CODES, items, level.into(CODES), ctx, 0)
    parts += _items(tuple(method for method in methods if method.value.encode() not in known), ctx)
    return [encode.head(CODES, b"SQ", size(parts), ctx), *parts]


def _dcm_codes(rewriter: Rewriter, item: Sequence[Element]) -> list[bytes]:
    values = {element.tag: rewriter.value(element).strip(b"\0 ") for element in item}
    return [values.get(_CODE_VALUE, b"")] if values.get(_SCHEME) == _DCM else []


@lru_cache(maxsize=64)
def _items(methods: tuple[Method, ...], ctx: Context) -> list[bytes]:
    trees: list[encode.Tree] = [
        {_CODE_VALUE: one.value.encode(), _SCHEME: _DCM, _MEANING: one.meaning.encode()} for one in methods
    ]
    return [encode.item(tree, ctx) for tree in trees]
