"""Where the archive's state lives: the catalogue in SQLite, objects and sidecars in files or in memory."""
