"""De-identification of one object: its bytes in, the bytes of a new Part 10 file out.

Pixels stay bit for bit, unless they were cleaned before and are handed in. An encapsulated document (0042,0011) has no
option that cleans it: Table E.1-1 has it replaced by a dummy.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import cast

from diana_anon.core.pixels.model import CleanedPixels
from diana_anon.core.planning.level import Level
from diana_anon.core.planning.plan import IDENTITY, METHOD_TAGS, Kind, Method, Plan
from diana_anon.core.planning.rules import ACTIONS
from diana_anon.core.planning.tables import Option
from diana_anon.core.rewriting import encode, pixel_value
from diana_anon.core.rewriting.actions import ActionLog
from diana_anon.core.rewriting.content import IDENTIFIER
from diana_anon.core.rewriting.elements import PIXEL_DATA, Element, Reader, find
from diana_anon.core.rewriting.limits import ENGINE_LIMITS, EngineLimits
from diana_anon.core.rewriting.method import method_entries
from diana_anon.core.rewriting.part10 import deflated, file_head, inflated
from diana_anon.core.rewriting.pieces import Part, joined
from diana_anon.core.rewriting.retext import TextCleaner
from diana_anon.core.rewriting.rewrite import Rewriter, ascending
from diana_anon.core.rewriting.treat import Identity, Treatment
from diana_anon.core.rewriting.uids import Pseudonyms
from diana_common.dicom.context import Context
from diana_common.dicom.filemeta import DICOMDIR_SOP_CLASS, FileMeta, read_file_meta
from diana_common.dicom.limits import Odd, Short, invalid, truncated
from diana_common.dicom.read import DEFLATED, first_context
from diana_common.dicom.source import WholeSource
from diana_common.errors import DianaError, Reason
from diana_common.tags import tag_hex
from diana_common.uid import is_uid

__all__ = ["Contents", "Deidentified", "Identity", "Pseudonyms", "TextCleaner", "deidentify"]

Contents = bytes | mmap.mmap
"""An object's bytes, all there."""

_FILE_META_USUAL = 4096
_PIECE = 1024 * 1024
_SOP_CLASS = 0x00080016
_SEQUENCES = (b"SQ", b"UN", b"")
"""The VRs that elements with items are encoded in."""
_UID_TAGS = (_SOP_CLASS, 0x00080018, 0x0020000D, 0x0020000E)


@dataclass(frozen=True, slots=True)
class Deidentified:
    """A new object. The `pieces` in a row are its file; some are views of the source, which must outlive them.

    `methods` are the codes it says it was de-identified with.
    """

    pieces: list[bytes | memoryview] = field(repr=False)
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    methods: tuple[Method, ...]


def deidentify(
    source: Contents,
    plan: Plan,
    identity: Identity,
    pseudonyms: Pseudonyms,
    *,
    cleaner: TextCleaner | None = None,
    pixels: CleanedPixels | None = None,
    log: ActionLog | None = None,
    limits: EngineLimits = ENGINE_LIMITS,
) -> Deidentified:
    """Rewrite one Part 10 file by a plan (`Plan.for_object`); the same arguments give the same bytes.

    Without a `cleaner`, text that an option would have cleaned is treated as the Basic Profile has it. Without
    `pixels`, Pixel Data stays as it is, and the object does not say that they were cleaned. `log` is told what is done.

    Raises DianaError: NOT_PART10, FILE_META_INVALID, DICOMDIR_REFUSED, DATA_SET_TRUNCATED, DATA_SET_INVALID,
    DATA_SET_LIMIT, UID_MISSING, UID_INVALID as the header scan does; NOT_DEIDENTIFIABLE when the data set's
    encoding leaves in doubt what its bytes mean; what `pseudonyms` and `cleaner` raise.
    """
    buffer = cast(bytes, source)  # a map is sliced and unpacked exactly as bytes are
    syntax, start = _file_meta(buffer)
    if syntax in DEFLATED:
        buffer, start = inflated(memoryview(source)[start:], limits), 0
    ctx = first_context(WholeSource(buffer), start, syntax)
    reader = Reader(buffer, limits)
    treatment = Treatment(reader, plan.profile, identity, pseudonyms, cleaner, limits)
    methods = tuple(one for one in plan.methods if pixels is not None or one.value != Option.CLEAN_PIXEL_DATA.value)
    try:
        elements = _elements(reader, start, ctx)
        entries, uids = _rewritten(reader, elements, plan, treatment, methods, pseudonyms, log, ctx)
    except Short:
        raise truncated("an element") from None
    except Odd:
        text = "the data set is encoded in a way that leaves its meaning in doubt"
        raise DianaError(Reason.NOT_DEIDENTIFIABLE, text) from None
    if pixels is not None:
        pixel_value.lay(pixels, entries, ctx)
    return _deidentified(entries, uids, pixels.transfer_syntax_uid if pixels else syntax, methods, buffer)


