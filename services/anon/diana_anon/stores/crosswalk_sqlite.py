"""The crosswalk's own SQLite file: who each pseudonym stands for, and the log of re-identifications, in sealed rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from diana_anon.core.proof.crosswalk import Passage, Pseudonym
from diana_anon.core.proof.trail import Entry
from diana_anon.core.proof.trail import damaged as entry_damaged
from diana_anon.core.subject import Subject
from diana_anon.stores.crosswalk_cipher import CrosswalkCipher, damaged
from diana_common.settings import config_invalid
from diana_common.sqlite_file import Database

# Without rowids the order of passages is that of their digests, and tells nothing of who came when.
_STEPS = (
    """
    CREATE TABLE passage (place BLOB PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE entry (number INTEGER PRIMARY KEY, sealed BLOB NOT NULL);
    CREATE TABLE newest (one INTEGER PRIMARY KEY CHECK (one = 1), sealed BLOB NOT NULL);
    """,
)
_UNUSED = "SELECT NOT EXISTS (SELECT 1 FROM newest UNION SELECT 1 FROM entry UNION SELECT 1 FROM passage)"
_NO_ENTRY = json.dumps({"number": 0, "digest": ""})


class SqliteCrosswalk:
    """core.crosswalk.CrosswalkStore and core.trail.TrailStore in one file, for one process at a time.

    `newest` seals which entry is the last, so that none can be taken from the end unseen.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        """Made, for its owner only, if absent. Raises STORE_SCHEMA_NEWER, STORE_DAMAGED, CONFIG_INVALID, DISK_FULL."""
        self._cipher = CrosswalkCipher(key)
        self._newest_place = self._cipher.place("newest")
        self._database = Database(path, _STEPS)
        with self._database.writing() as db:
            if db.execute(_UNUSED).fetchone()[0]:
                db.execute("INSERT INTO newest VALUES (1, ?)", (self._cipher.seal(_NO_ENTRY, self._newest_place),))
        if self._newest() is None:
            raise config_invalid("crosswalk.key_file", "is not the key that the crosswalk was written with")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def find(self, pseudonym: Pseudonym) -> Passage | None:
        """See CrosswalkStore."""
        place = self._place(pseudonym)
        with self._database.reading() as db:
            row = db.execute("SELECT sealed FROM passage WHERE place = ?", (place,)).fetchone()
        if row is None:
            return None
        text = self._cipher.open(row[0], place)
        if text is None:
            raise damaged("A row")
        return _passage(json.loads(text))

    def put(self, passages: Sequence[tuple[Pseudonym, Passage]]) -> None:
        """See CrosswalkStore."""
        placed = [(self._place(pseudonym), passage) for pseudonym, passage in passages]
        rows = [
            (place, self._cipher.seal(json.dumps(asdict(passage), default=date.isoformat), place))
            for place, passage in placed
        ]
        with self._database.writing() as db:
            db.executemany("INSERT OR REPLACE INTO passage VALUES (?, ?)", rows)

    def last(self) -> Entry | None:
        """See TrailStore."""
        newest = self._newest()
        if newest is None:
            raise damaged("The newest entry")
        number = newest["number"]
        with self._database.reading() as db:
            highest = db.execute("SELECT max(number) FROM entry").fetchone()[0] or 0
        if highest > number:  # an old `newest` was put back
            raise entry_damaged(number + 1)
        found = self.entries(number, number)
        if number and (not found or found[0].digest != newest["digest"]):
            raise entry_damaged(number)
        return found[0] if found else None

    def append(self, entry: Entry) -> None:
        """See TrailStore."""
        newest = json.dumps({"number": entry.number, "digest": entry.digest})
        sealed = self._cipher.seal(json.dumps(asdict(entry)), self._entry_place(entry.number))
        with self._database.writing() as db:
            db.execute("INSERT INTO entry VALUES (?, ?)", (entry.number, sealed))
            db.execute("UPDATE newest SET sealed = ?", (self._cipher.seal(newest, self._newest_place),))
        # The journal would hold what `newest` was before, for whoever wants to put that back.
        with self._database.reading() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def entries(self, first: int, last: int) -> list[Entry]:
        """See TrailStore."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT number, sealed FROM entry WHERE number BETWEEN ? AND ? ORDER BY number", (first, last)
            ).fetchall()
        return [self._entry(number, sealed) for number, sealed in rows]

    def _newest(self) -> dict[str, Any] | None:
        with self._database.reading() as db:
            row = db.execute("SELECT sealed FROM newest").fetchone()
        text = self._cipher.open(row[0], self._newest_place) if row else None
        newest: dict[str, Any] | None = json.loads(text) if text else None
        return newest

    def _entry(self, number: int, sealed: object) -> Entry:
        text = self._cipher.open(sealed, self._entry_place(number))
        if text is None:
            raise entry_damaged(number)
        members: dict[str, Any] = json.loads(text)
        return Entry(**(members | {"pseudonyms": tuple(members["pseudonyms"])}))

    def _place(self, pseudonym: Pseudonym) -> bytes:
        kind = "study" if pseudonym.of_study else "patient"
        return self._cipher.place("passage", kind, pseudonym.domain, pseudonym.text)

    def _entry_place(self, number: int) -> bytes:
        return self._cipher.place("entry", str(number))


def _passage(members: dict[str, Any]) -> Passage:
    about = members.pop("subject")
    for field in ("birth_date", "reference_date"):
        about[field] = date.fromisoformat(about[field]) if about[field] else None
    return Passage(subject=Subject(**about), **members)
