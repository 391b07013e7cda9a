"""The scan of chosen tags: what an index of files needs of each, and nothing more of it is read or decoded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import IO

from diana_common.dicom.context import Context, context
from diana_common.dicom.filemeta import DICOMDIR_SOP_CLASS, file_meta_elements
from diana_common.dicom.limits import DEFAULT_LIMITS, Limits, Odd, Short
from diana_common.dicom.pick import Picker, Plan, Row, needs
from diana_common.dicom.read import DEFLATED, data_set_source, encoding, file_meta, first_context, read_elements
from diana_common.dicom.source import Buffer, ReadSource, Source, buffer_source
from diana_common.dicom.text import text_of
from diana_common.dicom.vr import implicit_vr
from diana_common.dicom.walk import CHARACTER_SET, HEADER_END
from diana_common.errors import DianaError, invalid_field

Values = tuple[str | None, ...]

_MEDIA_SOP_CLASS, _TRANSFER_SYNTAX = 0x00020002, 0x00020010
_META_CONTEXT = context(b"", False, "<")
_META_START = 132
_HEAD = 8 * 1024
"""What is read of a file: the wanted tags of most lie within."""


class TagScan:
    """Reads the values of chosen tags, of File Meta Information and the top level of the data set.

    Made once for many files: it remembers what they have in common. Threads may share it.

    A value is the text that DICOM JSON has too: several joined by a backslash, names with ^ and =, padding gone,
    decoded by the file's character set; numbers of DS and IS as written; `""` if empty. None stands for an absent
    element and for one without text: binary, a sequence, longer than `Limits.max_value_bytes`.

    Reading stops at the first tag above the greatest wanted. An element that comes late, against PS3.5 7.1, is only
    seen if a wanted one tells that the order is broken.
    """

    def __init__(self, tags: Iterable[int], limits: Limits = DEFAULT_LIMITS) -> None:
        """Raises INVALID_FIELD for a tag that can't be in a header: of groups 0000 and 0001, of pixels and above."""
        self.tags = tuple(tags)
        if not all(0x00020000 < tag < HEADER_END for tag in self.tags):
            raise invalid_field("tags", "are from group 0002 up to the pixels (7FE0)")
        self._limits = limits
        last = max(self.tags, default=0)
        hidden = {needs(tag) or tag for tag in self.tags} | {_MEDIA_SOP_CLASS, _TRANSFER_SYNTAX}
        if last > CHARACTER_SET:
            hidden.add(CHARACTER_SET)
        columns = {tag: column for column, tag in enumerate(sorted(hidden.union(self.tags)))}
        self._width = len(columns) + 1
        self._order = [columns[tag] for tag in self.tags]
        self._syntax, self._media = columns[_TRANSFER_SYNTAX], columns[_MEDIA_SOP_CLASS]
        meta = {tag: column for tag, column in columns.items() if tag < 0x00030000}
        self._meta = Plan(meta, 0x00020000, 0x0002FFFF)
        self._data = Plan({tag: column for tag, column in columns.items() if tag not in meta}, 1, last)

    def read(self, path: str | os.PathLike[str]) -> Values:
        """The values of a file on disk, in the order of `tags`.

        Raises OSError; DianaError: NOT_PART10, FILE_META_INVALID, DICOMDIR_REFUSED, DATA_SET_TRUNCATED,
        DATA_SET_INVALID, DATA_SET_LIMIT. What lies behind the wanted tags is not looked at.
        """
        descriptor = os.open(path, os.O_RDONLY)
        try:
            head = os.pread(descriptor, _HEAD, 0)
            row = self._quick(head)
            if row is None:
                size = os.fstat(descriptor).st_size
                row = self._patient(ReadSource(lambda at, count: os.pread(descriptor, count, at), size, self._limits))
        finally:
            os.close(descriptor)
        return self._values(row)

    def scan(self, buffer: Buffer) -> Values:
        """The values of a file in memory, complete as far as the wanted tags reach; errors as `read`."""
        head = bytes(buffer[:_HEAD])
        row = self._quick(head) or self._patient(buffer_source(buffer, self._limits))
        return self._values(row)

    def read_file(self, file: IO[bytes], size: int) -> Values:
        """The values of an open file of `size` bytes that stands at its start, a member of a zip file say.

        Seeks only if 8 KiB do not suffice. Errors as `read`, and what the file raises.
        """
        head = file.read(_HEAD)
        row = self._quick(head)
        if row is None:
            row = self._patient(ReadSource(lambda at, count: _read_at(file, at, count), size, self._limits))
        return self._values(row)

    def _values(self, row: Row) -> Values:
        return tuple([row[column] for column in self._order])

    def _quick(self, head: bytes) -> Row | None:
        """The row of a file that is as most are, from its first bytes; None if more must be read or understood."""
        if head[128:_META_START] != b"DICM":
            return None
        row: Row = [None] * self._width
        try:
            start = Picker(self._meta, self._limits, _META_CONTEXT, head).elements(
                row, _META_START, len(head), _META_CONTEXT
            )
            syntax = row[self._syntax]
            if not syntax or not _plain(syntax) or row[self._media] == DICOMDIR_SOP_CLASS:
                return None
            ctx = encoding(syntax, head[start + 4 : start + 6])
            end = Picker(self._data, self._limits, ctx, head).elements(row, start, len(head), ctx)
        except (Odd, Short, DianaError):
            return None
        return row if end < len(head) else None

    def _patient(self, file: Source) -> Row:
        """The row of any file, or the error that says why there is none."""
        meta = file_meta(file)
        row = self._meta_row(file, meta.offset)
        source, start = data_set_source(file, meta, self._limits)
        ctx = first_context(source, start, meta.transfer_syntax_uid)
        try:
            read_elements(source, start, Picker(self._data, self._limits, ctx), row)
        except Odd:
            source, start = data_set_source(file, meta, self._limits)
            values = self._patient_values(source, start, ctx)
            row = self._meta_row(file, meta.offset)
            for column, text in values.items():
                row[column] = text
        return row

    def _meta_row(self, file: Source, size: int) -> Row:
        row: Row = [None] * self._width
        elements, _ = file_meta_elements(file.window(0, size)[0])
        for tag, column in self._meta.columns.items():
            value = elements.get(tag & 0xFFFF)
            if value is not None and len(value) <= self._limits.max_value_bytes:
                row[column] = text_of(implicit_vr(tag), value, "<", _META_CONTEXT.repertoire)
        return row

    def _patient_values(self, source: Source, start: int, ctx: Context) -> dict[int, str | None]:
        """Wanted values by column, as pydicom reads the data set."""
        from diana_common.dicom.fallback import patient_values  # pydicom with it: most files need it never

        values = patient_values(source, start, ctx, self._limits, self._data.columns)
        return {self._data.columns[tag]: text for tag, text in values.items()}


@lru_cache(maxsize=256)
def _plain(syntax: str) -> bool:
    """Whether this is a UID and its data set lies open."""
    return syntax not in DEFLATED and bool(re.fullmatch(r"[0-9.]{1,64}", syntax))


def _read_at(file: IO[bytes], at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)
