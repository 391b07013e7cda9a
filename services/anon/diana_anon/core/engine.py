"""De-identification of one object: its bytes in, the bytes of a new Part 10 file out. Pixels are never touched."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from diana_anon.core import encode
from diana_anon.core.elements import Element, Reader
from diana_anon.core.method import method_entries
from diana_anon.core.part10 import deflated, file_head, inflated
from diana_anon.core.pieces import Part, joined
from diana_anon.core.plan import Plan
from diana_anon.core.rewrite import Identity, Rewriter, ascending
from diana_anon.core.uids import UidMapper, mapped
from diana_common.dicom.context import Context
from diana_common.dicom.filemeta import DICOMDIR_SOP_CLASS, FileMeta, read_file_meta
from diana_common.dicom.limits import DEFAULT_LIMITS, Limits, Odd, Short, invalid, truncated
from diana_common.dicom.read import DEFLATED, first_context
from diana_common.dicom.source import WholeSource
from diana_common.errors import DianaError, Reason
from diana_common.tags import tag_hex
from diana_common.uid import is_uid

__all__ = ["Contents", "Deidentified", "Identity", "UidMapper", "deidentify"]

Contents = bytes | mmap.mmap
"""An object's bytes, all there."""

_FILE_META_USUAL = 4096
_PIECE = 1024 * 1024
_UID_TAGS = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)


@dataclass(frozen=True, slots=True)
class Deidentified:
    """A new object. The `pieces` in a row are its file; some are views of the source, which must outlive them."""

    pieces: list[bytes | memoryview] = field(repr=False)
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str


def deidentify(
    source: Contents, plan: Plan, identity: Identity, map_uid: UidMapper, limits: Limits = DEFAULT_LIMITS
) -> Deidentified:
    """Rewrite one Part 10 file by a plan; the same source, plan, identity and mapper give the same bytes.

    Raises DianaError: NOT_PART10, FILE_META_INVALID, DICOMDIR_REFUSED, DATA_SET_TRUNCATED, DATA_SET_INVALID,
    DATA_SET_LIMIT, UID_MISSING, UID_INVALID as the header scan does; NOT_DEIDENTIFIABLE when the data set's
    encoding leaves in doubt what its bytes mean; what `map_uid` raises.
    """
    buffer = cast(bytes, source)  # a map is sliced and unpacked exactly as bytes are
    syntax, start = _file_meta(buffer)
    if syntax in DEFLATED:
        buffer, start = inflated(memoryview(source)[start:], limits), 0
    ctx = first_context(WholeSource(buffer), start, syntax)
    reader = Reader(buffer, limits)
    try:
        elements = _elements(reader, start, ctx)
        sop_class, *old = _uids(buffer, elements)
        parts = _data_set(Rewriter(reader, plan, sop_class, identity, map_uid), elements, sop_class, ctx)
    except Short:
        raise truncated("an element") from None
    except Odd:
        raise DianaError(
            Reason.NOT_DEIDENTIFIABLE, "the data set is encoded in a way that leaves its meaning in doubt"
        ) from None
    pieces = joined(parts, memoryview(buffer))
    sop_instance, study, series = (mapped(uid, map_uid) for uid in old)
    return Deidentified(
        pieces=[file_head(sop_class, sop_instance, syntax), *(deflated(pieces) if syntax in DEFLATED else pieces)],
        study_uid=study,
        series_uid=series,
        sop_instance_uid=sop_instance,
        sop_class_uid=sop_class,
        transfer_syntax_uid=syntax,
    )


def _file_meta(buffer: bytes) -> FileMeta:
    """The transfer syntax and where the data set starts, from no more of the file than it takes."""
    head = buffer[:_FILE_META_USUAL]
    meta = read_file_meta(head, complete=len(head) == len(buffer))
    if meta is None:
        meta = read_file_meta(buffer[:_PIECE], complete=True)
    if meta is None:
        raise truncated("File Meta Information")
    return meta


def _elements(reader: Reader, start: int, ctx: Context) -> Sequence[Element]:
    """The elements at the top, ascending; only zero bytes may follow them."""
    end = len(reader.buffer)
    elements, pos = reader.elements(start, end, ctx)
    while pos < end:
        piece = reader.buffer[pos : pos + _PIECE]
        if any(piece):
            raise invalid("bytes that are no element follow the data set")
        pos += len(piece)
    return ascending(elements)


def _data_set(rewriter: Rewriter, elements: Sequence[Element], sop_class: str, ctx: Context) -> list[Part]:
    """The parts of the new data set: what the rules leave of the old one, the identity and the method."""
    entries = dict(rewriter.entries(elements, (), ctx))
    # Written by us, since the old element may be in a VR by which the rules drop it.
    entries[_UID_TAGS[0]] = [encode.element(_UID_TAGS[0], sop_class.encode(), ctx)]
    entries.update(rewriter.identity_entries(ctx))
    entries.update(method_entries(rewriter, elements, ctx))
    return [part for tag in sorted(entries) for part in entries[tag]]


def _uids(buffer: bytes, elements: Sequence[Element]) -> list[str]:
    """SOP Class, SOP Instance, Study Instance and Series Instance UID of the source."""
    found = {element.tag: buffer[element.start : element.end] for element in elements if element.tag in _UID_TAGS}
    uids = [_uid(tag, found.get(tag, b"")) for tag in _UID_TAGS]
    if uids[0] == DICOMDIR_SOP_CLASS:
        raise DianaError(Reason.DICOMDIR_REFUSED, "the data set is a DICOMDIR")
    return uids


def _uid(tag: int, raw: bytes) -> str:
    uid = raw.decode("latin_1").rstrip("\0 ")
    metadata = {"tag": tag_hex(tag)}
    if not uid:
        raise DianaError(Reason.UID_MISSING, "a required UID is missing or empty", metadata=metadata)
    if not is_uid(uid):
        raise DianaError(Reason.UID_INVALID, "a required UID is not one of 1 to 64 digits and dots", metadata=metadata)
    return uid
