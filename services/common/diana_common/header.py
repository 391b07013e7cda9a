"""The header scan: one pass over a Part 10 file's elements up to its pixels, giving identity and DICOM JSON.

`scan` reads the header of a complete file in memory, `read_header` that of a file on disk without its pixels,
`check_complete` walks what follows the header. `scan_data_set` reads what is no instance: an identifier, a worklist
item. `TagScan` reads the text of chosen tags only, and is faster. All are
pure functions of bytes, and bounded on hostile ones.
"""

from __future__ import annotations

import os
from pathlib import Path

from diana_common.dicom.complete import check_source
from diana_common.dicom.filemeta import FileMeta
from diana_common.dicom.limits import DEFAULT_LIMITS, Limits
from diana_common.dicom.read import Header, file_meta, read_data_set, read_from
from diana_common.dicom.source import Buffer, ReadSource, buffer_source
from diana_common.dicom.tagscan import TagScan, Values

__all__ = [
    "DEFAULT_LIMITS",
    "Header",
    "Limits",
    "TagScan",
    "Values",
    "check_complete",
    "read_header",
    "scan",
    "scan_data_set",
    "scan_elements",
]


def scan(buffer: Buffer, limits: Limits = DEFAULT_LIMITS) -> Header:
    """The header of one complete Part 10 file.

    Raises DianaError: NOT_PART10, FILE_META_INVALID, DICOMDIR_REFUSED, DATA_SET_TRUNCATED, DATA_SET_INVALID,
    DATA_SET_LIMIT, UID_MISSING, UID_INVALID; its metadata may name a `tag`.
    """
    return read_from(buffer_source(buffer, limits), limits)


def read_header(path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> Header:
    """The header of a file on disk, of which no more is read than that; errors as `scan`, and OSError."""
    descriptor = os.open(Path(path), os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        return read_from(ReadSource(lambda offset, count: os.pread(descriptor, count, offset), size, limits), limits)
    finally:
        os.close(descriptor)


def scan_data_set(data: Buffer, transfer_syntax_uid: str, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The DICOM JSON (PS3.18 Annex F), UTF-8, ascending tags, of a data set without File Meta Information.

    Raises DianaError: DATA_SET_TRUNCATED, DATA_SET_INVALID, DATA_SET_LIMIT. Pixels and what follows are left out.
    """
    return read_data_set(buffer_source(data, limits), FileMeta(transfer_syntax_uid, 0), limits)


def scan_elements(buffer: Buffer, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """As `scan_data_set`, of a Part 10 file, which may be no instance of any study.

    Raises NOT_PART10, FILE_META_INVALID, DICOMDIR_REFUSED too.
    """
    source = buffer_source(buffer, limits)
    return read_data_set(source, file_meta(source), limits)


def check_complete(buffer: Buffer, header: Header, limits: Limits = DEFAULT_LIMITS) -> None:
    """Walk what follows the header: pixels, later elements, padding; O(1) when native pixels come last.

    Raises DATA_SET_TRUNCATED, DATA_SET_INVALID, DATA_SET_LIMIT. A deflated data set is inflated to its end,
    piece by piece, and discarded.
    """
    check_source(buffer_source(buffer, limits), header, limits)
