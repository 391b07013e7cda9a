"""What the index service can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from diana_server.config import ServerConfig


@dataclass(frozen=True)
class ArchiveConfig:
    """The archive to follow."""

    address: str = "127.0.0.1:50061"
    """Host and port. An index belongs to one archive; pointed at another, it rebuilds itself from that one."""

    ca_file: Path | None = None
    """The authorities to trust, PEM; plain text when absent, which is for loopback only."""

    cert_file: Path | None = None
    """The certificate chain to show, PEM; needs `key_file` and `ca_file`."""

    key_file: Path | None = None
    """Its private key, PEM."""

    token_file: Path | None = None
    """A file with the token to show; needs `ca_file`. It is read again when it is renewed."""

    def __post_init__(self) -> None:
        if self.ca_file is None and (self.cert_file or self.key_file or self.token_file):
            raise ValueError("cert_file, key_file and token_file need ca_file")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")


@dataclass(frozen=True)
class IndexConfig:
    """The index's configuration."""

    server: ServerConfig = field(default_factory=lambda: ServerConfig(listen="127.0.0.1:50062"))
    """How it listens and what it takes on."""

    state_dir: Path = Path("diana-state/index")
    """Where the records lie. All of it can be thrown away: it is derived again from the archive."""

    archive: ArchiveConfig = field(default_factory=ArchiveConfig)
    """The archive to follow."""
