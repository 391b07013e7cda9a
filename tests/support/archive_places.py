"""How an archive is told of its stores, in every pair of engines: for a process of its own, and to open it here."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from diana_archive.config import ArchiveConfig
from diana_server.config import load_config
from tests.support import outside
from tests.support.archive_clients import COMPRESSED
from tests.support.archive_doors import DOOR
from tests.support.s3 import BUCKET

STORES = ("default", "short", COMPRESSED)
KINDS = ("files", *outside.OUTSIDE)


def settings(directory: Path, kind: str = "files") -> dict[str, str]:
    """The environment of an archive whose state directory this is; servers that it needs are started."""
    purging = {"grace_period_seconds": 0, "quiet_period_seconds": 1}
    told = {
        "STORES": json.dumps({"short": purging, COMPRESSED: {**purging, "compression": "zstd"}}),
        "SPOOL_DIRS": json.dumps({DOOR: str(directory / DOOR)}),
    }
    if "postgres" in kind:
        told["CATALOGUE_URL"] = outside.database_of(directory)
        told["SEAL_KEY_FILE"] = str(directory / "seal_keys.json")
    if "s3" in kind:
        server = outside.s3()
        told["OBJECT_STORE__BUCKET"] = BUCKET
        told["OBJECT_STORE__PREFIX"] = hashlib.sha256(str(directory).encode()).hexdigest()[:16]
        told["OBJECT_STORE__ENDPOINT"] = server.endpoint
        told["OBJECT_STORE__ALLOW_HTTP"] = "true"
        told["OBJECT_STORE__CONDITIONAL_PUT"] = "false"
        told["OBJECT_STORE__CREDENTIALS_FILE"] = str(outside.credentials_file())
    return {f"DIANA_ARCHIVE_{name}": value for name, value in told.items()}


def config_of(directory: Path, kind: str = "files") -> ArchiveConfig:
    """The same, to open it in this process."""
    environment = {**settings(directory, kind), "DIANA_ARCHIVE_STATE_DIR": str(directory)}
    return load_config(ArchiveConfig, "archive", None, environment)
