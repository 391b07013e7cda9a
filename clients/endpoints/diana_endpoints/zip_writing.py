"""A new ZIP file of DICOM files (PS3.12 Annex V): written beside its place, which it takes whole."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO

from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.headers import fill_header
from diana_endpoints.items import CHUNK, Item, chunks
from diana_endpoints.whole_files import replacing

_IN_MEMORY = 16 * 1024 * 1024
_MOST = 999_999


class ZipWriter:
    """Members are DICOM/ST000001/SE000001/IM000001: file IDs that every medium allows, which name nobody.

    The file takes its place when the block ends, even by an error: what was added by then is in it. With nothing
    added there is none.
    """

    def __init__(self, path: Path, replace: bool) -> None:
        """`replace`: whether a file that is there is replaced; else DianaError ITEM_EXISTS is raised in the end."""
        self._path = path
        self._replace = replace
        self._stack = ExitStack()
        self._zip: zipfile.ZipFile | None = None
        self._numbers: dict[tuple[str, ...], int] = {}
        self._below: dict[tuple[str, ...], int] = {}

    def __enter__(self) -> ZipWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, item: Item) -> str:
        """Add an instance; its member's name. Raises DianaError and OSError, and then nothing of it is in the file."""
        if item.content is None:
            raise invalid_field("content", "is required: get the instance before it is put")
        fill_header(item)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
            for piece in chunks(item.content):
                copy.write(piece)
            copy.seek(0)
            name = self._name(str(item.meta["study_uid"]), str(item.meta["series_uid"]))
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            self._write(info, copy)
        return name

    def _write(self, info: zipfile.ZipInfo, copy: IO[bytes]) -> None:
        opened = self._opened()
        try:
            with opened.open(info, "w", force_zip64=True) as member:
                shutil.copyfileobj(copy, member, CHUNK)
        except OSError:
            if opened.NameToInfo.pop(info.filename, None):  # half of a member is none
                opened.filelist.remove(info)
                opened.start_dir = info.header_offset
            raise

    def _opened(self) -> zipfile.ZipFile:
        if self._zip is None:
            stream: IO[bytes] = self._stack.enter_context(replacing(self._path, only_new=not self._replace))
            self._stack.callback(stream.truncate)  # what a full disk left of a member would lie behind its end
            self._zip = self._stack.enter_context(zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED))
        return self._zip

    def _name(self, study_uid: str, series_uid: str) -> str:
        study = self._number(("study", study_uid), ())
        series = self._number((study_uid, series_uid), (study_uid,))
        image = self._below[(study_uid, series_uid)] = self._below.get((study_uid, series_uid), 0) + 1
        if max(study, series, image) > _MOST:
            raise DianaError(Reason.DATA_SET_LIMIT, "the ZIP file has a million of a kind: put the rest in another")
        return f"DICOM/ST{study:06}/SE{series:06}/IM{image:06}"

    def _number(self, key: tuple[str, ...], parent: tuple[str, ...]) -> int:
        if key not in self._numbers:
            self._below[parent] = self._numbers[key] = self._below.get(parent, 0) + 1
        return self._numbers[key]
