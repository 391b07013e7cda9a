"""Serve the archive: `python -m diana_archive --config FILE`.

`python -m diana_archive rebuild --config FILE` makes a new catalogue from the stores, after the old one was lost.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from diana.archive.v1 import archive_service_pb2
from diana.archive.v1.archive_service_pb2_grpc import add_ArchiveServiceServicer_to_server
from diana.operation.v1 import operation_service_pb2
from diana.operation.v1.operation_service_pb2_grpc import add_OperationServiceServicer_to_server
from diana_archive.adapters.metrics import PrometheusMeter, tell_durability
from diana_archive.adapters.sources import HostSources
from diana_archive.adapters.spools import DirectorySpool
from diana_archive.config import ArchiveConfig
from diana_archive.core.archive import Archive
from diana_archive.core.model import Compression, ConflictPolicy, QuotaPolicy, StorePolicy
from diana_archive.core.policies import DEFAULT
from diana_archive.core.rebuilding import Rebuilding
from diana_archive.servicer import ArchiveServicer
from diana_archive.stores.backup import DirectoryBackup
from diana_archive.stores.catalogue import SqliteCatalogue, system_clock
from diana_archive.stores.parts import FileParts
from diana_archive.stores.seal_keys import FileSealKeys
from diana_archive.stores.state import StateDirectory
from diana_server.config import exit_on_refusal, read_config
from diana_server.logs import logger
from diana_server.operations import OperationQueue, OperationServicer
from diana_server.server import Server, run_service

if TYPE_CHECKING:
    from diana_archive.stores.outside import OutsideState
    from diana_archive.stores.s3_bucket import Bucket

_SECOND = 1_000_000
_FILES = 65_536


def open_state(config: ArchiveConfig) -> StateDirectory | OutsideState:
    """The configured places of the catalogue and the objects, put in order."""
    stores = sorted({DEFAULT, *config.stores})
    compressed = [name for name, store in config.stores.items() if store.compression == "zstd"]
    if not config.catalogue_url and not config.object_store:
        return StateDirectory(
            config.state_dir, stores, compressed=compressed, outlives_power_cuts=config.outlives_power_cuts
        )
    # Here and below: what speaks to PostgreSQL and S3 takes long to import, and most archives do without.
    from diana_archive.stores.outside import OutsideState

    return OutsideState(
        config.state_dir,
        stores,
        catalogue_url=config.catalogue_url,
        bucket=_bucket(config),
        compressed=compressed,
        outlives_power_cuts=config.outlives_power_cuts,
    )


def build_archive(config: ArchiveConfig, state: StateDirectory | OutsideState) -> Archive:
    """The archive over its stores."""
    return Archive(
        policies=policies(config),
        catalogue=state.catalogue,
        objects=state.objects,
        sidecars=state.sidecars,
        seal_keys=_seal_keys(config),
        clock=system_clock,
        meter=PrometheusMeter(),
        max_instance_bytes=config.max_instance_bytes,
        parts=FileParts(config.state_dir / "uploads"),
        upload_lifetime_us=config.upload_lifetime_seconds * _SECOND,
        spools={name: DirectorySpool(directory) for name, directory in config.spool_dirs.items()},
    )


def policies(config: ArchiveConfig) -> list[StorePolicy]:
    """The configured stores."""
    return [
        StorePolicy(
            name,
            ConflictPolicy(store.conflict_policy),
            store.quiet_period_seconds * _SECOND,
            store.grace_period_seconds * _SECOND,
            store.settle_period_seconds * _SECOND,
            store.retention_seconds * _SECOND,
            store.quota_bytes,
            QuotaPolicy(store.quota_policy),
            Compression(store.compression),
        )
        for name, store in config.stores.items()
    ]


def make_server(config: ArchiveConfig) -> Server:
    """The service, its archive opened and working."""
    server = Server("archive", config.server)
    state = open_state(config)
    archive = build_archive(config, state)
    _raise_file_limit()
    archive.start()
    queue = OperationQueue(config.catalogue_url or config.state_dir / "operations.sqlite", "archive")
    server.add(
        archive_service_pb2.DESCRIPTOR.services_by_name["ArchiveService"],
        add_ArchiveServiceServicer_to_server,
        ArchiveServicer(
            archive, queue, server.stopping, _backup(config.backup_dir, state), HostSources(config.import_dirs)
        ),
        ready=archive.check_ready,
    )
    server.add(
        operation_service_pb2.DESCRIPTOR.services_by_name["OperationService"],
        add_OperationServiceServicer_to_server,
        OperationServicer(queue),
        ready=archive.check_ready,
    )
    for end in (archive.feed.stop, queue.interrupt):
        server.on_stopping(end)
    # Closed in reverse: no operation runs any more when the archive ends.
    for close in (state.close, archive.close, queue.stop):
        server.on_stop(close)
    queue.start()
    tell_durability(config.outlives_power_cuts)
    logger("archive").info("opened", swept=state.swept, restored=state.restored)
    return server


def rebuild(config: ArchiveConfig) -> None:
    """Make the catalogue anew, and print how far it is and what came of it."""
    from diana_archive.stores.anew import LostCatalogue

    stores = sorted({DEFAULT, *config.stores})
    lost = LostCatalogue(config.state_dir, stores, catalogue_url=config.catalogue_url, bucket=_bucket(config))
    with closing(lost):
        rebuilding = Rebuilding(lost.catalogue, lost.objects, lost.sidecars, _seal_keys(config))
        rebuilt = rebuilding.rebuild(lost.stores, lambda count: print(f"{count} instances", flush=True))
        lost.adopt()
    print(f"The catalogue has {rebuilt.instance_count} instances of {rebuilt.study_count} studies.")
    print(f"Set aside, being no whole instance or a double: {rebuilt.set_aside_count}.")
    print(f"Studies whose attributes could not be read in full: {rebuilt.unopened_count}.")


def main() -> None:
    """Serve until told to stop, or rebuild."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["rebuild"]:
        with exit_on_refusal("archive"):
            rebuild(read_config(ArchiveConfig, "archive", arguments[1:]))
    else:
        run_service("archive", lambda: make_server(read_config(ArchiveConfig, "archive", arguments)))


def _bucket(config: ArchiveConfig) -> Bucket | None:
    if config.object_store is None:
        return None
    from diana_archive.stores.s3_bucket import Bucket

    settings = {one.name: getattr(config.object_store, one.name) for one in fields(config.object_store)}
    return Bucket(settings.pop("bucket"), **settings)


def _backup(root: Path | None, state: StateDirectory | OutsideState) -> Callable[[], DirectoryBackup] | None:
    catalogue = state.catalogue
    if root is None or not isinstance(catalogue, SqliteCatalogue):
        return None
    return lambda: DirectoryBackup(root, catalogue)


def _seal_keys(config: ArchiveConfig) -> FileSealKeys:
    return FileSealKeys(config.seal_key_file or config.state_dir / "seal_keys.json", not config.is_shared)


def _raise_file_limit() -> None:
    """Every upload that is open holds a file."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if most == resource.RLIM_INFINITY else min(_FILES, most)
    if now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


if __name__ == "__main__":
    main()
