"""The tables of `proof.sqlite`. Digests are 32 bytes; actions are JSON, deflated, kept once for all that share them.

Those of persons are keyed and 16 bytes: of each word of the name, in a row; empty of what is not known. `persons_key`
tells whether the key is still the same. `bound_for` is the store that an instance is on its way to; empty once it is
there. `study` has the source's Study Instance UID sealed, under its keyed digest, and the new one beside it.
"""

from __future__ import annotations

STEPS = (
    """
    CREATE TABLE actions (sha256 BLOB PRIMARY KEY, deflated BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE receipt (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        operation TEXT NOT NULL,
        study_uid TEXT NOT NULL,
        sop_instance_uid TEXT NOT NULL,
        result_sha256 BLOB NOT NULL,
        statement BLOB NOT NULL,
        signature BLOB NOT NULL,
        key_id TEXT NOT NULL,
        actions BLOB NOT NULL REFERENCES actions (sha256)
    );
    CREATE UNIQUE INDEX receipt_once ON receipt (operation, sop_instance_uid);
    CREATE INDEX receipt_study ON receipt (study_uid, sop_instance_uid, number);
    CREATE INDEX receipt_instance ON receipt (sop_instance_uid, number);
    CREATE INDEX receipt_result ON receipt (result_sha256, number);
    CREATE TABLE quarantine (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        operation TEXT NOT NULL,
        source_store TEXT NOT NULL,
        study_uid TEXT NOT NULL,
        sop_instance_uid TEXT NOT NULL,
        source_sha256 BLOB NOT NULL,
        profile TEXT NOT NULL,
        profile_sha256 BLOB NOT NULL,
        why INTEGER NOT NULL,
        detail TEXT NOT NULL,
        created REAL NOT NULL,
        released_by TEXT NOT NULL DEFAULT ''
    );
    CREATE UNIQUE INDEX quarantine_once ON quarantine (operation, source_sha256, why);
    CREATE INDEX quarantine_source ON quarantine (source_sha256, profile_sha256, why, released_by);
    """,
    """
    CREATE TABLE persons (
        domain TEXT NOT NULL,
        pseudonym BLOB NOT NULL,
        subject_key BLOB NOT NULL,
        name BLOB NOT NULL,
        birth_date BLOB NOT NULL,
        PRIMARY KEY (domain, pseudonym)
    ) WITHOUT ROWID;
    CREATE TABLE persons_key (one INTEGER PRIMARY KEY CHECK (one = 1), sealed BLOB NOT NULL);
    """,
    """
    ALTER TABLE receipt ADD COLUMN bound_for TEXT NOT NULL DEFAULT '';
    DROP INDEX receipt_once;
    CREATE UNIQUE INDEX receipt_once ON receipt (operation, sop_instance_uid, result_sha256);
    CREATE INDEX receipt_bound ON receipt (bound_for, operation, study_uid) WHERE bound_for <> '';
    CREATE TABLE study (
        operation TEXT NOT NULL,
        source BLOB NOT NULL,
        sealed BLOB NOT NULL,
        study_uid TEXT NOT NULL DEFAULT '',
        refused INTEGER NOT NULL DEFAULT 0,
        whole INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (operation, source)
    ) WITHOUT ROWID;
    """,
)
"""What brings a file from each version to the next, the first from nothing; a file's version is how many it has had."""
