"""Fakes around storage commitment and procedure steps: an archive in memory, requestors, a clock."""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from diana_common.errors import DianaError, Reason
from diana_dimse.core.commitment.model import Asked, Reference, Result
from diana_dimse.core.commitment.provider import Commitments, Patience, Transaction
from diana_dimse.core.intake.receiving import Origin
from diana_dimse.core.steps.model import Step
from diana_dimse.stores.commitments import SqliteCommitments

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"


@dataclass
class Held:
    """The core's `Custody`."""

    classes: dict[str, str] = field(default_factory=dict)
    refusal: Reason | None = None

    def sop_classes(self, store: str, sop_instance_uids: Collection[str]) -> Mapping[str, str]:
        if self.refusal:
            raise DianaError(self.refusal, "refused")
        return {uid: self.classes[uid] for uid in sop_instance_uids if uid in self.classes}


@dataclass
class Told:
    """The core's `Messenger`."""

    results: queue.Queue[tuple[Transaction, Result]] = field(default_factory=queue.Queue)
    refusal: Reason | None = None

    def report(self, transaction: Transaction, result: Result) -> None:
        if self.refusal:
            raise DianaError(self.refusal, "refused")
        self.results.put((transaction, result))


@dataclass
class Weighed:
    """The core's `StepEvidence`."""

    told: list[tuple[Origin, str, Step]] = field(default_factory=list)
    refusal: Reason | None = None
    heard: threading.Event = field(default_factory=threading.Event)

    def procedure_step(self, origin: Origin, study_uid: str, step: Step) -> None:
        if self.refusal:
            raise DianaError(self.refusal, "refused")
        self.told.append((origin, study_uid, step))
        self.heard.set()


@dataclass
class Watched:
    """Both of the core's `Watch`es."""

    given_up_on: list[tuple[str, Reason]] = field(default_factory=list)
    refused: list[tuple[str, Reason]] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)

    def given_up(self, transaction: Transaction, error: DianaError) -> None:
        self.given_up_on.append((transaction.asked.transaction_uid, error.reason))

    def step_refused(self, step: Step, error: DianaError) -> None:
        self.refused.append((step.uid, error.reason))

    def fault(self, error: Exception) -> None:
        self.faults.append(error)


@dataclass
class Site:
    """A provider of commitment among fakes, whose ledger is a real file. `now`: seconds since 1970."""

    path: Path
    most: int = 10
    patience: Patience = field(default_factory=lambda: Patience(arrival_seconds=10, report_seconds=1000))
    held: Held = field(default_factory=Held)
    told: Told = field(default_factory=Told)
    watched: Watched = field(default_factory=Watched)
    now: float = 1_000_000.0

    def __post_init__(self) -> None:
        self.start_again()

    def start_again(self) -> None:
        """As after kill -9: what was not in the file is gone."""
        self.ledger = SqliteCommitments(self.path / "commitments.sqlite", self.most)
        self.commitments = Commitments(self.ledger, self.held, self.told, self.patience, self.watched, lambda: self.now)

    def accept(self, *uids: str, transaction: str = "1.9", calling: str = "MODALITY") -> int:
        """The number of a request for instances that are CTs."""
        asked = Asked(transaction, tuple(Reference(CT, uid) for uid in uids))
        return self.commitments.accept("default", "DIANA", calling, asked)
