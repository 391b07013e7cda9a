"""A folder registry in SQL that SQLite and PostgreSQL both understand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diana_index.core.folders.model import Collection, Counts, File, Folder, Kind, Place, Shared, Stamp
from diana_index.stores.databases import Database
from diana_index.stores.folders_run import SqlRun
from diana_index.stores.folders_schema import COLUMNS
from diana_index.stores.folders_statements import forget_unused

_PIECE = 200
_HIGHEST = "\U0010ffff"


class SqlRegistry:
    """See core.folders.registry.Registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def folders(self) -> list[Folder]:
        """See Registry."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT path, (SELECT coalesce(sum(dicom_count), 0) FROM directory WHERE folder = folder.id),"
                " index_time FROM folder ORDER BY path"
            ).fetchall()
        return [Folder(bytes(path), int(count), index_time) for path, count, index_time in rows]

    def begin(self, folder: bytes, run: str) -> SqlRun:
        """See Registry."""
        with self._database.writing() as db:
            found = db.execute("SELECT id, run_name, run, counts FROM folder WHERE path = ?", (folder,)).fetchone()
            if found is None:
                db.execute("INSERT INTO folder (path, run_name, run, counts) VALUES (?, ?, 1, '')", (folder, run))
                found = db.execute("SELECT id, run_name, run, counts FROM folder WHERE path = ?", (folder,)).fetchone()
            number, name, run_number, counts = found
            if name != run:
                run_number, counts = run_number + 1, ""
                values = (run, run_number, number)
                db.execute("UPDATE folder SET run_name = ?, run = ?, counts = '' WHERE id = ?", values)
        return SqlRun(self._database, number, run_number, run, Counts.from_json(counts))

    def forget_folder(self, folder: bytes) -> None:
        """See Registry. Piece by piece; whoever indexes it meanwhile is told."""
        while True:
            with self._database.writing() as db:
                # All of it each time: what began, or took the folder's number, since then is another one's.
                found = db.execute("SELECT id FROM folder WHERE path = ?", (folder,)).fetchone()
                if found is None:
                    return
                db.execute("UPDATE folder SET run = run + 1, run_name = '' WHERE id = ?", found)
                ids = db.execute("SELECT id FROM directory WHERE folder = ? LIMIT ?", (found[0], _PIECE)).fetchall()
                db.executemany("DELETE FROM file WHERE directory = ?", ids)
                db.executemany("DELETE FROM directory WHERE id = ?", ids)
                if not ids:
                    db.execute("DELETE FROM folder WHERE id = ?", found)
                    forget_unused(db)
                    return

    def collections(self, kind: Kind, prefix: str, after: str, limit: int) -> list[tuple[str, int]]:
        """See Registry."""
        column = COLUMNS[kind]
        with self._database.reading() as db:
            rows = db.execute(
                f"SELECT shared.{column}, count(*) FROM shared CROSS JOIN file"
                f" WHERE file.shared = shared.id AND shared.{column} > ? AND shared.{column} >= ?"
                f" AND shared.{column} <= ? GROUP BY shared.{column} ORDER BY shared.{column} LIMIT ?",
                (after, prefix, prefix + _HIGHEST, limit),
            ).fetchall()
        return [(value, int(count)) for value, count in rows]

    def files(self, collection: Collection, after: Place | None, limit: int) -> list[File]:
        """See Registry."""
        place = "folder.path, directory.path, file.name, file.number"
        with self._database.reading() as db:
            rows = db.execute(
                f"SELECT {place}, file.member, file.size, file.stamp_size, file.mtime_ns, file.sop_instance_uid,"
                f" {', '.join(f'shared.{name}' for name in Shared._fields)}"
                " FROM shared CROSS JOIN file CROSS JOIN directory CROSS JOIN folder"
                f" WHERE shared.{COLUMNS[collection.kind]} = ? AND file.shared = shared.id"
                f" AND directory.id = file.directory AND folder.id = directory.folder AND ({place}) > (?, ?, ?, ?)"
                f" ORDER BY {place} LIMIT ?",
                (collection.value, *(after or Place(b"", b"", b"", -1)), limit),
            ).fetchall()
        return [_file(row) for row in rows]

    def check_ready(self) -> None:
        """See Registry."""
        with self._database.reading() as db:
            db.execute("SELECT 1").fetchone()

    def close(self) -> None:
        """See Registry."""
        self._database.close()


def _file(row: Sequence[Any]) -> File:
    folder, directory, name, number, member, size, stamp_size, mtime_ns, sop_instance_uid, *shared = row
    place = Place(bytes(folder), bytes(directory), bytes(name), number)
    return File(place, member, size, Stamp(stamp_size, mtime_ns), sop_instance_uid, Shared(*shared))