def _rewritten(
    reader: Reader,
    elements: Sequence[Element],
    plan: Plan,
    treatment: Treatment,
    methods: tuple[Method, ...],
    pseudonyms: Pseudonyms,
    log: ActionLog | None,
    ctx: Context,
) -> tuple[dict[int, list[Part]], list[str]]:
    """The elements of the new data set by tag, and its four UIDs."""
    old = _uids(reader.buffer, elements)
    level = plan.level(old[0])
    treatment.start(elements, level)
    by_reference = bool(plan.structured) and _by_reference(reader.buffer, elements, ctx)
    known = pseudonyms.outcomes(plan, old[0], ctx, by_reference, log is None, *treatment.scope())
    rewriter = Rewriter(reader, plan, treatment, known, log, by_reference)
    entries = dict(rewriter.entries(elements, level, ctx))
    if log is not None:
        log.replaced(METHOD_TAGS)
    entries.update(method_entries(rewriter, methods, elements, level, ctx))
    kept = (level[tag].kind is Kind.KEEP for tag in _UID_TAGS)
    uids = [uid if keep else pseudonyms.uid(uid) for uid, keep in zip(old, kept, strict=True)]
    _certain(entries, uids, treatment, level, ctx, log)
    return entries, uids


def _certain(
    entries: dict[int, list[Part]],
    uids: list[str],
    treatment: Treatment,
    level: Level,
    ctx: Context,
    log: ActionLog | None,
) -> None:
    """What every object has: the new patient's attributes, and the UIDs, whose elements may have had a wrong VR."""
    for tag in IDENTITY:
        if tag not in entries and (given := treatment.given(level[tag].kind)) is not None:
            new, kind = given
            entries[tag] = [encode.element(tag, new, ctx)]
            if log is not None:
                log.add(tag, ACTIONS[kind])
    for tag, uid in zip(_UID_TAGS, uids, strict=True):
        if tag not in entries:
            entries[tag] = [encode.element(tag, uid.encode(), ctx)]


def _deidentified(
    entries: dict[int, list[Part]], uids: list[str], syntax: str, methods: tuple[Method, ...], buffer: bytes
) -> Deidentified:
    pieces = joined(chain.from_iterable(map(entries.__getitem__, sorted(entries))), memoryview(buffer))
    sop_class, sop_instance, study, series = uids
    return Deidentified(
        pieces=[file_head(sop_class, sop_instance, syntax), *(deflated(pieces) if syntax in DEFLATED else pieces)],
        study_uid=study,
        series_uid=series,
        sop_instance_uid=sop_instance,
        sop_class_uid=sop_class,
        transfer_syntax_uid=syntax,
        methods=methods,
    )


def _by_reference(buffer: bytes, elements: Sequence[Element], ctx: Context) -> bool:
    """Whether content items may refer to others by position: none of them can go then."""
    sought = struct.pack(ctx.order + "HH", IDENTIFIER >> 16, IDENTIFIER & 0xFFFF)
    may_hold = (one for one in elements if one.vr in _SEQUENCES and one.tag != PIXEL_DATA)
    return any(buffer.find(sought, one.start, one.end) >= 0 for one in may_hold)


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


def _uids(buffer: bytes, elements: Sequence[Element]) -> list[str]:
    """SOP Class, SOP Instance, Study Instance and Series Instance UID of the source."""
    found = [(tag, find(elements, tag)) for tag in _UID_TAGS]
    uids = [_uid(tag, buffer[element.start : element.end] if element else b"") for tag, element in found]
    if uids[0] == DICOMDIR_SOP_CLASS:
        raise DianaError(Reason.DICOMDIR_REFUSED, "the data set is a DICOMDIR")
    return uids


@lru_cache(maxsize=4096)
def _uid(tag: int, raw: bytes) -> str:
    uid = raw.decode("latin_1").rstrip("\0 ")
    metadata = {"tag": tag_hex(tag)}
    if not uid:
        raise DianaError(Reason.UID_MISSING, "a required UID is missing or empty", metadata=metadata)
    if not is_uid(uid):
        raise DianaError(Reason.UID_INVALID, "a required UID is not one of 1 to 64 digits and dots", metadata=metadata)
    return uid
