"""What several parts of the door share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diana_common.traces import frames
from diana_dimse.adapters.committing import CommitmentCaller
from diana_dimse.adapters.metrics import DoorWatch
from diana_dimse.adapters.spool import DiskSpool
from diana_dimse.adapters.transcoding import FileTranscoder
from diana_dimse.config import DimseConfig
from diana_dimse.core.commitment.user import Expected
from diana_dimse.core.entities import Directory
from diana_dimse.core.intake.receiving import Budget, Limits, Receiving
from diana_dimse.core.outbound.arrivals import Arrivals
from diana_dimse.core.outbound.pacing import Clock, Pace
from diana_dimse.core.outbound.peering import Correspondent
from diana_dimse.core.sending.sender import Sender
from diana_dimse.network.opening import Remote
from diana_dimse.peers.custody import ArchiveCustody
from diana_dimse.peers.evidence import ArchiveEvidence
from diana_dimse.peers.freshness import Freshness
from diana_dimse.peers.holdings import ArchiveHoldings
from diana_dimse.peers.index import IndexPeer
from diana_dimse.peers.intake import ArchiveIntake
from diana_dimse.peers.locating import IndexLocating
from diana_dimse.peers.reading import ArchiveReading
from diana_dimse.wire.reading import DataSetReader
from diana_dimse.wiring.entities import make_correspondents, make_directory, make_remotes
from diana_server import logs
from diana_server.peers import reach
from diana_server.server import Server

# With a spool nearly all goes by file; without one what is up to this size never touches the disk here.
_HELD_BYTES_BESIDE_SPOOL = 64 * 1024
_HELD_BYTES = 1024 * 1024
_MEMORY_BYTES = 64 * 1024 * 1024
# Of each retrieval waits so much to be sent; by itself gRPC holds up to 16 MiB a stream, and there may be hundreds.
_STREAM_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Archive:
    """The archive, a role of it a peer."""

    reading: ArchiveReading
    evidence: ArchiveEvidence
    custody: ArchiveCustody
    holdings: ArchiveHoldings


@dataclass(frozen=True)
class Index:
    """The index, a role of it a peer."""

    queries: IndexPeer
    locating: IndexLocating


@dataclass(frozen=True)
class Parts:
    """Made once for a process; what has to be closed is closed by its server."""

    directory: Directory
    correspondents: Mapping[str, Correspondent]
    remotes: Mapping[str, Remote]
    archive: Archive
    index: Index
    receiving: Receiving
    sender: Sender
    paces: Mapping[str, Pace]
    arrivals: Arrivals
    reader: DataSetReader
    expected: Expected
    caller: CommitmentCaller
    watch: DoorWatch


def make_parts(server: Server, config: DimseConfig) -> Parts:
    """Raises DianaError CONFIG_INVALID."""
    directory = make_directory(config)
    correspondents, remotes = make_correspondents(config, directory), make_remotes(config)
    channel = reach("archive", config.archive, stream_window=_STREAM_BYTES)
    server.on_stop(channel.close)
    spool = DiskSpool(config.spool_dir or config.state_dir / "spool")
    index = reach("index", config.index)
    server.on_stop(index.close)
    freshness = Freshness(index)
    intake = ArchiveIntake(channel, config.spool, spool.path, freshness.stored)
    server.on_stop(intake.close)
    archive = Archive(
        ArchiveReading(channel), ArchiveEvidence(channel), ArchiveCustody(channel), ArchiveHoldings(channel)
    )
    transcoder = FileTranscoder(DiskSpool(config.state_dir / "converting"))
    server.on_stop(transcoder.close)
    reader = DataSetReader()
    return Parts(
        directory=directory,
        correspondents=correspondents,
        remotes=remotes,
        archive=archive,
        index=Index(IndexPeer(index, freshness), IndexLocating(index, freshness)),
        receiving=_receiving(config, intake, spool),
        sender=Sender(archive.reading, transcoder),
        paces={name: Pace(one.instances_per_second, Clock()) for name, one in config.peers.items()},
        arrivals=Arrivals(),
        reader=reader,
        expected=Expected(),
        caller=CommitmentCaller(directory, correspondents, remotes, reader),
        watch=_watch(),
    )


def _receiving(config: DimseConfig, intake: ArchiveIntake, spool: DiskSpool) -> Receiving:
    held = _HELD_BYTES_BESIDE_SPOOL if config.spool else _HELD_BYTES
    limits = Limits(held, config.limits.instance_bytes)
    return Receiving(intake, spool, Budget(_MEMORY_BYTES), Budget(config.limits.spool_bytes), limits)


def _watch() -> DoorWatch:
    log = logs.logger("dimse")

    def fault(error: Exception) -> None:
        log.error("work failed", error_type=type(error).__qualname__, frames=frames(error))

    return DoorWatch(log.warning, fault)
