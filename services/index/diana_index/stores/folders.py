"""Where a folder registry is kept, by its URL."""

from __future__ import annotations

from pathlib import Path

from diana_index.core.folders.registry import Registry
from diana_index.stores.databases import open_database
from diana_index.stores.folders_schema import FOLDERS
from diana_index.stores.folders_sql import SqlRegistry


def open_registry(url: str, path: Path, redis_prefix: str) -> Registry:
    """The registry at a URL, postgresql:// or redis://; in the SQLite file `path` without one.

    Keys in Redis begin with `redis_prefix`.

    Raises DianaError CONFIG_INVALID, STORE_SCHEMA_NEWER, PEER_UNAVAILABLE.
    """
    if not url or url.startswith(("postgresql://", "postgres://")):
        return SqlRegistry(open_database(url, path, FOLDERS))
    # Loaded only where it is needed: it takes memory.
    from diana_index.stores.folders_redis import open_redis

    return open_redis(url, redis_prefix)
