"""From the feed to changes of records, applied in pieces of bounded size."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol

from diana_common.errors import DianaError, Reason
from diana_common.position import Position
from diana_index.core.attributes import Level
from diana_index.core.feed import Archive, Deleted, Entry, FeedBatch, HeldHeader, Omitted, Restored, Stored
from diana_index.core.records import Names, build_record, parse_header
from diana_index.core.reports import structured_report
from diana_index.core.store import Change, Generation, Mark, Put, Remove, Unstorable

_PIECE_BYTES = 4 * 1024 * 1024
"""Headers applied in one transaction; parsed they take some ten times that."""
_PIECE_CHANGES = 2000
_RETRY_SECONDS = (0.05, 0.2)
"""Pauses before a header is asked for again that the archive failed to give."""


class Listener(Protocol):
    """Who hears of what the follower does. No patient values: UIDs only."""

    def applied(self, entries: int) -> None:
        """So many entries have been applied."""
        ...

    def skipped(self, store: str, sop_uid: str, why: str) -> None:
        """An instance could not be indexed; the following goes on."""
        ...

    def lost(self, error: DianaError) -> None:
        """The archive cannot be followed at the moment."""
        ...


class Feeder:
    """Applies a feed to one generation. Entries up to the generation's mark change nothing."""

    def __init__(self, archive: Archive, generation: Generation, listener: Listener) -> None:
        self._archive = archive
        self._generation = generation
        self._listener = listener
        self.mark = generation.mark()
        """How far the generation is."""

    def feed(self, batch: FeedBatch) -> None:
        """Apply a batch; all of it is there when this returns.

        Raises DianaError PEER_UNAVAILABLE if a header had to be asked for and could not; feed it again then.
        """
        new = [entry for entry in batch.entries if not self._is_applied(entry.position)]
        piece: list[Change] = []
        size, reached = 0, self.mark
        for entry in new:
            for change in self._changes(entry):
                piece.append(change)
                size += len(change.dicom_json) if isinstance(change, Put) else 0
                if size >= _PIECE_BYTES or len(piece) >= _PIECE_CHANGES:
                    self._apply(piece, reached)
                    piece, size = [], 0
            reached = Mark(entry.position, entry.commit_time)
        if new or batch.position != self.mark.position:
            self._apply(piece, Mark(batch.position, reached.commit_time))
        self._listener.applied(len(new))

    def _is_applied(self, position: str) -> bool:
        if not self.mark.position:
            return False
        there, mark = Position.parse(position), Position.parse(self.mark.position)
        return there.epoch == mark.epoch and there.sequence <= mark.sequence

    def _apply(self, piece: list[Change], mark: Mark) -> None:
        try:
            self._generation.apply(piece, mark)
        except Unstorable:
            for change in piece:
                self._apply_one(change)
            self._generation.apply([], mark)
        self.mark = mark

    def _apply_one(self, change: Change) -> None:
        try:
            self._generation.apply([change], self.mark)
        except Unstorable as error:
            sop_uid = change.names.sop_uid if isinstance(change, Put) else change.sop_uid
            self._listener.skipped(change.store, sop_uid, type(error.__cause__).__name__)
            if isinstance(change, Put):
                self._generation.apply([Remove(change.store, sop_uid)], self.mark)

    def _changes(self, entry: Entry) -> Iterator[Change]:
        match entry.event:
            case Stored():
                yield self._stored(entry.store, entry.event)
            case Deleted(instances=instances):
                yield from (Remove(entry.store, one.sop_uid, one.version) for one in instances)
            case Restored(instances=instances):
                yield from self._restored(entry.store, entry.event)

    def _stored(self, store: str, event: Stored) -> Change:
        dicom_json: bytes | None = event.dicom_json
        if event.omitted is Omitted.PURGED:
            dicom_json = None
        elif event.omitted is Omitted.TOO_LARGE:
            held = self._held(store, event.sop_uid, event.version)
            dicom_json = held.dicom_json if held else None
        names = Names(event.study_uid, event.series_uid, event.sop_uid)
        put = self._put(store, names, event.version, dicom_json) if dicom_json is not None else None
        # What was there before is no longer current, so it goes even when the new one cannot be indexed.
        return put or Remove(store, event.sop_uid)

    def _restored(self, store: str, event: Restored) -> Iterator[Change]:
        for one in event.instances:
            held = self._held(store, one.sop_uid, one.version)
            if held and held.current:
                names = Names(held.study_uid, held.series_uid, one.sop_uid)
                put = self._put(store, names, one.version, held.dicom_json)
                if put:
                    yield put

    def _held(self, store: str, sop_uid: str, version: str) -> HeldHeader | None:
        """What the archive holds of an instance; None if it is gone, or cannot be read."""
        try:
            return self._asked(store, sop_uid, version)
        except DianaError as error:
            if error.reason is Reason.PEER_UNAVAILABLE:
                raise
            if error.reason is not Reason.INSTANCE_NOT_FOUND:
                self._listener.skipped(store, sop_uid, error.reason.name)
            return None

    def _asked(self, store: str, sop_uid: str, version: str) -> HeldHeader:
        """The archive's answer; a failure that it does not explain may pass, so it is asked again."""
        for pause in _RETRY_SECONDS:
            try:
                return self._archive.header(store, sop_uid, version)
            except DianaError as error:
                if error.reason is not Reason.INTERNAL:
                    raise
            time.sleep(pause)
        return self._archive.header(store, sop_uid, version)

    def _put(self, store: str, names: Names, version: str, dicom_json: bytes) -> Put | None:
        try:
            header = parse_header(dicom_json)
            keyed = self._generation.vocabulary().keyed[Level.INSTANCE]
            record = build_record(header, Level.INSTANCE, names, {}, keyed)
            report = structured_report(header, names.sop_uid, names.study_uid)
        except (ValueError, RecursionError) as error:
            self._listener.skipped(store, names.sop_uid, type(error).__name__)
            return None
        return Put(store, names, version, dicom_json, record, keyed=keyed, report=report)
