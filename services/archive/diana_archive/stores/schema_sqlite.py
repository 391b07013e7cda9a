"""The catalogue's triggers in SQLite."""

from __future__ import annotations

import sqlite3

from diana_archive.stores import schema

_TRIGGERS = """
CREATE TRIGGER instance_added AFTER INSERT ON instance BEGIN
  UPDATE series SET instance_count = instance_count + 1, size_bytes = size_bytes + NEW.size_bytes
    WHERE id = NEW.series_id;
  UPDATE study SET first_us = iif(instance_count = 1, NEW.store_us, first_us), last_us = NEW.store_us,
      arrival_us = NEW.store_us, complete = 0
    WHERE id = (SELECT study_id FROM series WHERE id = NEW.series_id);
END;
CREATE TRIGGER instance_moved AFTER UPDATE OF state ON instance WHEN OLD.state <> NEW.state BEGIN
  UPDATE series SET instance_count = instance_count + (NEW.state = 0) - (OLD.state = 0),
      size_bytes = size_bytes + NEW.size_bytes * ((NEW.state = 0) - (OLD.state = 0))
    WHERE id = NEW.series_id AND (NEW.state = 0) <> (OLD.state = 0);
  UPDATE store SET hidden_count = hidden_count + (NEW.state IN (1, 2)) - (OLD.state IN (1, 2)),
      hidden_bytes = hidden_bytes + NEW.size_bytes * ((NEW.state IN (1, 2)) - (OLD.state IN (1, 2)))
    WHERE id = NEW.store_id AND (NEW.state IN (1, 2)) <> (OLD.state IN (1, 2));
END;
CREATE TRIGGER series_counted AFTER UPDATE OF instance_count ON series BEGIN
  UPDATE study SET instance_count = instance_count + NEW.instance_count - OLD.instance_count,
      size_bytes = size_bytes + NEW.size_bytes - OLD.size_bytes,
      series_count = series_count + (NEW.instance_count > 0) - (OLD.instance_count > 0)
    WHERE id = NEW.study_id;
END;
CREATE TRIGGER study_counted AFTER UPDATE OF instance_count ON study BEGIN
  UPDATE store SET instance_count = instance_count + NEW.instance_count - OLD.instance_count,
      size_bytes = size_bytes + NEW.size_bytes - OLD.size_bytes,
      series_count = series_count + NEW.series_count - OLD.series_count,
      study_count = study_count + (NEW.instance_count > 0) - (OLD.instance_count > 0)
    WHERE id = NEW.store_id;
END;
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables, or bring them up to date. Raises DianaError STORE_SCHEMA_NEWER."""
    empty = connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    version = 0 if empty else int(schema.read_meta(connection, "schema"))
    schema.check_version(version)
    if version < schema.VERSION:
        connection.executescript(f"BEGIN IMMEDIATE; {schema.statements(version, {}, _TRIGGERS)} COMMIT;")
