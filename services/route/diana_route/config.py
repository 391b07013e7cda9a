"""What the route service can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from diana_server.config import PeerConfig, ServerConfig


@dataclass(frozen=True)
class RetryConfig:
    """How often actions are tried."""

    first_seconds: float = 5.0
    """Until the second attempt, at most; each further wait is twice as long, and up to half of it is left to chance."""

    longest_seconds: float = 900.0
    """Between two attempts, at most."""

    give_up_seconds: float = 3 * 86_400.0
    """After which a job whose action was tried in vain is given up, counted from when that action's turn came."""

    def __post_init__(self) -> None:
        if not 0 < self.first_seconds <= self.longest_seconds or self.give_up_seconds < 0:
            raise ValueError("first_seconds must be positive, longest_seconds not less, give_up_seconds not negative")


@dataclass(frozen=True)
class RouteConfig:
    """The route service's configuration."""

    server: ServerConfig = field(default_factory=lambda: ServerConfig(listen="127.0.0.1:50067"))
    """How it listens and what it takes on."""

    state_dir: Path = Path("diana-state/route")
    """Where the journal of jobs lies."""

    rules_file: Path | None = None
    """The rules, YAML (docs/routes.md). `${NAME}` in it is the environment variable of that name, `$$` a dollar sign.
    Without rules nothing moves."""

    folders: tuple[Path, ...] = ()
    """Directories, absolute, that rules may use: what they watch and what they send files to lies below one of them."""

    archive: PeerConfig = field(default_factory=lambda: PeerConfig("127.0.0.1:50061"))
    """The archive that rules put into, follow and send from."""

    index: PeerConfig = field(default_factory=lambda: PeerConfig("127.0.0.1:50062"))
    """The index that queries go to; needed by rules with a query or the action index."""

    anon: PeerConfig = field(default_factory=lambda: PeerConfig("127.0.0.1:50064"))
    """The service that de-identifies; needed by rules with the action anonymize."""

    notify: PeerConfig = field(default_factory=lambda: PeerConfig("127.0.0.1:50065"))
    """The service that tells people; needed by rules with the actions notify and webhook."""

    dimse: PeerConfig = field(default_factory=lambda: PeerConfig("127.0.0.1:50066"))
    """The DICOM door, which knows the peers; needed by rules that send to one."""

    archives: Mapping[str, PeerConfig] = field(default_factory=dict)
    """Other archives of ours that rules send to, by name."""

    retry: RetryConfig = field(default_factory=RetryConfig)
    """How often actions are tried."""

    keep_days: float = 30.0
    """For how long jobs that ended are remembered: `jobs` lists them. A file that still lies in its folder is never
    taken for new."""

    def __post_init__(self) -> None:
        if not all(folder.is_absolute() for folder in self.folders):
            raise ValueError("folders must be absolute paths")
        if self.keep_days <= 0:
            raise ValueError("keep_days must be positive")
