"""Objects and sidecars in memory, for tests and for throwaway archives."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from diana_archive.core.ports import Contents, Draft


class MemoryDraft:
    """Bytes being gathered."""

    def __init__(self, objects: MemoryObjects, store: str, object_id: int) -> None:
        self.object_id = object_id
        self.size_bytes = 0
        self._objects = objects
        self._key = (store, object_id)
        self._content = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        """See core.ports.Draft."""
        self._content += data
        self.size_bytes = len(self._content)

    @contextmanager
    def contents(self) -> Iterator[Contents]:
        """See core.ports.Draft."""
        yield bytes(self._content)

    def finish(self) -> None:
        """See core.ports.Draft."""

    def keep(self) -> None:
        """Make it readable."""
        self._objects.content[self._key] = bytes(self._content)

    def close(self) -> None:
        """See core.ports.Draft."""

    def discard(self) -> None:
        """See core.ports.Draft."""
        self._objects.content.pop(self._key, None)


class MemoryReader:
    """Bytes for reading."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, offset: int, size: int) -> bytes:
        """See core.ports.ObjectReader."""
        return self._content[offset : offset + size]

    @contextmanager
    def contents(self) -> Iterator[Contents]:
        """See core.ports.ObjectReader."""
        yield self._content

    def close(self) -> None:
        """See core.ports.ObjectReader."""


class MemoryObjects:
    """Objects in a dictionary; "durable" for as long as the process lives."""

    def __init__(self) -> None:
        self.content: dict[tuple[str, int], bytes] = {}
        self._lock = threading.Lock()
        self._last_id = 0

    def create(self, store: str) -> MemoryDraft:
        """See core.ports.Objects."""
        with self._lock:
            self._last_id += 1
            return MemoryDraft(self, store, self._last_id)

    def place(self, store: str, data: bytes) -> MemoryDraft:
        """See core.ports.Objects."""
        draft = self.create(store)
        draft.write(data)
        return draft

    def adopt(self, store: str, path: Path) -> MemoryDraft:
        """See core.ports.Objects."""
        return self.place(store, path.read_bytes())

    def make_durable(self, drafts: Sequence[Draft]) -> list[OSError | None]:
        """See core.ports.Objects."""
        for draft in drafts:
            if isinstance(draft, MemoryDraft):
                draft.keep()
        return [None] * len(drafts)

    def open(self, store: str, object_id: int) -> MemoryReader:
        """See core.ports.Objects."""
        if (store, object_id) not in self.content:
            raise FileNotFoundError(object_id)
        return MemoryReader(self.content[store, object_id])

    def remove(self, objects: Sequence[tuple[str, int]]) -> list[OSError | None]:
        """See core.ports.Objects."""
        for one in objects:
            self.content.pop(one, None)
        return [None] * len(objects)

    def settled(self, store: str, after_id: int, limit: int) -> list[int]:
        """See core.ports.Objects. Only what was put there from outside: ids above those given."""
        ids = sorted(one for where, one in self.content if where == store and one > max(after_id, self._last_id))
        return ids[:limit]

    def set_aside(self, store: str, object_ids: Sequence[int]) -> None:
        """See core.ports.Objects."""
        self.remove([(store, one) for one in object_ids])

    def drop_orphans(self, before_us: int) -> int:
        """See core.ports.Objects. Nothing outlives the process that would be one."""
        return 0


class MemorySidecars:
    """Sidecars in a dictionary."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], bytes] = {}

    def read(self, store: str, study_uid: str) -> bytes | None:
        """See core.ports.Sidecars."""
        return self.documents.get((store, study_uid))

    def write(self, store: str, study_uid: str, document: bytes) -> None:
        """See core.ports.Sidecars."""
        self.documents[store, study_uid] = document

    def remove(self, store: str, study_uid: str) -> None:
        """See core.ports.Sidecars."""
        self.documents.pop((store, study_uid), None)


class MemorySealKeys:
    """Keys given by the caller; the last one is current."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self._keys = dict(keys)

    def current(self) -> tuple[str, bytes]:
        """See core.ports.SealKeys."""
        return list(self._keys.items())[-1]

    def find(self, key_id: str) -> bytes | None:
        """See core.ports.SealKeys."""
        return self._keys.get(key_id)
