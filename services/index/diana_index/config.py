"""What the index service can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from diana_server.config import PeerConfig, ServerConfig

_REGISTRIES = ("postgresql://", "postgres://", "redis://", "rediss://")


@dataclass(frozen=True)
class IndexConfig:
    """The index's configuration."""

    server: ServerConfig = field(default_factory=lambda: ServerConfig(listen="127.0.0.1:50062"))
    """How it listens and what it takes on."""

    state_dir: Path = Path("diana-state/index")
    """Where the records lie, which are derived again, from the archive and from folders that are indexed anew, if they
    are thrown away; and, unless `database_url` has it, in written.sqlite what people wrote and nothing derives: back
    that up."""

    archive: PeerConfig = field(default_factory=lambda: PeerConfig("127.0.0.1:50061"))
    """The archive to follow. An index belongs to one; pointed at another, it rebuilds itself from that one."""

    database_url: str = field(default="", repr=False)
    """The PostgreSQL database of the records and the operations, "postgresql://USER@HOST/DATABASE", with the encoding
    UTF8, for the index alone; SQLite in `state_dir` when empty. Several index processes may share it: one of them
    follows the archive, all answer. Keep the password out of it: libpq finds it in the file that PGPASSFILE names, or
    in PGPASSWORD. Ask for TLS with ?sslmode=verify-full."""

    folder_dirs: tuple[Path, ...] = ()
    """Absolute paths of the folders that IndexFolder may read, with all below them; none unless named."""

    folder_registry: str = ""
    """Where the files of indexed folders are known: the URL of a PostgreSQL database (postgresql://), or of a Redis
    (redis://, rediss://); when empty the database of `database_url`, or a SQLite file in `state_dir`. Index processes
    that share a database share it too, and need the same `folder_dirs`; any other index needs its own."""

    folder_redis_prefix: str = "diana:findex:"
    """What keys in Redis begin with; the files of an accession number are the set PREFIXaccession_number:VALUE."""

    folder_processes: int = 2
    """How many processes read the headers of a folder that is being indexed: 1 to 64."""

    def __post_init__(self) -> None:
        if self.database_url and not self.database_url.startswith(("postgresql://", "postgres://")):
            raise ValueError("database_url must begin with postgresql://")
        if not all(one.is_absolute() for one in self.folder_dirs):
            raise ValueError("folder_dirs must be absolute paths")
        if self.folder_registry and not self.folder_registry.startswith(_REGISTRIES):
            raise ValueError("folder_registry must begin with postgresql:// or redis://")
        if not 1 <= self.folder_processes <= 64:
            raise ValueError("folder_processes must be 1 to 64")
