"""One indexing of a folder, written to a registry in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from diana_common.errors import DianaError, Reason
from diana_index.core.folders.model import Counts, Shared, Stamp
from diana_index.core.folders.registry import Changes, DirectoryState, Known, Row
from diana_index.stores.connection import Connection
from diana_index.stores.databases import Database
from diana_index.stores.folders_statements import digest, forget_unused

_NAMES = 500
_CACHED = 10_000
_KNOWN = (
    "SELECT name, stamp_size, mtime_ns, run, dicom_count, skipped_count FROM file"
    f" WHERE directory = ? AND number = 0 AND name IN ({', '.join('?' * _NAMES)})"
)
_SHARED = (
    f"INSERT INTO shared (digest, {', '.join(Shared._fields)})"
    f" VALUES (?, {', '.join('?' for _ in Shared._fields)}) ON CONFLICT DO NOTHING"
)
_FILE = (
    f"INSERT INTO file VALUES ({', '.join('?' * 12)}) ON CONFLICT (directory, name, number) DO UPDATE SET"
    " member = excluded.member, size = excluded.size, stamp_size = excluded.stamp_size,"
    " mtime_ns = excluded.mtime_ns, sop_instance_uid = excluded.sop_instance_uid, shared = excluded.shared,"
    " dicom_count = excluded.dicom_count, skipped_count = excluded.skipped_count, run = excluded.run"
)


class SqlRun:
    """See core.folders.registry.Run. For one thread."""

    def __init__(self, database: Database, folder: int, number: int, name: str, counts: Counts) -> None:
        self.counts = counts
        self._database = database
        self._folder = folder
        self._number = number
        self._name = name
        self._directories: dict[bytes, int] = {}

    def directory(self, path: bytes) -> DirectoryState:
        """See Run."""
        with self._database.reading() as db:
            found = self._find(db, path)
            if found is None:
                return DirectoryState(False, 0)
            entries = db.execute("SELECT count(*) FROM file WHERE directory = ? AND number = 0", found[:1]).fetchone()
        return DirectoryState(found[1] == self._number, int(entries[0]))

    def known(self, directory: bytes, names: Sequence[bytes]) -> dict[bytes, Known]:
        """See Run."""
        known: dict[bytes, Known] = {}
        with self._database.reading() as db:
            found = self._find(db, directory)
            for start in range(0, len(names), _NAMES):
                if found is None:
                    break
                piece = list(names[start : start + _NAMES])
                # Always as many: one statement to prepare.
                values = (found[0], *piece, *[piece[-1]] * (_NAMES - len(piece)))
                for name, size, mtime_ns, run, dicom_count, skipped_count in db.execute(_KNOWN, values):
                    fresh = run == self._number
                    known[bytes(name)] = Known(Stamp(size, mtime_ns), fresh, dicom_count, skipped_count)
        return known

    def names(self, directory: bytes) -> Iterator[Sequence[tuple[bytes, int]]]:
        """See Run."""
        with self._database.reading() as db:
            found = self._find(db, directory)
        after = b""
        while found:
            with self._database.reading() as db:
                rows = db.execute(
                    "SELECT name, dicom_count FROM file WHERE directory = ? AND number = 0 AND name > ?"
                    " ORDER BY name LIMIT ?",
                    (found[0], after, _NAMES),
                ).fetchall()
            if not rows:
                return
            yield [(bytes(name), dicom_count) for name, dicom_count in rows]
            after = rows[-1][0]

    def write(self, changes: Changes) -> None:
        """See Run."""
        try:
            with self._database.writing() as db:
                self._update(db, changes.counts)
                removed = [(self._id(db, directory), name) for directory, name in changes.removed]
                db.executemany("DELETE FROM file WHERE directory = ? AND name = ?", removed)
                db.executemany(_FILE, self._rows(db, changes.rows))
                done = [(self._number, count, self._id(db, directory)) for directory, count in changes.done]
                db.executemany("UPDATE directory SET run = ?, dicom_count = ? WHERE id = ?", done)
        except BaseException:
            self._directories.clear()
            raise
        if len(self._directories) > _CACHED:
            self._directories.clear()

    def stale(self) -> Iterator[Sequence[bytes]]:
        """See Run."""
        after = ""
        while True:
            with self._database.reading() as db:
                rows = db.execute(
                    "SELECT path, digest FROM directory WHERE folder = ? AND run <> ? AND digest > ?"
                    " ORDER BY digest LIMIT ?",
                    (self._folder, self._number, after, _NAMES),
                ).fetchall()
            if not rows:
                return
            yield [bytes(path) for path, _ in rows]
            after = rows[-1][1]

    def forget(self, directories: Sequence[bytes], counts: Counts) -> int:
        """See Run."""
        self._directories.clear()
        with self._database.writing() as db:
            ids = [found[:1] for path in directories if (found := self._find(db, path))]
            total = sum(db.execute("SELECT dicom_count FROM directory WHERE id = ?", one).fetchone()[0] for one in ids)
            db.executemany("DELETE FROM file WHERE directory = ?", ids)
            db.executemany("DELETE FROM directory WHERE id = ?", ids)
            self._update(db, counts.plus(Counts(forgotten=total)))
        return int(total)

    def finish(self, now: float) -> None:
        """See Run."""
        with self._database.writing() as db:
            self._check(db)
            db.execute("UPDATE folder SET index_time = ? WHERE id = ?", (now, self._folder))
            forget_unused(db)

    def _check(self, db: Connection) -> None:
        """See that the folder was not forgotten meanwhile: another may have its number then."""
        mine = (self._folder, self._number, self._name)
        if db.execute("SELECT 1 FROM folder WHERE id = ? AND run = ? AND run_name = ?", mine).fetchone() is None:
            raise DianaError(Reason.SOURCE_NOT_FOUND, "The folder was forgotten while it was indexed.")

    def _update(self, db: Connection, counts: Counts) -> None:
        self._check(db)
        db.execute("UPDATE folder SET counts = ? WHERE id = ?", (counts.to_json(), self._folder))

    def _find(self, db: Connection, path: bytes) -> tuple[int, int] | None:
        """A directory's id, and the run in which it was done."""
        values = (self._folder, digest(path))
        found: tuple[int, int] | None = db.execute(
            "SELECT id, run FROM directory WHERE folder = ? AND digest = ?", values
        ).fetchone()
        return found

    def _id(self, db: Connection, path: bytes) -> int:
        """A directory's id; it is made if need be."""
        number = self._directories.get(path)
        if number is None:
            found = self._find(db, path)
            if found is None:
                values = (self._folder, digest(path), path)
                db.execute(
                    "INSERT INTO directory (folder, digest, path, run, dicom_count) VALUES (?, ?, ?, 0, 0)", values
                )
                found = self._find(db, path)
            number = self._directories[path] = found[0] if found else 0
        return number

    def _rows(self, db: Connection, rows: Sequence[tuple[bytes, Row]]) -> list[tuple[Any, ...]]:
        """As the table has them; what they refer to is there then."""
        ids = {directory: self._id(db, directory) for directory in {directory for directory, _ in rows}}
        values = {row.shared for _, row in rows}
        shared: dict[Shared | None, int | None] = {one: self._shared_id(db, one) for one in values}
        run = self._number
        return [(ids[directory], *row[:7], shared[row[7]], row[8], row[9], run) for directory, row in rows]

    def _shared_id(self, db: Connection, shared: Shared | None) -> int | None:
        if shared is None:
            return None
        key = digest(*shared)
        db.execute(_SHARED, (key, *shared))
        return int(db.execute("SELECT id FROM shared WHERE digest = ?", (key,)).fetchone()[0])
