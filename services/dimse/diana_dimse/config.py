"""What the dimse service can be told."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from diana_common.settings import config_invalid
from diana_server.config import PeerConfig, ServerConfig, split_address

_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_HOURS = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")


class Service(Enum):
    """What an AE title of ours can do for those who call it."""

    ECHO = "echo"
    STORE = "store"
    FIND = "find"
    MOVE = "move"
    GET = "get"
    COMMIT = "commit"
    WORKLIST = "worklist"
    PROCEDURE_STEP = "procedure-step"


class Retrieve(Enum):
    """How instances are retrieved from a peer."""

    MOVE = "move"
    GET = "get"


@dataclass(frozen=True)
class EntityConfig:
    """An AE title of ours."""

    store: str = "default"
    """The archive's store that it receives into and answers from."""

    services: tuple[Service, ...] = tuple(Service)
    """What it does: echo, store, find, move, get, commit, worklist, procedure-step."""

    callers: tuple[str, ...] = ("*",)
    """The names of the peers that may call it. `"*"`: whoever asks, which is for a network that only peers reach."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    """Plain attributes that each study it receives gets in the archive, as `trial: atlas`. No patient values."""

    other_sop_classes: tuple[str, ...] = ()
    """Private or new SOP Classes to store beside the standard's, by UID. `"*"`: all that are proposed."""


@dataclass(frozen=True)
class PeerTlsConfig:
    """TLS towards a peer."""

    ca_file: Path
    """The authorities to trust, PEM."""

    cert_file: Path | None = None
    """The certificate chain to show, PEM; needs `key_file`."""

    key_file: Path | None = None
    """Its private key, PEM."""

    def __post_init__(self) -> None:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")


@dataclass(frozen=True)
class PeerEntityConfig:
    """A remote Application Entity: a PACS, a modality, a workstation."""

    title: str
    """Its AE title."""

    host: str = ""
    """Where it is called. Empty: it only calls us."""

    port: int = 104
    """Its port."""

    tls: PeerTlsConfig | None = None
    """TLS when it is called; plain when absent."""

    addresses: tuple[str, ...] = ()
    """Addresses and networks that it may call from, as 10.1.2.3 or 10.1.0.0/16. Empty: anywhere."""

    certificate_names: tuple[str, ...] = ()
    """Names of which the certificate that it shows must bear one. Empty: none is asked for."""

    services: tuple[Service, ...] | None = None
    """What it may ask for, of what the title that it calls does. Absent: all of that."""

    calling_title: str = ""
    """The AE title that we call it as; our first one when empty."""

    retrieve: Retrieve = Retrieve.MOVE
    """How instances are retrieved from it: move, or get for a PACS that cannot reach us."""

    instances_per_second: float = 0.0
    """How many instances at most go to it or come from it a second, in operations of ours; 0: no limit."""

    hours: tuple[str, ...] = ()
    """When operations may use it, local time, as 19:00-06:30. Empty: at all times."""

    timeout_seconds: float = 60.0
    """How long it may take over each answer."""

    attempts: int = 3
    """How often a query or an association that breaks is tried."""

    commitment_seconds: float = 3600.0
    """How long it may take to say what it commits itself to keep, of what was sent to it."""

    def __post_init__(self) -> None:
        if not _TITLE.fullmatch(self.title) or not self.title.strip():
            raise ValueError('title must be 1 to 16 characters, without "\\"')
        if not 1 <= self.port <= 65535 or self.timeout_seconds <= 0 or self.attempts < 1:
            raise ValueError("port must be 1 to 65535, timeout_seconds and attempts positive")
        if self.commitment_seconds <= 0:
            raise ValueError("commitment_seconds must be positive")
        if self.instances_per_second < 0 or not all(_HOURS.fullmatch(one) for one in self.hours):
            raise ValueError("instances_per_second must not be negative, and hours be like 19:00-06:30")
        for one in self.addresses:
            ipaddress.ip_network(one, strict=False)


@dataclass(frozen=True)
class ListenTlsConfig:
    """The port for associations over TLS."""

    listen: str
    """Host and port; 2762 is registered for this."""

    cert_file: Path
    """Our certificate chain, PEM."""

    key_file: Path
    """Its private key, PEM."""

    client_ca_file: Path | None = None
    """Authorities that callers' certificates must come from; when set, every caller needs one."""

    def __post_init__(self) -> None:
        split_address(self.listen, "listen")


