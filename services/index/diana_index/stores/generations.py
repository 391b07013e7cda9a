"""The generations of a state folder: `records-N.sqlite`, and `active`, which names the one that answers."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from diana_common.state_files import make_directory, replace_file
from diana_index.core.follow import AlwaysMine
from diana_index.core.paging import KEY_BYTES
from diana_index.core.store import Generation
from diana_index.stores.sqlite import SqliteGeneration

_POINTER = "active"
_PREFIX = "records-"


class SqliteGenerations(AlwaysMine):
    """Opens the active generation, or makes an empty one, and clears away what a crash left of others."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made if absent. Raises DianaError STORE_SCHEMA_NEWER."""
        make_directory(folder)
        self._folder = folder
        self._lock = threading.Lock()
        self._users: dict[SqliteGeneration, int] = {}
        """How many use each open generation; the active one counts as used by this object."""
        self._active = self._opened() or self._fresh()
        for path in folder.glob(f"{_PREFIX}*.sqlite"):
            if path != self._active.path:
                _remove_database(path)

    @contextmanager
    def active(self) -> Iterator[SqliteGeneration]:
        """The generation that answers now; it stays usable inside the context."""
        with self._lock:
            generation = self._active
            self._users[generation] += 1
        try:
            yield generation
        finally:
            self._release(generation)

    def create(self) -> SqliteGeneration:
        """A new, empty one that answers nothing yet."""
        generation = SqliteGeneration(self._folder / f"{_PREFIX}{secrets.token_hex(8)}.sqlite")
        with self._lock:
            self._users[generation] = 1
        return generation

    def adopt(self, generation: Generation) -> None:
        """Have a created one answer from now on; the one before goes when its last user has.

        Raises OSError, and nothing has changed, if the disk does not take it.
        """
        with self._lock:
            adopted = self._own(generation)
            self._point(adopted)
            before, self._active = self._active, adopted
        self._release(before)

    def standing_still(self) -> AbstractContextManager[None]:
        """No other process writes here."""
        return nullcontext()

    def discard(self, generation: Generation) -> None:
        """Throw a created one away."""
        self._release(self._own(generation))

    def close(self) -> None:
        """Close every generation; nobody may use one any more."""
        with self._lock:
            for generation in self._users:
                generation.close()

    def _own(self, generation: Generation) -> SqliteGeneration:
        return next(one for one in self._users if one is generation)

    def _opened(self) -> SqliteGeneration | None:
        """The active generation of an earlier process; None if it is missing, damaged or of another make."""
        pointer = self._folder / _POINTER
        path = self._folder / pointer.read_text("utf-8").strip() if pointer.exists() else pointer
        if not path.name.startswith(_PREFIX) or not path.exists():
            return None
        try:
            generation = SqliteGeneration(path)
            usable = generation.is_current
        except sqlite3.DatabaseError:
            return None  # whatever it was, the archive's feed has it all
        if not usable:
            generation.close()
            return None
        self._users[generation] = 1
        return generation

    def _fresh(self) -> SqliteGeneration:
        generation = self.create()
        self._point(generation)
        return generation

    def _point(self, generation: SqliteGeneration) -> None:
        replace_file(self._folder / _POINTER, generation.path.name.encode())

    def _release(self, generation: SqliteGeneration) -> None:
        with self._lock:
            self._users[generation] -= 1
            if self._users[generation]:
                return
            del self._users[generation]
        generation.close()
        with suppress(OSError):  # the next start clears away what stays
            _remove_database(generation.path)


def page_token_key(folder: Path) -> bytes:
    """The key that seals page tokens, made on first use; without it, whole, tokens given out are void."""
    path = folder / "page-token.key"
    key = path.read_bytes() if path.exists() else b""
    if len(key) != KEY_BYTES:
        key = secrets.token_bytes(KEY_BYTES)
        replace_file(path, key)
    return key


def _remove_database(path: Path) -> None:
    """Remove a file of SQLite's, with what lies beside it. Raises OSError."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
