"""Runs the anon service: `python -m diana_anon --config FILE`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from diana.anon.v1 import anon_service_pb2, crosswalk_service_pb2, profile_service_pb2, receipt_service_pb2
from diana.anon.v1.anon_service_pb2_grpc import add_AnonServiceServicer_to_server
from diana.anon.v1.crosswalk_service_pb2_grpc import add_CrosswalkServiceServicer_to_server
from diana.anon.v1.profile_service_pb2_grpc import add_ProfileServiceServicer_to_server
from diana.anon.v1.receipt_service_pb2_grpc import add_ReceiptServiceServicer_to_server
from diana.operation.v1 import operation_service_pb2
from diana.operation.v1.operation_service_pb2_grpc import add_OperationServiceServicer_to_server
from diana_anon.adapters import DiskSpool, PrometheusMeter
from diana_anon.adapters.pixel_engine import PixelEngine
from diana_anon.config import AnonConfig, CrosswalkConfig, ProfileConfig
from diana_anon.core.pixels.cleaner import PixelCleaner
from diana_anon.core.planning.procedure import DEFAULT_PROFILE, Procedure, make_procedure
from diana_anon.core.profiles.catalogue import Catalogue, Loaded, load_profile
from diana_anon.core.proof.books import Books
from diana_anon.core.proof.crosswalk import Crosswalk, Recorder
from diana_anon.core.proof.persons import Persons
from diana_anon.core.proof.shipping import Arrivals
from diana_anon.core.proof.trail import Trail
from diana_anon.core.reports.counts import Accounts
from diana_anon.core.reports.library import Library
from diana_anon.core.studies.cohort import CohortRunner
from diana_anon.core.studies.deidentifier import AT_ONCE, Deidentifier
from diana_anon.core.studies.preview import StudyPreviewer
from diana_anon.core.studies.study import StudyDeidentifier
from diana_anon.core.texts import TextDeidentifier
from diana_anon.peers import ArchivePeer, GuidPeer
from diana_anon.servicer.anon import AnonServicer
from diana_anon.servicer.crosswalk import CrosswalkServicer
from diana_anon.servicer.facts import QueueFacts
from diana_anon.servicer.operations import (
    PREVIEW,
    STUDIES,
    STUDY,
    preview_handler,
    settling,
    studies_handler,
    study_handler,
)
from diana_anon.servicer.profiles import ProfileServicer
from diana_anon.servicer.receipts import ReceiptServicer
from diana_anon.stores.crosswalk_sqlite import SqliteCrosswalk
from diana_anon.stores.findings import SqliteFindings
from diana_anon.stores.keyed import read_key
from diana_anon.stores.persons import SqlitePersons
from diana_anon.stores.quarantine import SqliteQuarantine
from diana_anon.stores.receipts import SqliteLedger
from diana_anon.stores.schema import STEPS
from diana_anon.stores.signing_keys import FileSigner
from diana_anon.stores.studies import SqliteStudyBook
from diana_common.dicom.dictionary import private_entries
from diana_common.sqlite_file import Database
from diana_common.state_files import FolderLock
from diana_server.callers import BearerTokens
from diana_server.config import read_config
from diana_server.operations import OperationQueue, OperationServicer
from diana_server.peers import reach
from diana_server.server import Server, run_service


def make_server(config: AnonConfig) -> Server:
    """The service, ready to start; operations that were cut short go on from now on.

    Raises DianaError CONFIG_INVALID, STORE_SCHEMA_NEWER.
    """
    server = Server("anon", config.server)  # first of all: it sets up the log
    profiles = _profiles(config)
    private_entries()  # a tenth of a second that the first instance need not wait for
    lock = FolderLock(config.state_dir)
    spool = DiskSpool(config.work_dir or config.state_dir / "work", config.max_instance_bytes)
    archive, mint = ArchivePeer(reach("archive", config.archive)), GuidPeer(reach("guid", config.guid))
    signer, proof = (
        FileSigner(config.state_dir / "signing_keys.json"),
        Database(config.state_dir / "proof.sqlite", STEPS),
    )
    findings = SqliteFindings(config.state_dir / "previews.sqlite")
    persons = SqlitePersons(proof, config.state_dir / "persons.key")
    recorders: list[Recorder] = [Persons(persons, config.shared_patient_ids)]
    if config.crosswalk:
        recorders.append(_crosswalk(config.crosswalk, config.state_dir, server))
    studies = SqliteStudyBook(proof, persons.derived_key("studies"))
    books = Books(SqliteLedger(proof), SqliteQuarantine(proof), studies, recorders)
    engine = PixelEngine(AT_ONCE)
    deidentifier = Deidentifier(
        _procedures(config, profiles),
        mint,
        spool,
        PrometheusMeter(),
        signer,
        books.quarantine,
        PixelCleaner(engine, spool),
    )
    queue = OperationQueue(config.state_dir / "operations.sqlite", "anon")
    accounts = Accounts(books.ledger, books.quarantine, books.studies, QueueFacts(queue))
    library = Library(accounts, findings, signer)
    _register(queue, deidentifier, archive, books, findings, library)
    texts = TextDeidentifier(deidentifier, archive)
    most_streams = max(1, config.server.max_concurrent_calls * 3 // 4)
    _offer(
        server,
        queue,
        AnonServicer(deidentifier, texts, queue, most_streams),
        ProfileServicer(Catalogue(profiles)),
        ReceiptServicer(books.ledger, books.quarantine, signer, library),
    )
    # The operation's own connection goes at once: an archive that is silent must not hold a stop up.
    for end in (queue.interrupt, archive.close):
        server.on_stopping(end)
    # Closed in reverse: the operation is put back before the mint's connection goes.
    for close in (lock.close, proof.close, findings.close, engine.close, mint.close, queue.stop):
        server.on_stop(close)
    queue.start()
    return server


def _register(
    queue: OperationQueue,
    deidentifier: Deidentifier,
    archive: ArchivePeer,
    books: Books,
    findings: SqliteFindings,
    library: Library,
) -> None:
    """What does each kind of operation."""
    studies, arrivals = StudyDeidentifier(deidentifier, archive, archive, books), Arrivals(books.ledger, archive)
    queue.register(STUDY, settling(study_handler(studies), arrivals))
    queue.register(STUDIES, settling(studies_handler(CohortRunner(studies), library.counts), arrivals))
    previews = CohortRunner(StudyPreviewer(deidentifier, archive, findings, books.recorders))
    queue.register(PREVIEW, preview_handler(previews, library.counts, findings))


def _offer(
    server: Server, queue: OperationQueue, anon: AnonServicer, profiles: ProfileServicer, receipts: ReceiptServicer
) -> None:
    """Add the contracts that are always served; all are ready once operations can be kept."""

    def ready() -> None:
        queue.page(None, 1, active_only=True)

    services = anon_service_pb2.DESCRIPTOR.services_by_name
    server.add(services["AnonService"], add_AnonServiceServicer_to_server, anon, ready=ready)
    services = profile_service_pb2.DESCRIPTOR.services_by_name
    server.add(services["ProfileService"], add_ProfileServiceServicer_to_server, profiles, ready=ready)
    services = receipt_service_pb2.DESCRIPTOR.services_by_name
    server.add(services["ReceiptService"], add_ReceiptServiceServicer_to_server, receipts, ready=ready)
    services = operation_service_pb2.DESCRIPTOR.services_by_name
    server.add(
        services["OperationService"], add_OperationServiceServicer_to_server, OperationServicer(queue), ready=ready
    )


def _profiles(config: AnonConfig) -> dict[str, Loaded]:
    """The configured profiles by name. Raises CONFIG_INVALID."""
    profiles = {DEFAULT_PROFILE: ProfileConfig(), **config.profiles}
    return {name: load_profile(f"profiles.{name}", one.use, one.file).named(name) for name, one in profiles.items()}


def _procedures(config: AnonConfig, profiles: Mapping[str, Loaded]) -> list[Procedure]:
    domains = {name: one.domain for name, one in config.profiles.items()}
    default = ProfileConfig().domain
    return [make_procedure(one.profile, domains.get(name, default)) for name, one in profiles.items()]


def _crosswalk(config: CrosswalkConfig, state_dir: Path, server: Server) -> Crosswalk:
    """The crosswalk, served and closed by `server`. Raises CONFIG_INVALID, STORE_SCHEMA_NEWER, STORE_DAMAGED."""
    path = state_dir / "crosswalk.sqlite"
    # A new key where a crosswalk lies would hide that the old one is lost.
    made = config.key_file is None and not path.exists()
    store = SqliteCrosswalk(path, read_key(config.key_file or state_dir / "crosswalk.key", made, "crosswalk.key_file"))
    tokens = BearerTokens({name: one.file for name, one in config.tokens.items()}, "crosswalk.tokens")
    rights = {name: {right.value for right in one.may} for name, one in config.tokens.items()}
    crosswalk = Crosswalk(store, Trail(store))
    server.add(
        crosswalk_service_pb2.DESCRIPTOR.services_by_name["CrosswalkService"],
        add_CrosswalkServiceServicer_to_server,
        CrosswalkServicer(crosswalk, tokens.name_of, rights),
        ready=crosswalk.check_ready,
    )
    server.on_stop(store.close)
    return crosswalk


def main() -> None:
    """Serve until told to stop."""
    run_service("anon", lambda: make_server(read_config(AnonConfig, "anon")))


if __name__ == "__main__":
    main()
