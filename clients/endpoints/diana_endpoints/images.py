"""A folder of images: PNG of the frames of what is put, under its UIDs; images of any kind are read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from diana_common.errors import DianaError, Reason
from diana_endpoints.by_uid import wanted_uids
from diana_endpoints.failures import each, unreadable
from diana_endpoints.headers import fill_header
from diana_endpoints.items import FileContent, Item
from diana_endpoints.kind import Kind
from diana_endpoints.layouts import uid_name
from diana_endpoints.levels import UIDS
from diana_endpoints.protocol.endpoint import Health
from diana_endpoints.rendering import frame_count, pngs_of
from diana_endpoints.walking import files_below, folder_health, inside
from diana_endpoints.whole_files import replacing
from diana_endpoints.windows import window_of

_MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
_UID = re.compile(r"[0-9][0-9.]*")


class Shown(Enum):
    """Which frames of an instance become images."""

    ALL = "all"
    FIRST = "first"
    MIDDLE = "middle"


@dataclass(frozen=True)
class ImagesSettings:
    """A folder of images."""

    path: Path
    """The folder. Images lie under STUDY/SERIES/INSTANCE.png, frames of several under INSTANCE-0001.png and so on."""

    window: str = ""
    """CENTRE/WIDTH ("40/80"), a name ("brain"), or "full" (all values); what the header says when empty."""

    frames: Shown = Shown.ALL
    """Which frames of an instance with several: all, first or middle."""

    def __post_init__(self) -> None:
        if self.window:
            try:
                window_of(self.window)
            except DianaError as error:
                raise ValueError(error.message) from error


class Images:
    """Endpoint `images`. What burned-in text says of patients stays in the images; their names say nothing."""

    def __init__(self, settings: ImagesSettings) -> None:
        self._settings = settings
        self._root = settings.path
        self.passed_over: Counter[str] = Counter()

    def close(self) -> None:
        """Nothing to give back."""

    def check(self) -> Health:
        """Whether the folder can be read; one that is not there can be made."""
        return folder_health(self._root, may_be_made=True)

    def list(self) -> Iterator[Item]:
        """Every image, with its content. Raises DianaError INVALID_FIELD if the folder cannot be read."""
        return self._below(self._root)

    def get(self, wanted: Item) -> Iterator[Item]:
        """The image of an id, which is its path in the folder; else those of a study, series or instance by UIDs."""
        found = False
        for item in self._named(wanted):
            found = True
            yield item
        if not found:
            raise _absent()

    def put(self, items: Iterable[Item]) -> Iterator[Item]:
        """Write the images of each; how many is `meta["images"]`. Those that are there are written anew."""
        return each(items, self._put)

    def delete(self, wanted: Item) -> int:
        """Delete the images that `get` would bring; how many."""
        deleted = 0
        for item in self._named(wanted):
            (self._root / item.meta["path"]).unlink()
            deleted += 1
        if not deleted:
            raise _absent()
        return deleted

    def _below(self, place: Path) -> Iterator[Item]:
        self.passed_over = Counter()
        number = 0
        for path in files_below(self._root, place, self.passed_over):
            if not isinstance(path, Path):
                number += 1
                yield Item(number=number, failure=path)
            elif path.suffix.lower() in _MEDIA_TYPES:
                number += 1
                yield self._item(path, number)
            else:
                self.passed_over["files that are not images"] += 1

    def _item(self, path: Path, number: int = 1) -> Item:
        meta = {"id": str(path), "path": str(path), "media_type": _MEDIA_TYPES[path.suffix.lower()], **_uids(path)}
        try:
            size = (self._root / path).stat().st_size
        except OSError:
            return Item(meta, number=number, failure=unreadable("an image"))
        return Item({**meta, "size_bytes": size}, content=FileContent(self._root / path, size), number=number)

    def _named(self, wanted: Item) -> Iterator[Item]:
        name = wanted.meta.get("id") or wanted.meta.get("path")
        path = inside(self._root, str(name)) if name else None
        if path and path.suffix.lower() in _MEDIA_TYPES:
            yield self._item(path.relative_to(self._root))
        if name and not any(key in wanted.meta for key in UIDS):
            return
        uids = wanted_uids(wanted)
        study = uids.get("study_uid")
        for item in self._below(self._root / uid_name(study) if study else self._root) if not path else ():
            if all(item.meta.get(key) == uid for key, uid in uids.items()):
                yield item

    def _put(self, item: Item) -> str:
        count = frame_count(item)
        fill_header(item)
        study, series, name = (uid_name(item.meta[key]) for key in UIDS)
        if count == 1:
            paths = {0: Path(study, series, f"{name}.png")}
        else:
            paths = {index: Path(study, series, f"{name}-{index + 1:04}.png") for index in self._frames(count)}
        for path, png in zip(paths.values(), pngs_of(item, paths, self._settings.window)):
            with replacing(self._root / path, durable=False) as stream:
                stream.write(png)
        self._name(item, list(paths.values()))
        return "stored"

    def _name(self, item: Item, paths: Sequence[Path]) -> None:
        """One image is named by its path; several are by the UIDs of their instance."""
        for name in ("id", "path"):
            item.meta.pop(name, None)
        if len(paths) == 1:
            item.meta |= {"id": str(paths[0]), "path": str(paths[0])}
        item.meta["images"] = len(paths)

    def _frames(self, count: int) -> Sequence[int]:
        chosen = {Shown.FIRST: [0], Shown.MIDDLE: [count // 2]}
        return chosen.get(self._settings.frames, range(count))


def _uids(path: Path) -> dict[str, str]:
    """The UIDs that the path of one of our images says."""
    names = [*path.parts[:-1], path.stem.partition("-")[0]]
    return dict(zip(UIDS, names)) if len(names) == len(UIDS) and all(map(_UID.fullmatch, names)) else {}


def _absent() -> DianaError:
    return DianaError(Reason.ITEM_NOT_FOUND, "the folder has no image of this name or UID")


KIND = Kind(ImagesSettings, Images, setting="path")
