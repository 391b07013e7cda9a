"""One indexing of a folder, written to a registry in Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_index.core.folders.model import Counts, Place, Shared, Stamp
from diana_index.core.folders.registry import Changes, DirectoryState, Known, Row
from diana_index.stores.folders_redis_keys import Keyspace, key_of, typed

_PIECE = 1000
_AFTER_SHARED = 5
"""Where a file's values begin in what is told of it."""


class RedisRun:
    """See core.folders.registry.Run. For one thread."""

    def __init__(self, keys: Keyspace, folder: bytes, number: int, name: str, counts: Counts) -> None:
        self.counts = counts
        self._keys = keys
        self._client = keys.client
        self._folder = folder
        self._number = number
        self._name = name

    def directory(self, path: bytes) -> DirectoryState:
        """See Run."""
        with typed():
            text = self._client.hget(self._keys.directories(self._folder), path)
            entries = self._client.hlen(self._keys.entries(self._folder, path))
        return DirectoryState(text is not None and json.loads(text)[0] == self._number, entries)

    def known(self, directory: bytes, names: Sequence[bytes]) -> dict[bytes, Known]:
        """See Run."""
        with typed():
            texts = self._client.hmget(self._keys.entries(self._folder, directory), names)
        known = {}
        for name, text in zip(names, texts):
            if text:
                size, mtime_ns, run, dicom_count, skipped_count = json.loads(text)
                known[name] = Known(Stamp(size, mtime_ns), run == self._number, dicom_count, skipped_count)
        return known

    def names(self, directory: bytes) -> Iterator[Sequence[tuple[bytes, int]]]:
        """See Run."""
        with typed():
            for page in self._pages(self._keys.entries(self._folder, directory)):
                yield [(name, json.loads(text)[3]) for name, text in page]

    def write(self, changes: Changes) -> None:
        """See Run."""
        with typed(), self._keys.writing:
            state = self._state()
            pipeline = self._client.pipeline(transaction=True)
            touched = self._remove(pipeline, changes.removed)
            self._put(pipeline, changes)
            state["file_count"] += self._finish(pipeline, changes.done)
            state["counts"] = changes.counts.to_json()
            pipeline.hset(self._keys.folders, self._folder, json.dumps(state))
            pipeline.execute()
            self._drop_empty(touched)

    def stale(self) -> Iterator[Sequence[bytes]]:
        """See Run."""
        with typed():
            for page in self._pages(self._keys.directories(self._folder)):
                yield [path for path, text in page if json.loads(text)[0] != self._number]

    def forget(self, directories: Sequence[bytes], counts: Counts) -> int:
        """See Run."""
        total = 0
        for directory in directories:
            for page in self.names(directory):
                self.write(Changes(removed=[(directory, name) for name, _ in page], counts=counts))
            with typed(), self._keys.writing:
                state = self._state()
                text = self._client.hget(self._keys.directories(self._folder), directory)
                count = json.loads(text)[1] if text else 0
                total += count
                state["file_count"] -= count
                state["counts"] = counts.plus(Counts(forgotten=total)).to_json()
                pipeline = self._client.pipeline(transaction=True)
                pipeline.hdel(self._keys.directories(self._folder), directory)
                pipeline.hset(self._keys.folders, self._folder, json.dumps(state))
                pipeline.execute()
        return total

    def finish(self, now: float) -> None:
        """See Run."""
        with typed(), self._keys.writing:
            self._client.hset(self._keys.folders, self._folder, json.dumps({**self._state(), "index_time": now}))

    def _state(self) -> dict[str, Any]:
        """What is kept of the folder, if it was not forgotten meanwhile."""
        state: dict[str, Any] = json.loads(self._client.hget(self._keys.folders, self._folder) or "{}")
        if (state.get("run"), state.get("run_name")) != (self._number, self._name):
            raise DianaError(Reason.SOURCE_NOT_FOUND, "The folder was forgotten while it was indexed.")
        return state

    def _remove(self, pipeline: Any, removed: Sequence[tuple[bytes, bytes]]) -> set[tuple[Any, str]]:
        """Have files forgotten, with their members; the collections they belong to."""
        touched: set[tuple[Any, str]] = set()
        for start in range(0, len(removed), _PIECE):
            places = self._places(removed[start : start + _PIECE])
            for first in range(0, len(places), _PIECE):
                keys = [key_of(place) for place in places[first : first + _PIECE]]
                for key, text in zip(keys, self._client.hmget(self._keys.files, keys)):
                    if text:
                        belongs = self._keys.collections_of(Shared(*json.loads(text)[_AFTER_SHARED:]))
                        touched.update(belongs)
                        for kind, value in belongs:
                            pipeline.srem(self._keys.collection(kind, value), key)
                        pipeline.hdel(self._keys.files, key)
        for directory, name in removed:
            pipeline.hdel(self._keys.entries(self._folder, directory), name)
            pipeline.hdel(self._keys.members(self._folder, directory), name)
        return touched

    def _places(self, removed: Sequence[tuple[bytes, bytes]]) -> list[Place]:
        """Of files and all that may be their members."""
        pipeline = self._client.pipeline(transaction=False)
        for directory, name in removed:
            pipeline.hget(self._keys.members(self._folder, directory), name)
        return [
            Place(self._folder, directory, name, number)
            for (directory, name), highest in zip(removed, pipeline.execute())
            for number in range(int(highest or 0) + 1)
        ]

    def _put(self, pipeline: Any, changes: Changes) -> None:
        highest: dict[tuple[bytes, bytes], int] = {}
        for directory, row in changes.rows:
            if row.number:
                highest[directory, row.name] = row.number
            else:
                known = (row.stamp_size, row.mtime_ns, self._number, row.dicom_count, row.skipped_count)
                text = json.dumps(known)
                pipeline.hset(self._keys.entries(self._folder, directory), row.name, text)
            if row.shared is not None:
                self._put_file(pipeline, Place(self._folder, directory, row.name, row.number), row, row.shared)
        for directory in {directory for directory, _ in changes.rows}:
            # Known from its first file on, and not from its last: it may be forgotten before that one comes.
            pipeline.hsetnx(self._keys.directories(self._folder), directory, json.dumps([0, 0]))
        for (directory, name), number in highest.items():
            pipeline.hset(self._keys.members(self._folder, directory), name, number)

    def _put_file(self, pipeline: Any, place: Place, row: Row, shared: Shared) -> None:
        key = key_of(place)
        pipeline.hset(
            self._keys.files,
            key,
            json.dumps((row.member, row.size, row.stamp_size, row.mtime_ns, row.sop_instance_uid, *shared)),
        )
        for kind, value in self._keys.collections_of(shared):
            pipeline.sadd(self._keys.collection(kind, value), key)
            pipeline.zadd(self._keys.values(kind), {value.encode(): 0})

    def _finish(self, pipeline: Any, done: Sequence[tuple[bytes, int]]) -> int:
        """Mark directories as done; how many DICOM files they have more than before."""
        key = self._keys.directories(self._folder)
        before = self._client.hmget(key, [directory for directory, _ in done]) if done else []
        for directory, count in done:
            pipeline.hset(key, directory, json.dumps([self._number, count]))
        return sum(count for _, count in done) - sum(int(json.loads(text)[1]) for text in before if text)

    def _drop_empty(self, touched: set[tuple[Any, str]]) -> None:
        for kind, value in touched:
            if not self._client.scard(self._keys.collection(kind, value)):
                self._client.zrem(self._keys.values(kind), value.encode())

    def _pages(self, key: bytes) -> Iterator[list[tuple[bytes, bytes]]]:
        """A hash, some hundreds of its fields at a time."""
        cursor = 0
        while True:
            cursor, page = self._client.hscan(key, cursor, count=_PIECE)
            yield list(page.items())
            if not cursor:
                return
