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

    settle_period_seconds: int = 5
    """How long after the end of an association or upload session, as a door reports it, nothing more may arrive for
    its study to be declared complete."""

    retention_seconds: int = 0
    """How long after its last arrival a study is deleted by itself, with the grace period as ever; its plain attribute
    "hold", whatever its value, keeps it. 0 means never."""

    quota_bytes: int = 0
    """How many bytes of instances the store may hold, older versions and deleted ones included; 0 means no limit."""

    quota_policy: str = "refuse"
    """What happens to an instance that would pass the quota: "refuse", or "delete_oldest": what is deleted is purged,
    then the studies that nothing was added to for longest are, without a grace period, until the store is below nine
    tenths of its quota. Those with the plain attribute "hold" are kept. Newcomers are stored meanwhile, up to a tenth
    beyond the quota."""

    compression: str = "none"
    """How the bytes are kept: "none", as they came, or "zstd", compressed with Zstandard where that makes an object
    smaller by a tenth or more. What is read is the same. It may be changed at any time, and is for what comes then."""

    def __post_init__(self) -> None:
        if self.conflict_policy not in ("refuse", "keep_both"):
            raise ValueError("conflict_policy must be refuse or keep_both")
        periods = (
            self.quiet_period_seconds,
            self.grace_period_seconds,
            self.settle_period_seconds,
            self.retention_seconds,
        )
        if min(periods) < 0:
            raise ValueError("periods must not be negative")
        if self.quota_bytes < 0:
            raise ValueError("quota_bytes must not be negative")
        if self.quota_policy not in ("refuse", "delete_oldest"):
            raise ValueError("quota_policy must be refuse or delete_oldest")
        if self.compression not in ("none", "zstd"):
            raise ValueError("compression must be none or zstd")


@dataclass(frozen=True)
class ObjectStoreConfig:
    """An S3-compatible object store. Its lifecycle rules should end multipart uploads that were left unfinished."""

    bucket: str
    """The bucket, which must be there."""

    prefix: str = ""
    """What all keys begin with, for a bucket that has other things too."""

    endpoint: str = ""
    """The server's URL; AWS in `region` when empty."""

    region: str = "us-east-1"
    """The region that requests are signed for."""

    path_style: bool = True
    """Whether the bucket stands in the path of a URL; in its host name otherwise."""

    allow_http: bool = False
    """Whether the endpoint may be plain HTTP, which is for loopback only."""

    ca_file: Path | None = None
    """An authority to trust besides the system's, PEM."""

    credentials_file: Path | None = None
    """A file as AWS tools keep it: aws_access_key_id, aws_secret_access_key and, if need be, aws_session_token in a
    section [default]; read again every few minutes. Without it, the environment (AWS_ACCESS_KEY_ID and the like) or the
    machine's role has them."""

    conditional_put: bool = True
    """Whether objects are put with If-None-Match, so that none is ever overwritten. For servers that refuse it: off."""

    timeout_seconds: float = 30.0
    """How long a request for up to 8 MiB may take; its repetitions may take as long again."""

    def __post_init__(self) -> None:
        if not self.bucket:
            raise ValueError("bucket must be named")
        if self.endpoint and not self.endpoint.startswith(("https://", "http://")):
            raise ValueError("endpoint must be a URL")
        if self.endpoint.startswith("http://") and not self.allow_http:
            raise ValueError("endpoint is plain HTTP: needs allow_http")
        if self.timeout_seconds <= 0:
            raise ValueError("timeout_seconds must be positive")


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

    catalogue_url: str = field(default="", repr=False)
    """The PostgreSQL database of the catalogue and the operations, "postgresql://USER@HOST/DATABASE"; SQLite in
    `state_dir` when empty. Keep the password out of it: libpq finds it in the file that PGPASSFILE names, or in
    PGPASSWORD. Ask for TLS with ?sslmode=verify-full."""

    object_store: ObjectStoreConfig | None = None
    """Where objects and sidecars lie when not in `state_dir`; several archive processes may share it together with a
    catalogue in PostgreSQL."""

    durability: str = "power_cut"
    """What an acknowledged change outlives: "power_cut", or "process_crash" alone, which waits for no disk. Then a
    power cut, or a crash of the operating system, takes about the last minute of what was acknowledged; followers begin
    anew after it, and a verification with repair tells what is missing. That a disk failed to write is not noticed
    either. It is for files and SQLite in `state_dir`: PostgreSQL and S3 keep to their own."""

    max_instance_bytes: int = 4 * GIB
    """The largest instance taken, as a Part 10 file."""

    backup_dir: Path | None = None
    """Where BackUpArchive keeps a copy of everything but the seal keys, on another disk; no backups when absent."""

    import_dirs: tuple[Path, ...] = ()
    """Absolute paths of the folders that ImportInstances may read from, with all below them; none unless named."""

    upload_lifetime_seconds: int = 86_400
    """For how long what has arrived of a resumable upload is kept while nothing more comes."""

    spool_dirs: Mapping[str, Path] = field(default_factory=dict)
    """Absolute paths of the directories whose files AdoptInstances may take over, by the door's name: lower-case
    letters, digits, "-" and "_". The archive must be able to read and remove what the door leaves there; nobody else
    should be able to write. None unless named."""

    seal_key_file: Path | None = None
    """The keys of sealed attributes, made on first use; `state_dir`/seal_keys.json when absent. Keep a copy
    elsewhere: without it, nobody opens what is sealed."""

    def __post_init__(self) -> None:
        if not all(_STORE_NAME.fullmatch(name) for name in self.stores):
            raise ValueError("a store's name is up to 63 lower-case letters, digits, '-' and '_'")
        if not all(one.is_absolute() for one in self.import_dirs):
            raise ValueError("import_dirs must be absolute paths")
        if not all(_STORE_NAME.fullmatch(name) for name in self.spool_dirs):
            raise ValueError("a door's name is up to 63 lower-case letters, digits, '-' and '_'")
        if not all(one.is_absolute() for one in self.spool_dirs.values()):
            raise ValueError("spool_dirs must be absolute paths")
        if self.upload_lifetime_seconds < 1:
            raise ValueError("upload_lifetime_seconds must be positive")
        if self.catalogue_url and not self.catalogue_url.startswith(("postgresql://", "postgres://")):
            raise ValueError("catalogue_url must begin with postgresql://")
        if self.catalogue_url and self.backup_dir:
            raise ValueError("backup_dir is for SQLite: back up PostgreSQL with pg_dump, then the objects")
        if self.is_shared and not self.seal_key_file:
            raise ValueError("seal_key_file must be named, the same for every archive process that shares the stores")
        if self.durability not in ("power_cut", "process_crash"):
            raise ValueError("durability must be power_cut or process_crash")
        if self.is_shared and not self.outlives_power_cuts:
            raise ValueError("durability is for state_dir: with PostgreSQL and S3 nothing of the stores lies there")
        if self.max_instance_bytes < 1:
            raise ValueError("max_instance_bytes must be positive")

    @property
    def is_shared(self) -> bool:
        """Whether several archive processes may have the same stores."""
        return bool(self.catalogue_url and self.object_store)

    @property
    def outlives_power_cuts(self) -> bool:
        """Whether what is acknowledged does."""
        return self.durability == "power_cut"
