"""A folder of DICOM files, walked to any depth; what is put into it lies where its layout says."""

from __future__ import annotations

import filecmp
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from diana_common.dicomjson import first_value
from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.by_uid import of_uids, read_headers, wanted_uids
from diana_endpoints.failures import each, unreadable
from diana_endpoints.headers import fill_header
from diana_endpoints.items import Content, FileContent, Item, chunks
from diana_endpoints.kind import Kind
from diana_endpoints.layouts import DEFAULT_DEPTH, Layout, place_of, uid_name
from diana_endpoints.levels import STUDY, UIDS, level_of
from diana_endpoints.matching import answers
from diana_endpoints.part10 import holds_part10
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.protocol.query import Matches, Query
from diana_endpoints.walking import files_below, folder_health
from diana_endpoints.whole_files import PART, part_beside, took

_META = (*UIDS, "id", "path")
"""What may be matched beside attributes."""


@dataclass(frozen=True)
class FolderSettings:
    """A DICOM folder. Whatever its layout, all files below it are read: another program's storage, for example."""

    path: Path
    """The folder."""

    layout: Layout = Layout.UIDS
    """Where an instance is put: uids (STUDY/SERIES/INSTANCE.dcm), flat (INSTANCE.dcm), nested (ab/cd/INSTANCE.dcm)."""

    subpath_width: int = 2
    """How many characters the folders' names have in the nested layout."""

    subpath_depth: int = 0
    """How many levels of folders the nested layout has, which it means if it is not 0; 2 in `layout: nested`."""

    def __post_init__(self) -> None:
        if not 1 <= self.subpath_width <= 8 or not 0 <= self.subpath_depth <= 8:
            raise ValueError("subpath_width must be from 1 to 8, and subpath_depth from 0 to 8")

    def place(self, uids: Mapping[str, object]) -> Path:
        """Where what has these UIDs is, as `diana_endpoints.layouts.place_of`."""
        layout = Layout.NESTED if self.subpath_depth else self.layout
        return place_of(uids, layout, self.subpath_width, self.subpath_depth or DEFAULT_DEPTH)


