"""The names under which large items are sent, so that what breaks goes on where it was."""

from __future__ import annotations

import hashlib
import platform
import uuid
from pathlib import Path

from diana_client.items import UploadItem

RESUMABLE_BYTES = 64 << 20
"""From this size on, an item whose bytes can be read again is sent so that it can be gone on with."""


def name_of(item: UploadItem, store: str) -> str:
    """The name to send an item under; empty for one that is not to be gone on with.

    A file's is the same in every process on this host for as long as the file does not change, so that
    a program that was killed goes on when it is started anew.
    """
    if item.upload_id:
        return item.upload_id
    if not item.repeatable or item.weight < RESUMABLE_BYTES:
        return ""
    return _file_name(item.source, store) if isinstance(item.source, Path) else str(uuid.uuid4())


def _file_name(path: Path, store: str) -> str:
    """Says nothing of the path to whoever reads it."""
    try:
        status = path.stat()
    except OSError:
        return ""
    identity = (store or "default", platform.node(), str(path.absolute()), str(status.st_size), str(status.st_mtime_ns))
    return hashlib.sha256("\0".join(identity).encode(errors="surrogateescape")).hexdigest()
