"""The studies of operations in SQLite: which of a source became which is sealed, as in the crosswalk."""

from __future__ import annotations

from diana_anon.core.ports import StudyEntry
from diana_anon.stores.crosswalk_cipher import CrosswalkCipher
from diana_common.errors import DianaError, Reason
from diana_common.sqlite_file import Database


class SqliteStudyBook:
    """core.ports.StudyBook. `key` is 32 bytes, and lies elsewhere."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._cipher = CrosswalkCipher(key)

    def begin(self, operation: str, source_study_uid: str) -> None:
        """See StudyBook."""
        place = self._place(operation, source_study_uid)
        row = operation, place, self._cipher.seal(source_study_uid, place)
        with self._database.writing() as db:
            db.execute("INSERT OR IGNORE INTO study (operation, source, sealed) VALUES (?, ?, ?)", row)

    def enter(self, operation: str, entry: StudyEntry) -> None:
        """See StudyBook."""
        row = entry.study_uid, entry.refused, entry.whole, operation, self._place(operation, entry.source_study_uid)
        with self._database.writing() as db:
            db.execute(
                "UPDATE study SET study_uid = coalesce(nullif(?, ''), study_uid), refused = max(refused, ?), whole = ?"
                " WHERE operation = ? AND source = ?",
                row,
            )

    def entries(self, operation: str) -> list[StudyEntry]:
        """See StudyBook."""
        columns = "source, sealed, study_uid, refused, whole"
        sql = f"SELECT {columns} FROM study WHERE operation = ? ORDER BY study_uid, source"
        with self._database.reading() as db:
            rows = db.execute(sql, (operation,)).fetchall()
        return [
            StudyEntry(self._opened(sealed, place), uid, refused, bool(whole))
            for place, sealed, uid, refused, whole in rows
        ]

    def _place(self, operation: str, source_study_uid: str) -> bytes:
        return self._cipher.place("study of an operation", operation, source_study_uid)

    def _opened(self, sealed: bytes, place: bytes) -> str:
        text = self._cipher.open(sealed, place)
        if text is None:
            raise DianaError(Reason.STORE_DAMAGED, "A study in proof.sqlite is not as it was written.")
        return text.rstrip()
