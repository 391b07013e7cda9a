"""What an operation writes down: receipts, its studies, who pseudonyms stand for, and what it held back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from diana_anon.core.planning.procedure import Procedure
from diana_anon.core.ports import Ledger, Quarantine, StudyBook
from diana_anon.core.proof.crosswalk import Passage, Recorder
from diana_anon.core.proof.quarantine import HeldBack, Withheld
from diana_anon.core.studies.deidentifier import Made


@dataclass(frozen=True, slots=True)
class Books:
    """The books of a service. `recorders` are told of every subject, in this order: who is refused is not told to the
    next. `now` is in seconds since the epoch."""

    ledger: Ledger
    quarantine: Quarantine
    studies: StudyBook
    recorders: Sequence[Recorder] = ()
    now: Callable[[], float] = time.time

    def enter_passage(self, made: Made, procedure: Procedure, store: str) -> None:
        """Whom a result stands for; before it is stored anywhere. Raises what `Recorder.record` does."""
        through = passage(made, procedure, store)
        for recorder in self.recorders:
            recorder.record(through)

    def enter_withheld(self, error: Withheld, procedure: Procedure, operation: str, place: Place) -> None:
        """An instance that an operation held back."""
        held = HeldBack(
            operation=operation,
            source_store=place.store,
            study_uid=place.study_uid,
            sop_instance_uid=place.sop_instance_uid,
            source_sha256=error.source_sha256,
            profile=procedure.profile.name,
            profile_sha256=procedure.digest,
            why=error.why,
            detail=error.detail,
            created=self.now(),
        )
        self.quarantine.hold(held)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source is: the store, and its UIDs there."""

    store: str
    study_uid: str
    sop_instance_uid: str


def passage(made: Made, procedure: Procedure, store: str) -> Passage:
    """What recorders are told of a result whose source is in `store`."""
    return Passage(
        domain=procedure.domain,
        subject=made.subject,
        pseudonym=made.patient_id,
        store=store,
        study_uid=made.study_uid,
        new_study_uid=made.file.study_uid,
    )
