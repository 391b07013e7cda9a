"""What the index service can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from diana_server.config import PeerConfig, ServerConfig


@dataclass(frozen=True)
class IndexConfig:
    """The index's configuration."""

    server: ServerConfig = field(default_factory=lambda: ServerConfig(listen="127.0.0.1:50062"))
    """How it listens and what it takes on."""

    state_dir: Path = Path("diana-state/index")
    """Where the records lie. All of it can be thrown away: it is derived again from the archive."""

    archive: PeerConfig = field(default_factory=lambda: PeerConfig("127.0.0.1:50061"))
    """The archive to follow. An index belongs to one; pointed at another, it rebuilds itself from that one."""
