"""Where anon's own state lives: receipts and quarantine in SQLite, the signing key in a file."""
