"""What the new object says of its own de-identification (PS3.15 section E.1.1, PS3.3 C.12.1.1.7 and C.7.1.1)."""

from __future__ import annotations

from collections.abc import Sequence

from diana_anon.core import encode
from diana_anon.core.elements import Element
from diana_anon.core.pieces import Part, size
from diana_anon.core.plan import Method
from diana_anon.core.rewrite import Entry, Rewriter
from diana_common.dicom.context import Context

IDENTITY_REMOVED, METHOD, CODES, DATES_MODIFIED = 0x00120062, 0x00120063, 0x00120064, 0x00280303
_CODE_VALUE, _SCHEME, _MEANING = 0x00080100, 0x00080102, 0x00080104
_DCM = b"DCM"


def method_entries(rewriter: Rewriter, elements: Sequence[Element], ctx: Context) -> list[Entry]:
    """The flags, the method and its codes. Codes of an earlier de-identification stay; its free text does not."""
    plan = rewriter.plan
    dates = b"MODIFIED" if plan.profile.shifts_dates else b"REMOVED"
    values = {IDENTITY_REMOVED: b"YES", METHOD: plan.description.encode(), DATES_MODIFIED: dates}
    entries: list[Entry] = [(tag, [encode.element(tag, value, ctx)]) for tag, value in values.items()]
    return [*entries, (CODES, _codes(rewriter, elements, ctx))]


def _codes(rewriter: Rewriter, elements: Sequence[Element], ctx: Context) -> list[Part]:
    """The code sequence: what is there, then those of the plan's codes that are not."""
    parts: list[Part] = []
    known: set[bytes] = set()
    for element in elements:
        if element.tag == CODES and element.vr in (b"", b"SQ"):
            items, _ = rewriter.reader.items(element, 0)
            known = {code for item in items for code in _dcm_codes(rewriter, item)}
            parts = rewriter.items(items, (CODES,), ctx, 0)
    new = [_item(method) for method in rewriter.plan.methods if method.value.encode() not in known]
    parts += [encode.item(tree, ctx) for tree in new]
    return [encode.head(CODES, b"SQ", size(parts), ctx), *parts]


def _dcm_codes(rewriter: Rewriter, item: Sequence[Element]) -> list[bytes]:
    values = {element.tag: rewriter.value(element).strip(b"\0 ") for element in item}
    return [values.get(_CODE_VALUE, b"")] if values.get(_SCHEME) == _DCM else []


def _item(method: Method) -> encode.Tree:
    return {_CODE_VALUE: method.value.encode(), _SCHEME: _DCM, _MEANING: method.meaning.encode()}
