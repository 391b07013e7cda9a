"""What an archive has promised by the marks of a workload, and whether a state directory keeps it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diana_archive.__main__ import build_archive, open_state
from diana_archive.config import ArchiveConfig
from diana_archive.core.archive import Archive
from diana_archive.core.model import FeedEntry, InstancesDeleted, InstancesRestored, InstanceStored
from diana_archive.core.verifying import Verified
from diana_archive.core.walking import unknown_objects
from diana_archive.stores.outside import OutsideState
from diana_archive.stores.s3 import S3Objects
from diana_archive.stores.state import StateDirectory
from diana_common.errors import DianaError
from diana_common.position import Position

Key = tuple[str, str]
State = StateDirectory | OutsideState
_EITHER = frozenset({True, False})


@dataclass
class Promises:
    """By store and SOP Instance UID, or study: what may and what must be found."""

    digests: dict[Key, str] = field(default_factory=dict)
    presence: dict[Key, frozenset[bool]] = field(default_factory=dict)
    positions: dict[Key, str] = field(default_factory=dict)
    notes: dict[Key, frozenset[str]] = field(default_factory=dict)
    files: dict[Key, str] = field(default_factory=dict)
    """What a door left, by its name in the state directory: there until it is in the archive."""

    def take(self, mark: bytes) -> None:
        """The next mark."""
        self.tell(**json.loads(mark))

    def tell(self, kind: str, **fields: Any) -> None:
        """See tests.support.archive_clients.Teller."""
        told = {"kind": kind, **fields}
        if kind in ("describing", "described"):
            self._describe(told)
        elif kind != "starting":
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
        if kind == "left":
            self.files[key] = told["name"]
        if kind in ("sending", "left"):
            self.presence.setdefault(key, _EITHER)
        else:
            ends = {"stored": True, "undeleted": True, "deleted": False}
            self.presence[key] = frozenset({ends[kind]}) if kind in ends else _EITHER


def broken_promises(config: ArchiveConfig, promises: Promises) -> list[str]:
    """Open an archive in this process, as its own does, and look whether all is as promised."""
    try:
        with _opened(config) as (archive, state):
            return [*_complaints(config.state_dir, archive, state, promises)]
    except DianaError as error:
        return [f"the archive does not open: {error}"]


@contextmanager
def _opened(config: ArchiveConfig) -> Iterator[tuple[Archive, State]]:
    with ExitStack() as stack:
        state = open_state(config)
        stack.callback(state.close)
        if isinstance(state.objects, S3Objects):
            # Nobody else has drafts there.
            state.objects.settled_after_seconds = 0
        archive = build_archive(config, state)
        archive.start(with_upkeep=False)
        stack.callback(archive.close)
        yield archive, state


def _complaints(directory: Path, archive: Archive, state: State, promises: Promises) -> Iterator[str]:
    stores = [policy.name for policy in archive.policies.all()]
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
    yield from _told_of(entries, set(found))
    for key, position in promises.positions.items():
        if not _tells(entries, position, key, archive):
            yield f"{key} was acknowledged at {position}, and the feed does not tell of it there"
    for key in set(promises.files) - set(found):
        if not _is_file(directory / promises.files[key], promises.digests[key]):
            yield f"{key} is neither in the archive nor where its door left it"
    yield from _notes(archive, promises)
    for store in stores:
        yield from _verified(archive, state, store, sum(key[0] == store for key in found))


def feed_entries(archive: Archive) -> Iterator[FeedEntry]:
    """The whole feed."""
    for page in archive.feed.follow("", (), False).pages(stop_at_head=True):
        yield from page.entries


def _told_of(entries: dict[int, FeedEntry], found: set[Key]) -> Iterator[str]:
    """Who follows the feed knows of the same instances, and is told of none twice."""
    known: set[Key] = set()
    for _, entry in sorted(entries.items()):
        event = entry.event
        if isinstance(event, InstanceStored):
            key = (entry.store, event.instance.sop_instance_uid)
            if key in known:
                yield f"the feed tells of {key} twice"
            known.add(key)
        elif isinstance(event, InstancesDeleted):
            known -= {(entry.store, one.sop_instance_uid) for one in event.instances}
        elif isinstance(event, InstancesRestored):
            known |= {(entry.store, one.sop_instance_uid) for one in event.instances}
    if known != found:
        yield f"the feed alone tells of {known - found}, and does not of {found - known}"


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


def _is_file(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


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


def _verified(archive: Archive, state: State, store: str, listed: int) -> Iterator[str]:
    watcher = _Watcher()
    # No process sweeps at its start what many may share: a verification does.
    shared = isinstance(state.objects, S3Objects)
    verified = archive.verifying.verify(store, shared, Verified(), watcher)
    orphans = sum(map(len, unknown_objects(state.catalogue, state.objects, store)))
    if watcher.failed or orphans or (verified.orphan_count and not shared):
        yield f"{store}: {watcher.failed} are damaged, {orphans or verified.orphan_count} objects have no instance"
    if archive.listing.statistics(store).instance_count != listed:
        yield f"{store}: its statistics do not agree with its list"
