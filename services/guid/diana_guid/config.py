"""What the guid service can be told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path

from diana_common.settings import config_invalid
from diana_server.config import ServerConfig

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_MAX_DAYS = 3650
_ONLY_KEYED = ("subject_key", "birth_date_days", "time_offset_days", "seconds")


class Scheme(Enum):
    """How a domain mints."""

    KEYED = "keyed"
    DIANA2 = "diana2"


class SubjectKey(Enum):
    """What makes two subjects the same person."""

    PATIENT_ID = "patient_id"
    NAME_BIRTH_DATE_SEX = "name_birth_date_sex"


class Uids(Enum):
    """How a domain maps UIDs."""

    KEYED = "keyed"
    DIANA2 = "diana2"


@dataclass(frozen=True)
class DomainConfig:
    """One space of identities. Changing any of this, or the key, changes the identities of its subjects."""

    scheme: Scheme = Scheme.KEYED
    """How the domain mints. The outputs of diana2 can be inverted: it is for continuing old projects only.
    `subject_key`, `birth_date_days`, `time_offset_days` and `seconds` are for keyed domains."""

    uids: Uids = Uids.KEYED
    """How a domain of scheme diana2 maps UIDs: by key, as keyed domains do, or as diana2 did, with four digits an
    instance, where those who map them refuse what collides, and some references between studies lead nowhere
    (docs/pseudonyms.md). Accession numbers are mapped by key in any case."""

    subject_key: SubjectKey = SubjectKey.PATIENT_ID
    """What makes two subjects the same person: the Patient ID with its issuer, or name, birth date and sex,
    for sources whose Patient IDs mean nothing."""

    birth_date_days: int = 90
    """A minted birth date lies 1 to this many days before or after the true one; at most 3650."""

    time_offset_days: int = 90
    """A time offset is 1 to this many days, forwards or backwards; at most 3650."""

    seconds: bool = False
    """Whether up to an hour either way is added to the time offset."""

    key_file: Path | None = None
    """A file with the domain's key, 32 bytes or more as base64 or hexadecimal text. It is yours: the service does not
    rotate it. When absent, the key lies in `state_dir`/keys/NAME.key, and its later versions in NAME.v2.key and so
    on."""

    create_key: bool | None = None
    """Whether a random key is made on first use where the file is not there. When absent, one is made in
    `state_dir` but not at a `key_file`, where a new key would hide a mistyped path."""

    def __post_init__(self) -> None:
        for setting in ("birth_date_days", "time_offset_days"):
            if not 1 <= getattr(self, setting) <= _MAX_DAYS:
                raise ValueError(f"{setting} must be 1 to {_MAX_DAYS}")
        refused = _ONLY_KEYED if self.scheme is Scheme.DIANA2 else ("uids",)
        for one in fields(self):
            if one.name in refused and getattr(self, one.name) != one.default:
                raise ValueError(f"scheme {self.scheme.value} has no {one.name}")


@dataclass(frozen=True)
class GuidConfig:
    """The mint's configuration."""

    server: ServerConfig = field(default_factory=lambda: ServerConfig(listen="127.0.0.1:50063"))
    """How it listens and what it takes on."""

    state_dir: Path = Path("diana-state/guid")
    """Where the keys lie that no `key_file` names, in the folder `keys`, and the service's own `sealing.key`. Keep a
    copy elsewhere, away from whoever receives de-identified data: without a key, its identities cannot be minted
    again."""

    domains: Mapping[str, DomainConfig] = field(default_factory=dict)
    """The domains by name: 1 to 63 lower-case letters, digits, "-" and "_"; "default" is always there."""

    key_tokens: Mapping[str, Path] = field(default_factory=dict)
    """Who may list, rotate, export and import keys: a file with a token of 16 characters or more for each caller, by
    the caller's name. Nobody may when there is none."""

    mint_tokens: Mapping[str, Path] = field(default_factory=dict)
    """Who may mint, map identifiers and lease the keys that they are mapped with, likewise; who may mint can check
    guesses at who a pseudonym is. Everybody who reaches the service may when there is none."""

    def __post_init__(self) -> None:
        for name in self.domains:
            if not _NAME.match(name):
                raise config_invalid(
                    f"domains.{name}", "a domain's name is 1 to 63 of a-z, 0-9, '-' and '_', a letter or digit first"
                )
