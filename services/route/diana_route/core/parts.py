"""What a file's instances say of themselves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from diana_common import header
from diana_common.conditions import Header
from diana_common.dicom.read import read_from
from diana_common.dicom.source import ReadSource
from diana_common.errors import DianaError, Reason
from diana_route.core.files import Folder, Part, Reader
from diana_route.core.model import FileItem

_PIECE = 1024 * 1024
_MOST_SERIES = 100


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance as the archive tells it from others."""

    study_uid: str
    sop_instance_uid: str
    data_set_sha256: bytes


def read_part(part: Part) -> header.Header:
    """A part's header; errors as `diana_common.header.scan`, and what its reader raises."""
    if isinstance(part.content, bytes):
        return header.scan(part.content)
    with closing(_opened(part.content)) as reader:
        return _read(reader, part.size)


def dicom_json(found: header.Header) -> Header:
    """A header as conditions ask it."""
    parsed: Header = json.loads(found.dicom_json)
    return parsed


def identify(part: Part) -> Instance:
    """What a part is, by its content; errors as `read_part`."""
    found = read_part(part)
    digest = hashlib.sha256()
    if isinstance(part.content, bytes):
        digest.update(memoryview(part.content)[found.data_set_offset :])
        return Instance(found.study_uid, found.sop_instance_uid, digest.digest())
    with closing(_opened(part.content)) as reader:
        reader.seek(found.data_set_offset)
        while piece := reader.read(_PIECE):
            digest.update(piece)
    return Instance(found.study_uid, found.sop_instance_uid, digest.digest())


def headers(folder: Folder, item: FileItem) -> Iterator[Header]:
    """The header of a file, or of one instance of each series in a zip; what has none is passed over.

    Raises what `Folder.parts` raises.
    """
    known: set[str] = set()
    for part in folder.parts(item):
        try:
            found = read_part(part)
        except DianaError:
            continue
        if found.series_uid not in known:
            known.add(found.series_uid)
            yield dicom_json(found)
        if len(known) == _MOST_SERIES:
            return


def _read(reader: Reader, size: int) -> header.Header:
    def read(offset: int, count: int) -> bytes:
        reader.seek(offset)
        pieces = []
        while count > 0 and (piece := reader.read(count)):
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    return read_from(ReadSource(read, size, header.DEFAULT_LIMITS), header.DEFAULT_LIMITS)


def _opened(content: bytes | Callable[[], Reader] | DianaError | None) -> Reader:
    if isinstance(content, DianaError):
        raise content
    if content is None or isinstance(content, bytes):
        raise DianaError(Reason.NOT_PART10, "It is no instance.")
    return content()
