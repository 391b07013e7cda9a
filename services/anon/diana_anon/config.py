"""What the anon service can be told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from diana_common.settings import config_invalid
from diana_server.config import PeerConfig, ServerConfig

GIB = 1024 * 1024 * 1024

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_RULE = "is 1 to 63 of a-z, 0-9, '-' and '_', a letter or digit first"


@dataclass(frozen=True)
class ProfileConfig:
    """One way to de-identify. Changing it changes what the same instance becomes, which a store then refuses."""

    use: str = "basic"
    """The name of a profile that comes with the service: basic, trial, research-longitudinal, public-release."""

    file: Path | None = None
    """A profile of your own, in YAML (docs/deidentification.md); `use` is not read then."""

    domain: str = "default"
    """The domain of the guid service whose identities the subjects get."""

    def __post_init__(self) -> None:
        if not _NAME.match(self.domain):
            raise ValueError(f"domain: a domain's name {_RULE}")


class CrosswalkRight(Enum):
    """What a caller of the crosswalk may."""

    REIDENTIFY = "reidentify"
    AUDIT = "audit"


@dataclass(frozen=True)
class CrosswalkTokenConfig:
    """A caller of the crosswalk."""

    file: Path
    """A file with its token: 16 or more letters, digits and "._~+/-". It is read for each call."""

    may: tuple[CrosswalkRight, ...]
    """What it may: `reidentify`, ask who pseudonyms stand for; `audit`, read the log of who asked."""


@dataclass(frozen=True)
class CrosswalkConfig:
    """The way back from pseudonyms to subjects."""

    key_file: Path | None = None
    """A file with the key that the crosswalk is encrypted with, 32 bytes as base64 or hexadecimal text, which others
    may not read (mode 0600). When absent, one is made as `state_dir`/crosswalk.key. Keep a copy elsewhere: without it
    nobody can be found again."""

    tokens: Mapping[str, CrosswalkTokenConfig] = field(default_factory=dict)
    """Who may ask, by name. The name goes into the log of re-identifications."""


@dataclass(frozen=True)
class AnonConfig:
    """The anon service's configuration."""

    server: ServerConfig = field(
        default_factory=lambda: ServerConfig(listen="127.0.0.1:50064", max_concurrent_calls=64)
    )
    """How it listens and what it takes on. Every call that de-identifies holds up to 8 MiB of its instance in
    memory, and twice that at times; the two that are worked on at a time may take some hundred MiB if they are
    hostile. Instances come in on three of four calls at most, so that others find a place."""

    state_dir: Path = Path("diana-state/anon")
    """Where the operations lie, the receipts, and the keys that sign them; for one process at a time. Receipts say
    which result came of which source: keep them with the identified data. Whoever has signing_keys.json can sign
    receipts; one is made at the first start."""

    work_dir: Path | None = None
    """Where instances over 8 MiB lie while they are worked on, in files without a name, which a crash leaves none
    of; `state_dir`/work when absent. It needs room for the largest instances that come at the same time."""

    max_instance_bytes: int = 4 * GIB
    """The largest instance taken, as a Part 10 file."""

    archive: PeerConfig = field(default_factory=lambda: PeerConfig("127.0.0.1:50061"))
    """The archive whose studies are de-identified."""

    guid: PeerConfig = field(default_factory=lambda: PeerConfig("127.0.0.1:50063"))
    """The mint."""

    profiles: Mapping[str, ProfileConfig] = field(default_factory=dict)
    """The profiles by name: 1 to 63 lower-case letters, digits, "-" and "_"; "default" is always there."""

    shared_patient_ids: bool = False
    """Whether two people who share a Patient ID, as name and birth date tell, are let pass under one pseudonym.
    Otherwise the second one's instances are refused (IDENTITY_COLLISION)."""

    crosswalk: CrosswalkConfig | None = None
    """The way back from pseudonyms to subjects. When absent, nobody can ask, and nothing is recorded but keyed
    digests that tell two people under one pseudonym."""

    def __post_init__(self) -> None:
        if self.max_instance_bytes < 1:
            raise ValueError("max_instance_bytes must be positive")
        for name in self.profiles:
            if not _NAME.match(name):
                raise config_invalid(f"profiles.{name}", f"a profile's name {_RULE}")
