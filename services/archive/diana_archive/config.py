"""What the archive can be told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from diana_server.config import ServerConfig

GIB = 1024**3
_STORE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class StoreConfig:
    """How one store behaves."""

    conflict_policy: str = "refuse"
    """What happens when another data set arrives under a SOP Instance UID that the store holds: "refuse", or
    "keep_both" (the newer is current, the older is read by its version)."""

    quiet_period_seconds: int = 60
    """How long a study must stay unchanged before it is declared complete; 0 means never by itself."""

    grace_period_seconds: int = 7 * 86_400
    """For how long deleted instances can be restored."""

    def __post_init__(self) -> None:
        if self.conflict_policy not in ("refuse", "keep_both"):
            raise ValueError("conflict_policy must be refuse or keep_both")
        if self.quiet_period_seconds < 0 or self.grace_period_seconds < 0:
            raise ValueError("periods must not be negative")


@dataclass(frozen=True)
class ArchiveConfig:
    """The archive's configuration."""

    server: ServerConfig = field(default_factory=lambda: ServerConfig(listen="127.0.0.1:50061"))
    """How it listens and what it takes on."""

    state_dir: Path = Path("diana-state/archive")
    """Where the catalogue, the objects and the sidecars lie; for one process at a time."""

    stores: Mapping[str, StoreConfig] = field(default_factory=lambda: {"deid": StoreConfig()})
    """The stores by name: lower-case letters, digits, "-" and "_"; "default" is always there. Unless some are named
    there is one for de-identified studies, "deid"."""

    max_instance_bytes: int = 4 * GIB
    """The largest instance taken, as a Part 10 file."""

    backup_dir: Path | None = None
    """Where BackUpArchive keeps a copy of everything but the seal keys, on another disk; no backups when absent."""

    seal_key_file: Path | None = None
    """The keys of sealed attributes, made on first use; `state_dir`/seal_keys.json when absent. Keep a copy
    elsewhere: without it, nobody opens what is sealed."""

    def __post_init__(self) -> None:
        if not all(_STORE_NAME.fullmatch(name) for name in self.stores):
            raise ValueError("a store's name is up to 63 lower-case letters, digits, '-' and '_'")
        if self.max_instance_bytes < 1:
            raise ValueError("max_instance_bytes must be positive")