class Folder:
    """Endpoint `folder`. Its listing holds one directory handle a level and no names.

    Links to folders are not followed; links to files only within the folder.
    """

    def __init__(self, settings: FolderSettings) -> None:
        self._settings = settings
        self._root = settings.path
        self.passed_over: Counter[str] = Counter()

    def close(self) -> None:
        """Nothing to give back."""

    def check(self) -> Health:
        """Whether the folder can be read."""
        return folder_health(self._root, may_be_made=False)

    def list(self) -> Iterator[Item]:
        """Every Part 10 file below the folder. Raises DianaError if the folder cannot be read."""
        self.passed_over = Counter()
        root = self._resolved()
        yield from self._walk(root, root)

    def get(self, wanted: Item) -> Iterator[Item]:
        """The file that `wanted.meta["id"]`, or "path", names, relative to the folder; else the files of its UIDs.

        Those are looked for where the layout puts them, and if there are none by reading every header.
        """
        root = self._resolved()
        found = False
        for path in self._named(root, wanted):
            found = True
            yield self._item(root, path, 1)
        if not found:
            raise _absent()

    def find(self, query: Query) -> Iterator[Item]:
        """The instances whose headers match, as `diana_endpoints.matching` has it: every header is read for it.

        At level patient, study or series it is one instance of each. Beside attributes, `id` and `path` may be matched.
        """
        level = level_of(query.level) or STUDY
        told: set[str] = set()
        for item in answers(read_headers(self.list()), replace(_by_keyword(query), level="instance")):
            named = first_value(item.header or {}, level.tag) or ""
            if named not in told:
                yield item
                told |= {named} - {""}

    def delete(self, wanted: Item) -> int:
        """Delete what `get` would bring, and the folders that it leaves empty."""
        root = self._resolved()
        deleted = 0
        for path in self._named(root, wanted):
            path.unlink()
            deleted += 1
            _remove_empty(path.parent, root)
        if not deleted:
            raise _absent()
        return deleted

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Write each under its UIDs. What is there stays; another file under the same UIDs is a conflict."""
        return each(items, self._put)

    def _resolved(self) -> Path:
        if not self._root.is_dir():
            raise invalid_field("path", "is not a folder that can be read")
        return self._root.resolve()

    def _named(self, root: Path, wanted: Item) -> Iterator[Path]:
        """The paths of what is wanted; a link is named by its own."""
        named = wanted.meta.get("id") or wanted.meta.get("path")
        if named:
            path = root / str(named)
            if path.is_file() and path.resolve().is_relative_to(root) and path.parent.resolve().is_relative_to(root):
                yield path
                return
        if named and not any(name in wanted.meta for name in UIDS):
            return
        uids = wanted_uids(wanted)
        found = False
        for place in dict.fromkeys((root / self._settings.place(uids), root)):
            for item in of_uids(self._walk(root, place), uids) if not found else ():
                found = True
                yield root / item.meta["path"]

    def _walk(self, root: Path, place: Path) -> Iterator[Item]:
        if place.is_file():
            yield self._item(root, place, 1)
            return
        number = 0
        for found in files_below(root, place, self.passed_over, links=True):
            item = self._examine(root, root / found) if isinstance(found, Path) else Item(failure=found)
            if item:
                item.number = number = number + 1
                yield item

    def _examine(self, root: Path, path: Path) -> Item | None:
        if path.suffix == PART:
            self.passed_over["files that are being written"] += 1
            return None
        try:
            item = self._item(root, path, 1)
            if item.content and holds_part10(item.content):
                return item
        except OSError:
            return Item(_named_by(path.relative_to(root)), failure=unreadable("a file"))
        self.passed_over["files that are not DICOM"] += 1
        return None

    def _item(self, root: Path, path: Path, number: int) -> Item:
        size = path.stat().st_size
        meta = {**_named_by(path.relative_to(root)), "size_bytes": size}
        return Item(meta, content=FileContent(path, size), number=number)

    def _put(self, item: Item) -> str:
        if item.content is None:
            raise invalid_field("content", "is required: get the instance before it is put")
        fill_header(item)
        place = self._settings.place({name: uid_name(item.meta[name]) for name in UIDS})
        outcome = _write_once(self._root / place, item.content)
        item.meta |= _named_by(place)
        return outcome


def _named_by(place: Path) -> dict[str, str]:
    return {"id": str(place), "path": str(place)}


def _by_keyword(query: Query) -> Query:
    """The query with keywords where it has tags, which is how data names attributes."""
    from diana_common.tags import keyword_of, parse_tag  # pydicom with it: time that most commands need not spend

    def named(name: str) -> str:
        return name if name in _META else keyword_of(parse_tag(name, "matches")) or name

    def renamed(matches: Matches) -> Matches:
        found: dict[str, Sequence[str] | Matches] = {}
        for path, value in matches.items():
            name, _, inner = path.partition(".")  # SEQUENCE.ATTRIBUTE is one within a sequence
            wanted: Sequence[str] | Matches = {inner: value} if inner else value
            key = named(name)
            if key in found:
                raise DianaError(Reason.KEY_UNSUPPORTED, f"{key}: is asked about twice")
            found[key] = renamed(wanted) if isinstance(wanted, Mapping) else wanted
        return found

    return replace(query, matches=renamed(query.matches), return_keys=[named(name) for name in query.return_keys])


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove folders that are empty, upwards, as far as the root, which stays."""
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _absent() -> DianaError:
    return DianaError(Reason.ITEM_NOT_FOUND, "is not a file in the folder, by name or UID")


def _write_once(path: Path, content: Content) -> str:
    """Write a file that is whole when it has its name; what is there under that name stays."""
    with part_beside(path) as (part, stream):
        for piece in chunks(content):
            stream.write(piece)
        stream.flush()
        if took(part, path):
            return "stored"
        if filecmp.cmp(part, path, shallow=False):
            return "already_stored"
    raise DianaError(Reason.INSTANCE_CONFLICT, "the folder has another file under these UIDs")


KIND = Kind(FolderSettings, Folder, setting="path", reads_through=True)
