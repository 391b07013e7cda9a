"""What a folder registry in SQL is written with."""

from __future__ import annotations

import hashlib

from diana_index.stores.connection import Connection


def digest(*parts: bytes | str) -> str:
    """What stands for something that is too long for an index."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


def forget_unused(db: Connection) -> None:
    """Forget the values that no file has any more."""
    db.execute("DELETE FROM shared WHERE NOT EXISTS (SELECT 1 FROM file WHERE file.shared = shared.id)")