@dataclass(frozen=True)
class LimitsConfig:
    """What associations may take."""

    associations: int = 500
    """How many at a time, of each port; one more is rejected, for the moment."""

    negotiation_seconds: float = 30.0
    """How long a peer may take to ask for an association."""

    network_seconds: float = 60.0
    """How long a peer may send or take nothing within a message."""

    idle_seconds: float = 600.0
    """How long an association may be without a message."""

    instance_bytes: int = 8 * 1024**3
    """The largest instance that is received."""

    spool_bytes: int = 16 * 1024**3
    """How much may lie in the spool directory at a time; what comes on top is answered with A700."""

    answers: int = 0
    """How many answers one query gets at most; where more match, A700 comes behind them. 0: no limit."""

    def __post_init__(self) -> None:
        if self.answers < 0:
            raise ValueError("answers must not be negative")
        if min(self.associations, self.negotiation_seconds, self.network_seconds, self.idle_seconds) <= 0:
            raise ValueError("limits must be positive")


@dataclass(frozen=True)
class CommitmentConfig:
    """Storage commitment, where we are asked for it."""

    arrival_seconds: float = 10.0
    """How long instances that we do not hold yet may be under way before commitment to them fails."""

    report_hours: float = 24.0
    """For how long a requestor that cannot be told is tried, less and less often; then the log says so."""

    pending: int = 1000
    """How many requests may wait to be reported; one more is refused, as a limit of ours (0213)."""

    def __post_init__(self) -> None:
        if self.arrival_seconds < 0 or self.report_hours < 0 or self.pending < 1:
            raise ValueError("arrival_seconds and report_hours must not be negative, and pending be positive")


@dataclass(frozen=True)
class ProcedureStepsConfig:
    """Modality Performed Procedure Steps, which are kept to be changed and asked for."""

    keep_days: float = 30.0
    """For how long after their last change."""

    most: int = 100_000
    """How many; one more is refused, as a limit of ours (0213)."""

    def __post_init__(self) -> None:
        if self.keep_days <= 0 or self.most < 1:
            raise ValueError("keep_days and most must be positive")


@dataclass(frozen=True)
class DimseConfig:
    """The dimse service's configuration."""

    server: ServerConfig = field(default_factory=lambda: ServerConfig(listen="127.0.0.1:50066"))
    """How its gRPC service listens and what it takes on."""

    state_dir: Path = Path("diana-state/dimse")
    """Where operations, commitments and procedure steps are kept."""

    archive: PeerConfig = field(default_factory=lambda: PeerConfig("127.0.0.1:50061"))
    """The archive that instances go to and come from."""

    index: PeerConfig = field(default_factory=lambda: PeerConfig("127.0.0.1:50062"))
    """The index that answers queries."""

    listen: str = "127.0.0.1:11112"
    """Host and port for associations; port 0 picks a free one. Empty: none but those over TLS."""

    listen_file: Path | None = None
    """Written, as host:port, once associations are taken."""

    tls: ListenTlsConfig | None = None
    """A port for associations over TLS."""

    entities: Mapping[str, EntityConfig] = field(default_factory=lambda: {"DIANA": EntityConfig()})
    """Our AE titles."""

    peers: Mapping[str, PeerEntityConfig] = field(default_factory=dict)
    """The Application Entities that we know, by a name of ours: letters, digits, "-" and "_", in lower case."""

    spool: str = ""
    """The name under which the archive, on this same host, opens `spool_dir` (its `spool_dirs`): large instances are
    handed over as files then. Empty: all go over gRPC."""

    spool_dir: Path | None = None
    """That directory; needs `spool`."""

    worklist_dir: Path | None = None
    """A folder of worklist files (DICOM Part 10, one scheduled procedure step or more each). Absent: no worklist."""

    commitment: CommitmentConfig = field(default_factory=CommitmentConfig)
    """Storage commitment, where we are asked for it."""

    procedure_steps: ProcedureStepsConfig = field(default_factory=ProcedureStepsConfig)
    """What is kept of procedure steps."""

    limits: LimitsConfig = field(default_factory=LimitsConfig)
    """What associations may take."""

    def __post_init__(self) -> None:
        if self.listen:
            split_address(self.listen, "listen")
        if bool(self.spool) != bool(self.spool_dir):
            raise ValueError("spool and spool_dir go together")
        if not self.entities or not (self.listen or self.tls):
            raise ValueError("at least one entity, and listen or tls, are needed")
        for title in self.entities:
            if not _TITLE.fullmatch(title) or title.strip() != title:
                raise config_invalid("entities", 'an AE title is 1 to 16 characters, without "\\"')
        for name in self.peers:
            if not _NAME.fullmatch(name):
                raise config_invalid("peers", "a name is 1 to 63 of a-z, 0-9, - and _")
        for title, entity in self.entities.items():
            if unknown := set(entity.callers) - set(self.peers) - {"*"}:
                raise config_invalid(f"entities.{title}.callers", f"no peer is named {sorted(unknown)[0]}")
