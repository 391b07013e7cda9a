"""An archive in memory, as the index sees one: versions, deletes, restores, purges, epochs, outages."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_common.position import Position
from diana_common.tags import tag_hex, tag_of, vr_of
from diana_index.core.feed import Deleted, Entry, FeedBatch, HeldHeader, InstanceName, Omitted, Restored, Stored


def header(**values: Any) -> dict[str, Any]:
    """A header from keyword=value; a list is several values, None an empty one, a name is a string or a dict."""
    elements = {}
    for keyword, value in values.items():
        tag = tag_of(keyword)
        if tag is None:
            raise ValueError(keyword)
        several = value if isinstance(value, list) else [] if value is None else [value]
        if vr_of(tag) == "PN":
            several = [{"Alphabetic": one} if isinstance(one, str) else one for one in several]
        elements[tag_hex(tag)] = {"vr": vr_of(tag), **({"Value": several} if several else {})}
    return elements


@dataclass
class _Version:
    version: str
    study_uid: str
    series_uid: str
    dicom_json: bytes
    deleted: bool = False
    purged: bool = False


@dataclass
class FakeArchive:
    """Entries come `batch` at a time; headers over `inline` bytes must be asked for."""

    batch: int = 3
    inline: int = 64 * 1024
    epoch: str = "0000000a"
    reachable: bool = True
    watches: int = 0
    entries: list[tuple[str, object]] = field(default_factory=list)
    versions: dict[tuple[str, str], list[_Version]] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def store(self, sop: str, study: str = "1", series: str = "1.1", store: str = "default", **values: Any) -> str:
        """Store an instance; returns the position."""
        elements = header(SOPInstanceUID=sop, StudyInstanceUID=study, SeriesInstanceUID=series, **values)
        return self.store_raw(sop, json.dumps(elements).encode(), study, series, store)

    def store_raw(
        self, sop: str, dicom_json: bytes, study: str = "1", series: str = "1.1", store: str = "default"
    ) -> str:
        """Store an instance with any bytes for its header."""
        version = _Version(f"v{len(self.entries)}", study, series, dicom_json)
        self.versions.setdefault((store, sop), []).append(version)
        return self._append(store, (sop, version))

    def delete(self, *sops: str, store: str = "default") -> str:
        """Delete all versions of these."""
        return self._append(store, Deleted("", self._turn(sops, store, deleted=True)))

    def restore(self, *sops: str, store: str = "default") -> str:
        """Bring back all deleted versions of these."""
        return self._append(store, Restored("", self._turn(sops, store, deleted=False)))

    def purge(self, sop: str, store: str = "default") -> None:
        """Remove the deleted versions for good."""
        for version in self.versions.get((store, sop), []):
            version.purged = version.purged or version.deleted

    def other(self) -> str:
        """Something happens that the index has no use for."""
        return self._append("default", None)

    def new_epoch(self) -> None:
        """As after a restore: what is there now, as new entries."""
        with self.changed:
            self.epoch = f"{int(self.epoch, 16) + 1:08x}"
            kept = [one for one in self.entries if isinstance(one[1], tuple) and not one[1][1].deleted]
            self.entries[:] = kept
            self.changed.notify_all()

    def current(self, store: str) -> list[tuple[str, str, str]]:
        """SOP Instance, Series and Study UID of what a store holds, sorted."""
        held = [
            (sop, [one for one in versions if not one.deleted])
            for (name, sop), versions in self.versions.items()
            if name == store
        ]
        return sorted((sop, versions[-1].series_uid, versions[-1].study_uid) for sop, versions in held if versions)

    def head(self) -> str:
        """The newest position."""
        return str(Position(self.epoch, len(self.entries)))

    def set_reachable(self, reachable: bool) -> None:
        """Begin or end an outage, which breaks watches."""
        with self.changed:
            self.reachable = reachable
            self.changed.notify_all()

    def watch(self, after: str, stop_at_head: bool = False) -> _Watch:
        """Follow."""
        self.watches += 1
        return _Watch(self, after, stop_at_head)

    def header(self, store: str, sop_uid: str, version: str) -> HeldHeader:
        """A header."""
        self.check_reachable()
        versions = [one for one in self.versions.get((store, sop_uid), []) if not one.deleted]
        for one in versions:
            if one.version == version:
                return HeldHeader(one.study_uid, one.series_uid, one is versions[-1], one.dicom_json)
        raise DianaError(Reason.INSTANCE_NOT_FOUND, "gone")

    def check_reachable(self) -> None:
        """Raise during an outage."""
        if not self.reachable:
            raise DianaError(Reason.PEER_UNAVAILABLE, "outage")

    def entry(self, number: int) -> Entry:
        """An entry as it reads now."""
        store, what = self.entries[number]
        event: Any = what
        if isinstance(what, tuple):
            sop, version = what
            omitted = Omitted.NO
            if version.purged:
                omitted = Omitted.PURGED
            elif len(version.dicom_json) > self.inline:
                omitted = Omitted.TOO_LARGE
            body = version.dicom_json if omitted is Omitted.NO else b""
            event = Stored(version.study_uid, version.series_uid, sop, version.version, body, omitted)
        return Entry(str(Position(self.epoch, number + 1)), store, 1_700_000_000.0 + number, event)

    def _append(self, store: str, event: object) -> str:
        with self.changed:
            self.entries.append((store, event))
            self.changed.notify_all()
            return self.head()

    def _turn(self, sops: Sequence[str], store: str, deleted: bool) -> list[InstanceName]:
        names = []
        for sop in sops:
            for one in self.versions.get((store, sop), []):
                if one.deleted != deleted and not one.purged:
                    one.deleted = deleted
                    names.append(InstanceName(one.series_uid, sop, one.version))
        return names


class _Watch:
    def __init__(self, archive: FakeArchive, after: str, stop_at_head: bool) -> None:
        self._archive = archive
        self._after = after
        self._stop_at_head = stop_at_head
        self._cancelled = False

    def cancel(self) -> None:
        with self._archive.changed:
            self._cancelled = True
            self._archive.changed.notify_all()

    def __iter__(self) -> Iterator[FeedBatch]:
        archive = self._archive
        archive.check_reachable()
        at = Position.parse(self._after or f"{archive.epoch}-0")
        done, epoch = at.sequence, at.epoch
        head = len(archive.entries)
        while not self._cancelled:
            archive.check_reachable()
            if epoch != archive.epoch:
                raise DianaError(Reason.EPOCH_CHANGED, "another epoch")
            end = min(done + archive.batch, head if self._stop_at_head else len(archive.entries))
            batch = [archive.entry(number) for number in range(done, end)]
            done = max(done, end)
            yield FeedBatch(batch, str(Position(epoch, done)), len(archive.entries) - done)
            if self._stop_at_head and done >= head:
                return
            with archive.changed:
                while not self._has_news(done, epoch):
                    archive.changed.wait(timeout=60)

    def _has_news(self, done: int, epoch: str) -> bool:
        archive = self._archive
        return self._cancelled or not archive.reachable or epoch != archive.epoch or len(archive.entries) > done
