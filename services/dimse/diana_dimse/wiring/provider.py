"""What is done for those who call us: a handler for each operation."""

from __future__ import annotations

from time import time as wall_clock

from diana_common.settings import config_invalid
from diana_dimse.adapters.metrics import PENDING_COMMITMENTS, UNTOLD_STEPS
from diana_dimse.adapters.worklist_folder import WorklistFolder
from diana_dimse.config import DimseConfig
from diana_dimse.core.commitment.provider import Commitments, Patience
from diana_dimse.core.entities import Service
from diana_dimse.core.queries.finding import Finding
from diana_dimse.core.sending.selection import Selecting
from diana_dimse.core.sop_classes import (
    BY_SERVICE,
    MODALITY_WORKLIST_FIND,
    PROCEDURE_STEP,
    PROCEDURE_STEP_RETRIEVE,
    STORAGE_COMMITMENT,
)
from diana_dimse.core.steps.keeping import ProcedureSteps
from diana_dimse.handlers.committing import CommitmentHandler, CommitmentResultHandler
from diana_dimse.handlers.door import Door
from diana_dimse.handlers.echoing import EchoHandler
from diana_dimse.handlers.ending import StudyEvidence
from diana_dimse.handlers.finding import FindHandler
from diana_dimse.handlers.getting import GetHandler
from diana_dimse.handlers.moving import MoveHandler
from diana_dimse.handlers.pacing import PacedHandler
from diana_dimse.handlers.procedure_steps import ChangeStepHandler, CreateStepHandler, RetrieveStepHandler
from diana_dimse.handlers.session import Handler
from diana_dimse.handlers.storing import StoreHandler
from diana_dimse.handlers.worklist import WorklistHandler
from diana_dimse.network.commands import Operation
from diana_dimse.network.storing import StorageCaller
from diana_dimse.stores.commitments import SqliteCommitments
from diana_dimse.stores.steps import SqliteSteps
from diana_dimse.wiring.parts import Parts
from diana_server import logs
from diana_server.server import Server

Handlers = dict[tuple[Operation, str] | Operation, Handler]


def make_door(server: Server, config: DimseConfig, parts: Parts) -> Door:
    """The door, with all its handlers. Raises DianaError CONFIG_INVALID."""
    handlers: Handlers = {
        Operation.C_ECHO: EchoHandler(),
        Operation.C_STORE: PacedHandler(StoreHandler(parts.receiving), parts.paces, parts.arrivals),
        **_queries(config, parts),
        **_retrievals(parts),
        **_commitment(server, config, parts),
        **_procedure_steps(server, config, parts),
    }
    return Door(parts.directory, handlers, [StudyEvidence(parts.archive.evidence)])


def _queries(config: DimseConfig, parts: Parts) -> Handlers:
    find = FindHandler(Finding(parts.index.queries), config.limits.answers)
    handlers: Handlers = {(Operation.C_FIND, model): find for model in BY_SERVICE[Service.FIND]}
    if config.worklist_dir:
        if not config.worklist_dir.is_dir():
            raise config_invalid("worklist_dir", "is no directory")
        log = logs.logger("dimse")
        folder = WorklistFolder(config.worklist_dir, lambda why: log.warning("worklist file left out", why=why))
        handlers[Operation.C_FIND, MODALITY_WORKLIST_FIND] = WorklistHandler(folder, config.limits.answers)
    return handlers


def _retrievals(parts: Parts) -> Handlers:
    selecting = Selecting(parts.archive.reading, parts.index.locating)
    caller = StorageCaller(parts.remotes)
    return {
        Operation.C_MOVE: MoveHandler(selecting, parts.sender, caller, parts.directory, parts.correspondents),
        Operation.C_GET: GetHandler(selecting, parts.sender),
    }


def _commitment(server: Server, config: DimseConfig, parts: Parts) -> Handlers:
    own = config.commitment
    ledger = SqliteCommitments(config.state_dir / "commitments.sqlite", own.pending)
    patience = Patience(own.arrival_seconds, own.report_hours * 3600)
    commitments = Commitments(ledger, parts.archive.custody, parts.caller, patience, parts.watch, wall_clock)
    PENDING_COMMITMENTS.set_function(ledger.count)
    server.on_stop(ledger.close)
    server.on_stopping(commitments.stop)
    commitments.start()
    return {
        (Operation.N_ACTION, STORAGE_COMMITMENT): CommitmentHandler(commitments, parts.reader),
        (Operation.N_EVENT_REPORT, STORAGE_COMMITMENT): CommitmentResultHandler(parts.expected, parts.reader),
    }


def _procedure_steps(server: Server, config: DimseConfig, parts: Parts) -> Handlers:
    own = config.procedure_steps
    store = SqliteSteps(config.state_dir / "procedure-steps.sqlite", own.most)
    steps = ProcedureSteps(store, parts.archive.evidence, parts.watch, own.keep_days * 86_400, wall_clock)
    UNTOLD_STEPS.set_function(store.count_untold)
    server.on_stop(store.close)
    server.on_stopping(steps.stop)
    steps.start()
    return {
        (Operation.N_CREATE, PROCEDURE_STEP): CreateStepHandler(steps, parts.reader),
        (Operation.N_SET, PROCEDURE_STEP): ChangeStepHandler(steps, parts.reader),
        (Operation.N_GET, PROCEDURE_STEP_RETRIEVE): RetrieveStepHandler(steps),
    }
