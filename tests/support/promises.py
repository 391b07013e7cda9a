"""What an archive has promised by the marks of a workload, and whether a state directory keeps it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diana_archive.__main__ import build_archive
from diana_archive.config import ArchiveConfig, StoreConfig
from diana_archive.core.archive import Archive
from diana_archive.core.model import FeedEntry, InstanceStored
from diana_archive.core.verifying import Verified
from diana_archive.stores.state import StateDirectory
from diana_common.errors import DianaError
from diana_common.position import Position

Key = tuple[str, str]
_EITHER = frozenset({True, False})


@dataclass
class Promises:
    """By store and SOP Instance UID, or study: what may and what must be found."""

    digests: dict[Key, str] = field(default_factory=dict)
    presence: dict[Key, frozenset[bool]] = field(default_factory=dict)
    positions: dict[Key, str] = field(default_factory=dict)
    notes: dict[Key, frozenset[str]] = field(default_factory=dict)

    def take(self, mark: bytes) -> None:
        """The next mark."""
        told: dict[str, Any] = json.loads(mark)
        if told["kind"] in ("describing", "described"):
            self._describe(told)
        elif told["kind"] != "starting":
            self._store((told["store"], told["uid"]), told)

    def _describe(self, told: dict[str, Any]) -> None:
        key = (told["store"], told["study_uid"])
        before = self.notes.get(key, frozenset({""})) if told["kind"] == "describing" else frozenset()
        self.notes[key] = before | {told["value"]}

    def _store(self, key: Key, told: dict[str, Any]) -> None:
        kind = told["kind"]
        self.digests.setdefault(key, told.get("sha256", ""))
        if kind == "stored":
            self.positions[key] = told["position"]
        if kind == "sending":
            self.presence.setdefault(key, _EITHER)
        else:
            ends = {"stored": True, "undeleted": True, "deleted": False}
            self.presence[key] = frozenset({ends[kind]}) if kind in ends else _EITHER


def broken_promises(directory: Path, promises: Promises, stores: Iterable[str]) -> list[str]:
    """Open the state directory in this process, as an archive does, and look whether all is as promised."""
    try:
        with _opened(directory, list(stores)) as (archive, state):
            return [*_complaints(archive, state, promises, list(stores))]
    except DianaError as error:
        return [f"the archive does not open: {error}"]


@contextmanager
def _opened(directory: Path, stores: list[str]) -> Iterator[tuple[Archive, StateDirectory]]:
    config = ArchiveConfig(state_dir=directory, stores={name: StoreConfig() for name in stores})
    with ExitStack() as stack:
        state = StateDirectory(directory, stores)
        stack.callback(state.close)
        archive = build_archive(config, state)
        archive.start(with_upkeep=False)
        stack.callback(archive.close)
        yield archive, state


def _complaints(archive: Archive, state: StateDirectory, promises: Promises, stores: list[str]) -> Iterator[str]:
    if state.restored and promises.positions:
        yield "the catalogue is taken for one that was put back: its positions are refused"
    entries = {entry.sequence: entry for entry in feed_entries(archive)}
    if sorted(entries) != list(range(1, archive.feed.head + 1)):
        yield "the feed has gaps"
    found = {(store, uid): state for store in stores for uid, state in _listed(archive, store).items()}
    for key, may in promises.presence.items():
        if (key in found) not in may:
            yield f"{key} is {'there, and was deleted' if key in found else 'gone, and was acknowledged'}"
    for key in found:
        if _digest(archive, *key) != promises.digests.get(key):
            yield f"{key} is listed, and not what was sent"
    for key, position in promises.positions.items():
        if not _tells(entries, position, key, archive):
            yield f"{key} was acknowledged at {position}, and the feed does not tell of it there"
    yield from _notes(archive, promises)
    for store in stores:
        yield from _verified(archive, store, sum(key[0] == store for key in found))


def feed_entries(archive: Archive) -> Iterator[FeedEntry]:
    """The whole feed."""
    for page in archive.feed.follow("", (), False).pages(stop_at_head=True):
        yield from page.entries


def _tells(entries: dict[int, FeedEntry], position: str, key: Key, archive: Archive) -> bool:
    at = Position.parse(position)
    entry = entries.get(at.sequence)
    if entry is None or archive.feed.position(at.sequence).epoch != at.epoch:
        return False
    event = entry.event
    return isinstance(event, InstanceStored) and (event.instance.store, event.instance.sop_instance_uid) == key


def _listed(archive: Archive, store: str) -> dict[str, str]:
    uids = {}
    for study in archive.listing.studies(store, 1000, "").items:
        page = archive.listing.instances(store, study.study_uid, "", False, 1000, "")
        while True:
            uids.update({one.sop_instance_uid: one.version for one in page.items})
            if not page.next_token:
                break
            page = archive.listing.instances(store, study.study_uid, "", False, 1000, page.next_token)
    return uids


def _digest(archive: Archive, store: str, uid: str) -> str:
    digest = hashlib.sha256()
    try:
        for piece in archive.reading.read(store, uid, "", 0, 0):
            digest.update(piece.data)
    except DianaError as error:
        return str(error)
    return digest.hexdigest()


def _notes(archive: Archive, promises: Promises) -> Iterator[str]:
    for (store, study_uid), may in promises.notes.items():
        try:
            note = archive.listing.study(store, study_uid).attributes.get("note", "")
        except DianaError:
            # All its instances are deleted, which is told of elsewhere.
            continue
        # A study of which nothing is left forgets its attributes.
        if note not in may and (note or store == "default"):
            yield f"the study {study_uid} of {store} is described as {note!r}, not as one of {sorted(may)}"


class _Watcher:
    def __init__(self) -> None:
        self.failed: list[str] = []

    def progress(self, done: int, total: int) -> None:
        """Not of interest."""

    def fail(self, item: str, error: DianaError) -> None:
        """An instance is damaged."""
        self.failed.append(item)

    def reached(self, verified: Verified) -> None:
        """Not of interest."""


def _verified(archive: Archive, store: str, listed: int) -> Iterator[str]:
    watcher = _Watcher()
    verified = archive.verifying.verify(store, False, Verified(), watcher)
    if watcher.failed or verified.orphan_count:
        yield f"{store}: {watcher.failed} are damaged, {verified.orphan_count} objects have no instance"
    if archive.listing.statistics(store).instance_count != listed:
        yield f"{store}: its statistics do not agree with its list"
