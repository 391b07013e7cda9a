"""What the route service can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diana_common.attempts import RetryPolicy
from diana_server.config import PeerConfig, ServerConfig


@dataclass(frozen=True)
class CollectConfig:
    """How lists of studies are collected."""

    staging_store: str = "staging"
    """The archive's store that studies are retrieved into which do not stay there. What is brought there is deleted
    from it once it is delivered: it is a store of its own, which no rule and nobody else uses. It has to be among the
    archive's `stores`; for DICOM peers, an AE title of the DICOM door has to receive into it."""

    attempts: int = 10
    """How often a step of a study is tried that another service, or the destination, does not do now. What cannot be
    reached at all is waited for."""

    def __post_init__(self) -> None:
        if not self.staging_store or self.attempts < 1:
            raise ValueError("staging_store must be a store's name, and attempts be positive")


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

    endpoints: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Endpoints that collections take studies from, and that collections and rules send to, by name: each as in
    services YAML (docs/collect.md). Nobody can name another. Passwords come from files, or from `${NAME}`."""

    collect: CollectConfig = field(default_factory=CollectConfig)
    """How lists of studies are collected."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    """How often actions are tried."""

    keep_days: float = 30.0
    """For how long jobs that ended are remembered: `jobs` lists them. A file that still lies in its folder is never
    taken for new."""

    def __post_init__(self) -> None:
        if not all(folder.is_absolute() for folder in self.folders):
            raise ValueError("folders must be absolute paths")
        if self.keep_days <= 0:
            raise ValueError("keep_days must be positive")
