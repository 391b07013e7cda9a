"""A SQLite file that a service keeps for itself: one connection, durable at every commit."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from diana_common.errors import DianaError, Reason
from diana_common.settings import config_invalid
from diana_common.state_files import make_directory, make_private_file


class Database:
    """For one process at a time. Safe to use from several threads."""

    def __init__(self, path: Path, steps: Sequence[str]) -> None:
        """Made, for its owner only, if absent; brought to the newest schema, which `steps` lead to, one a version.

        Raises DianaError STORE_SCHEMA_NEWER, STORE_DAMAGED, CONFIG_INVALID, DISK_FULL.
        """
        self._lock = threading.Lock()
        self._name = path.name
        try:
            make_directory(path.parent)
            make_private_file(path)
        except OSError as error:
            raise config_invalid("state_dir", f"the directory cannot be used ({error.strerror})") from None
        with self._typed():
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            # Patient values that were removed shall be gone.
            self._db.execute("PRAGMA secure_delete = ON")
            self._bring_up(steps)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Statements that are each by themselves. Raises STORE_DAMAGED."""
        with self._lock, self._typed():
            yield self._db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, undone if the block raises. Raises DISK_FULL, STORE_DAMAGED."""
        with self._lock, self._typed():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            finally:
                # A full disk ends some transactions by itself, and leaves others open when it is the commit that fails.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _bring_up(self, steps: Sequence[str]) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(steps):
            text = f"{self._name} has schema {version}, newer than this version's."
            raise DianaError(Reason.STORE_SCHEMA_NEWER, text)
        if version < len(steps):
            script = "".join(steps[version:])
            self._db.executescript(f"BEGIN; {script} PRAGMA user_version = {len(steps)}; COMMIT;")

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorname", "").startswith("SQLITE_FULL"):
                raise DianaError(Reason.DISK_FULL, f"The disk of {self._name} is full; nothing was kept.") from None
            raise
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
                raise DianaError(Reason.STORE_DAMAGED, f"state_dir: {self._name} cannot be read.") from None
            raise
