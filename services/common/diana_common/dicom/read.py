"""From the windows of a source to a `Header`."""

from __future__ import annotations

import re
from bisect import insort
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar

from diana_common.dicom.context import Context, context
from diana_common.dicom.filemeta import DICOMDIR_SOP_CLASS, FileMeta, read_file_meta
from diana_common.dicom.fragments import find, ordered
from diana_common.dicom.limits import Limits, Odd, Short, truncated
from diana_common.dicom.source import HEAD, PIECE, InflatedSource, Source
from diana_common.dicom.vr import EXPLICIT_VRS
from diana_common.dicom.walk import Walker
from diana_common.errors import DianaError, Reason

IMPLICIT = frozenset({"1.2.840.10008.1.2", "1.2.840.113619.5.2"})
"""Implicit VR Little Endian, and GE's private form of it whose pixels are big endian."""
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
"""Syntaxes whose data set is deflated: Deflated Explicit VR Little Endian, JPIP (HTJ2K) Referenced Deflate."""

_UID_MEMBER = re.compile(r'"Value":\["([0-9.]{1,64})"\]\}')
_UID_TAGS = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)
_PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_FILE_META_LIMIT = 1024 * 1024

Found = TypeVar("Found", contravariant=True)


class Reader(Protocol[Found]):
    """What walks a data set seen through a window: `buffer`, whose first byte is at offset `base`.

    `Short` says that the window ends inside the element at `at`: show a later window and walk on from there.
    """

    buffer: bytes
    base: int
    at: int
    context: Context

    def elements(self, found: Found, pos: int, end: int, ctx: Context) -> int:
        """Add the elements from `pos` on to `found`; return where they end, at or past `end`, or where to stop."""


@dataclass(frozen=True, slots=True)
class Header:
    """What one pass over a Part 10 file's header gives.

    Offsets are bytes from the start of the file; `pixel_offset` and `header_end` of a deflated file count in
    its inflated data set instead.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str
    transfer_syntax_uid: str
    data_set_offset: int
    """The first byte after File Meta Information."""
    header_end: int
    """The first byte that is not in the header: where the pixel element or what else follows starts, or the end."""
    pixel_offset: int | None
    """Where the element of (Float, Double Float) Pixel Data starts; None without one."""
    dicom_json: bytes
    """The header as DICOM JSON (PS3.18 Annex F), UTF-8, ascending tags.

    Binary values over 1 KiB are `"BulkDataURI":"range:OFFSET-LENGTH"` into the file (`deflated-range:` into the
    inflated data set), in the file's byte order. Available Transfer Syntax UID (0008,3002) is the file's own.
    """


def read_from(source: Source, limits: Limits) -> Header:
    """Read File Meta and header; errors as `diana_common.header.scan`."""
    meta = file_meta(source)
    syntax = meta.transfer_syntax_uid
    fragments, end, tag = _read(source, meta, limits)
    uids = [_uid(fragments, uid_tag) for uid_tag in _UID_TAGS]
    if uids[0] == DICOMDIR_SOP_CLASS:
        raise DianaError(Reason.DICOMDIR_REFUSED, "the data set is a DICOMDIR")
    return Header(
        sop_class_uid=uids[0],
        sop_instance_uid=uids[1],
        study_uid=uids[2],
        series_uid=uids[3],
        transfer_syntax_uid=syntax,
        data_set_offset=meta.offset,
        header_end=end,
        pixel_offset=end if tag in _PIXEL_TAGS else None,
        dicom_json=_with_syntax(fragments, syntax).encode("utf-8", "replace"),
    )


def read_data_set(source: Source, meta: FileMeta, limits: Limits) -> bytes:
    """The DICOM JSON of any data set, with UIDs or without; errors as `diana_common.header.scan_data_set`."""
    fragments, _, _ = _read(source, meta, limits)
    return ("{" + ",".join(fragments) + "}").encode("utf-8", "replace")


def file_meta(source: Source) -> FileMeta:
    """File Meta, of whatever length. Raises NOT_PART10, FILE_META_INVALID, DICOMDIR_REFUSED."""
    size = HEAD
    while True:
        buffer, _ = source.window(0, size)
        meta = read_file_meta(buffer, complete=source.ends_before(size + 1) or size >= _FILE_META_LIMIT)
        if meta is not None:
            return meta
        size *= 8


def data_set_source(source: Source, meta: FileMeta, limits: Limits) -> tuple[Source, int]:
    """Where the windows onto the data set come from, and where it starts there."""
    if meta.transfer_syntax_uid in DEFLATED:
        return InflatedSource(source, meta.offset, limits, limits.max_header_bytes), 0
    return source, meta.offset


def read_elements(source: Source, start: int, walker: Reader[Found], found: Found) -> tuple[int, int]:
    """Have `walker` add to `found`, window by window; where it stopped, and the tag found there (0 at the end)."""
    size, pos = max(HEAD - start, HEAD // 2), start
    while True:
        walker.buffer, walker.base = source.window(pos, size)
        edge = walker.base + len(walker.buffer)
        try:
            ended = walker.elements(found, pos - walker.base, len(walker.buffer), walker.context) + walker.base
        except Short as short:
            stuck = walker.at + walker.base
            if _only_padding(source, walker, stuck):
                return stuck, 0
            if source.ends_before(max(edge + 1, stuck + short.need)):
                raise _cut_off(walker) from None
            size, pos = max(short.need, size * 8 if stuck == pos else PIECE), stuck
            continue
        if ended < edge:
            return ended, _tag_at(walker, ended - walker.base)
        source.window(ended, 0)
        if source.ends_before(ended):
            raise truncated("an element")
        if source.ends_before(ended + 1):
            return ended, 0
        size, pos = PIECE, ended


def first_context(source: Source, start: int, syntax: str) -> Context:
    """The encoding the syntax names, unless the first element plainly has the other VR encoding."""
    buffer, base = source.window(start, 8)
    return encoding(syntax, buffer[start - base + 4 : start - base + 6])


@lru_cache(maxsize=256)
def encoding(syntax: str, vr: bytes) -> Context:
    """See `first_context`; `vr` are the bytes where the first element has its VR if it has one."""
    implicit = syntax in IMPLICIT
    if implicit and vr in EXPLICIT_VRS:
        implicit = False
    elif not implicit and vr and syntax != BIG_ENDIAN and not vr.isalpha():
        implicit = True
    return context(b"", implicit, ">" if syntax == BIG_ENDIAN else "<")


def _read(file: Source, meta: FileMeta, limits: Limits) -> tuple[list[str], int, int]:
    """The header's elements ascending, where it ends, and the tag found there (0 at the end of the data)."""
    source, start = data_set_source(file, meta, limits)
    uri = "deflated-range" if meta.transfer_syntax_uid in DEFLATED else "range"
    ctx = first_context(source, start, meta.transfer_syntax_uid)
    fragments: list[str] = []
    try:
        end, tag = read_elements(source, start, Walker(uri, limits, ctx), fragments)
    except Odd:
        from diana_common.dicom.fallback import patient_read  # pydicom with it: most files need it never

        source, start = data_set_source(file, meta, limits)
        fragments, end, tag = patient_read(source, uri, start, ctx, limits)
    return ordered(fragments), end, tag


