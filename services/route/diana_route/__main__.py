"""Runs the route service: `python -m diana_route --config FILE`."""

from __future__ import annotations

from collections.abc import Mapping

from diana.route.v1 import route_service_pb2
from diana.route.v1.route_service_pb2_grpc import add_RouteServiceServicer_to_server
from diana_common.state_files import FolderLock
from diana_route.config import RouteConfig
from diana_route.core.checking import Checker
from diana_route.core.deciding import Decider
from diana_route.core.dry_run import DryRun
from diana_route.core.examining import Examiner
from diana_route.core.explaining import Explainer
from diana_route.core.following import FEED
from diana_route.core.rulebook import Rulebook
from diana_route.core.running import Running
from diana_route.peers.archive import ArchivePeer
from diana_route.peers.directory import MeshDirectory
from diana_route.peers.endpoints import Endpoints
from diana_route.peers.index import IndexPeer
from diana_route.servicer import RouteServicer
from diana_route.wiring.channels import make_channels
from diana_route.wiring.collecting import serve_collections
from diana_route.wiring.rules import configured_rules, make_scope
from diana_route.wiring.sources import Sources, make_sources
from diana_route.wiring.works import Works, make_works
from diana_server.config import read_config
from diana_server.server import Server, run_service


def make_server(config: RouteConfig) -> Server:
    """The service, ready to start; its rules work from now on.

    Raises DianaError CONFIG_INVALID, RULES_INVALID, STORE_SCHEMA_NEWER.
    """
    server = Server("route", config.server)  # first of all: it sets up the log
    rules = configured_rules(config)
    lock = FolderLock(config.state_dir)
    server.on_stop(lock.close)
    channels = make_channels(config, server.on_stop)
    checker = Checker(make_scope(config), lambda: MeshDirectory(channels))
    archive, index = ArchivePeer(channels.archive), IndexPeer(channels.index)
    endpoints = Endpoints(config.endpoints)
    works = make_works(config, rules, channels, endpoints)
    journal = works.journal
    decider = Decider(rules, works.targets)
    sources = make_sources(rules, works.folders, archive, index, decider, works.intake, journal, works.observer)

    def check_ready() -> None:
        journal.cursor(FEED)  # whether the journal can be read
        sources.follower.check_ready()

    server.add(
        route_service_pb2.DESCRIPTOR.services_by_name["RouteService"],
        add_RouteServiceServicer_to_server,
        _servicer(checker, works, sources, archive, index, decider),
        ready=check_ready,
    )
    for end in (works.stopping.set, works.watching.end):
        server.on_stopping(end)
    # Closed in reverse: nothing is made nor done any more when the journal is closed.
    for close in (journal.close, works.observer.close, works.attempting.stop, sources.stop):
        server.on_stop(close)
    works.attempting.start()
    sources.start()
    serve_collections(server, config, rules, channels, endpoints)
    return server


def _servicer(
    checker: Checker, works: Works, sources: Sources, archive: ArchivePeer, index: IndexPeer, decider: Decider
) -> RouteServicer:
    journal, rules = works.journal, sources.rules

    def stopped() -> Mapping[str, str]:
        return works.intake.stopped

    def troubles() -> Mapping[str, str]:
        return {**sources.troubles(), **works.intake.troubles}

    examiner = Examiner(archive, index, works.folders.folder, journal)
    return RouteServicer(
        Rulebook(rules, journal, stopped, troubles),
        checker,
        journal,
        Explainer(rules, examiner, journal, stopped),
        lambda asked, since: DryRun(asked, archive, archive, journal, since),
        Running(rules, examiner, decider, works.intake, journal, archive),
        works.watching,
        works.attempting.wake,
    )


def main() -> None:
    """Serve until told to stop."""
    run_service("route", lambda: make_server(read_config(RouteConfig, "route")))


if __name__ == "__main__":
    main()
