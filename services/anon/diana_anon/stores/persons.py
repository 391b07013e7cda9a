"""The persons in SQLite: digests under a key of this place alone, which tell whether two are one, and not who."""

from __future__ import annotations

from pathlib import Path

from diana_anon.stores.keyed import keyed_digest, read_key
from diana_common.same_person import Person
from diana_common.settings import config_invalid
from diana_common.sqlite_file import Database

_BYTES = 16
"""Of a digest that are kept: nobody without the key makes two alike."""

_SETTING = "state_dir"


class SqlitePersons:
    """core.persons.PersonStore."""

    def __init__(self, database: Database, key_file: Path) -> None:
        """The key is made, for its owner only, before the first person is kept.

        Raises CONFIG_INVALID for one that is lost, or is not the key that the persons were written with: with another
        nobody would be found, and people merged.
        """
        self._database = database
        with database.reading() as db:
            row = db.execute("SELECT sealed FROM persons_key").fetchone()
        self._key = read_key(key_file, create=row is None, setting=_SETTING)
        mark = keyed_digest(self._key, "persons")
        if row is None:
            with database.writing() as db:
                db.execute("INSERT INTO persons_key VALUES (1, ?)", (mark,))
        elif row[0] != mark:
            raise config_invalid(_SETTING, f"{key_file.name} is not the key that the persons were written with")

    def derived_key(self, what: str) -> bytes:
        """A key of 32 bytes for something else in the same file, so that this one's key is the only one to keep."""
        return keyed_digest(self._key, "key", what)

    def masked(self, domain: str, pseudonym: str, person: Person) -> Person:
        """See PersonStore. Bound to the pseudonym, so that a name that many have is not seen to be one."""
        return person.masked(lambda what, text: self._digest(what, domain, pseudonym, text).hex())

    def find(self, domain: str, pseudonym: str) -> Person | None:
        """See PersonStore."""
        with self._database.reading() as db:
            row = db.execute(
                "SELECT subject_key, name, birth_date FROM persons WHERE domain = ? AND pseudonym = ?",
                (domain, self._digest("pseudonym", domain, pseudonym)),
            ).fetchone()
        if row is None:
            return None
        key, name, birth_date = row
        words = frozenset(name[at : at + _BYTES].hex() for at in range(0, len(name), _BYTES))
        return Person(key.hex(), words, birth_date.hex())

    def put(self, domain: str, pseudonym: str, person: Person) -> None:
        """See PersonStore."""
        digests = (person.key, "".join(sorted(person.name)), person.birth_date)
        row = domain, self._digest("pseudonym", domain, pseudonym), *map(bytes.fromhex, digests)
        with self._database.writing() as db:
            db.execute("INSERT OR REPLACE INTO persons VALUES (?, ?, ?, ?, ?)", row)

    def _digest(self, *words: str) -> bytes:
        return keyed_digest(self._key, *words)[:_BYTES]