def _only_padding(source: Source, walker: Reader[Found], stuck: int) -> bool:
    """Whether nothing but a few zero bytes is left."""
    rest = walker.buffer[walker.at : walker.at + 8]
    return len(rest) < 8 and source.ends_before(stuck + 8) and not any(rest)


def _tag_at(walker: Reader[Found], pos: int) -> int:
    group, element = walker.context.item(walker.buffer, pos)[:2]
    tag: int = group << 16 | element
    if group == 0xFFFE:
        raise Odd
    return tag


def _cut_off(walker: Reader[Found]) -> DianaError:
    error = truncated("an element")
    if walker.at + 8 <= len(walker.buffer):
        group, element = walker.context.item(walker.buffer, walker.at)[:2]
        error.metadata["tag"] = f"{group:04X}{element:04X}"
    return error


def _uid(fragments: list[str], tag: int) -> str:
    fragment = find(fragments, tag)
    if '"Value"' not in fragment and '"InlineBinary"' not in fragment and '"BulkDataURI"' not in fragment:
        raise DianaError(Reason.UID_MISSING, "a required UID is missing or empty", metadata={"tag": f"{tag:08X}"})
    match = _UID_MEMBER.search(fragment)
    if match is None:
        raise DianaError(
            Reason.UID_INVALID, "a required UID is not one of 1 to 64 digits and dots", metadata={"tag": f"{tag:08X}"}
        )
    return match.group(1)


def _with_syntax(fragments: list[str], syntax: str) -> str:
    """The JSON object, its Available Transfer Syntax UID being the file's."""
    theirs = find(fragments, 0x00083002)
    if theirs:
        fragments.remove(theirs)
    insort(fragments, f'"00083002":{{"vr":"UI","Value":["{syntax}"]}}')
    return "{" + ",".join(fragments) + "}"
