"""Runs the anon service: `python -m diana_anon --config FILE`."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from diana.anon.v1 import anon_service_pb2
from diana.anon.v1.anon_service_pb2_grpc import add_AnonServiceServicer_to_server
from diana.operation.v1 import operation_service_pb2
from diana.operation.v1.operation_service_pb2_grpc import add_OperationServiceServicer_to_server
from diana_anon.adapters import DiskSpool, PrometheusMeter
from diana_anon.config import AnonConfig, ProfileConfig
from diana_anon.core.deidentifier import DEFAULT_PROFILE, Deidentifier, Procedure, make_procedure
from diana_anon.core.profiles import shipped_profile
from diana_anon.core.study import StudyDeidentifier
from diana_anon.peers import ArchivePeer, GuidPeer, tls_options
from diana_anon.servicer import STUDY, AnonServicer, study_handler
from diana_common.state_files import FolderLock
from diana_server.config import PeerConfig, read_config
from diana_server.operations import OperationQueue, OperationServicer
from diana_server.server import Server, run_service

Peer = TypeVar("Peer", ArchivePeer, GuidPeer)


def make_server(config: AnonConfig) -> Server:
    """The service, ready to start; operations that were cut short go on from now on.

    Raises DianaError CONFIG_INVALID, STORE_SCHEMA_NEWER.
    """
    server = Server("anon", config.server)  # first of all: it sets up the log
    lock = FolderLock(config.state_dir)
    spool = DiskSpool(config.work_dir or config.state_dir / "work", config.max_instance_bytes)
    archive, mint = _connected(ArchivePeer, config.archive), _connected(GuidPeer, config.guid)
    deidentifier = Deidentifier(_procedures(config), mint, spool, PrometheusMeter())
    queue = OperationQueue(config.state_dir / "operations.sqlite", "anon")
    queue.register(STUDY, study_handler(StudyDeidentifier(deidentifier, archive, archive)))

    def check_ready() -> None:
        queue.page(None, 1, active_only=True)

    server.add(
        anon_service_pb2.DESCRIPTOR.services_by_name["AnonService"],
        add_AnonServiceServicer_to_server,
        AnonServicer(deidentifier, queue, max(1, config.server.max_concurrent_calls * 3 // 4)),
        ready=check_ready,
    )
    server.add(
        operation_service_pb2.DESCRIPTOR.services_by_name["OperationService"],
        add_OperationServiceServicer_to_server,
        OperationServicer(queue),
        ready=check_ready,
    )
    # The operation's own connection goes at once: an archive that is silent must not hold a stop up.
    for end in (queue.interrupt, archive.close):
        server.on_stopping(end)
    # Closed in reverse: the operation is put back before the mint's connection goes.
    for close in (lock.close, mint.close, queue.stop):
        server.on_stop(close)
    queue.start()
    return server


def _procedures(config: AnonConfig) -> list[Procedure]:
    profiles = {DEFAULT_PROFILE: ProfileConfig(), **config.profiles}
    return [make_procedure(replace(shipped_profile(one.use), name=name), one.domain) for name, one in profiles.items()]


def _connected(peer: type[Peer], config: PeerConfig) -> Peer:
    return peer(config.address, tls_options(config.ca_file, config.cert_file, config.key_file), config.token_file)


def main() -> None:
    """Serve until told to stop."""
    run_service("anon", lambda: make_server(read_config(AnonConfig, "anon")))


if __name__ == "__main__":
    main()
