"""Procedure steps as modalities report them (PS3.4 Annex F): kept, and told to the archive as evidence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from diana_common.dicomjson import DataSetJson
from diana_common.errors import Code, DianaError
from diana_dimse.core.intake.receiving import Origin
from diana_dimse.core.statuses import Status
from diana_dimse.core.steps.model import Step, StepRefused, changed, created
from diana_dimse.core.worker import Worker

_LONGEST_SLEEP_SECONDS = 3600.0
_FIRST_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 1.0, 60.0
_PASSING = frozenset({Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED, Code.ABORTED})


@dataclass(frozen=True)
class Untold:
    """A step whose present state the archive has not heard of."""

    step: Step
    revision: int


class StepStore(Protocol):
    """Where steps are kept; durable at every change. Raises DianaError DISK_FULL, STORE_DAMAGED."""

    def get(self, store: str, uid: str) -> Step | None:
        """One; None where it is not there."""
        ...

    def add(self, step: Step, now: float) -> bool:
        """Keep a new one, as untold; False where it is there. Raises DianaError OVERLOADED where there are too many."""
        ...

    def replace(self, step: Step, now: float) -> None:
        """It has changed, and is untold. Raises DianaError OVERLOADED where it has become too large."""
        ...

    def untold(self) -> Untold | None:
        """The one that is for the longest time; None where all are told."""
        ...

    def told(self, untold: Untold) -> None:
        """The archive knows this state of it."""
        ...

    def forget(self, before: float) -> None:
        """Remove those that were told, and did not change since."""
        ...


class StepEvidence(Protocol):
    """The archive, as far as it weighs procedure steps. Raises DianaError."""

    def procedure_step(self, origin: Origin, study_uid: str, step: Step) -> None:
        """A step that a study has part in stands so."""
        ...


class Watch(Protocol):
    """Whoever looks after the door. Raises nothing."""

    def step_refused(self, step: Step, error: DianaError) -> None:
        """The archive will not have a step as evidence."""
        ...

    def fault(self, error: Exception) -> None:
        """Something that must not happen did."""
        ...


class ProcedureSteps:
    """All of them. Safe to share between threads. `start` it, and `stop` it."""

    def __init__(
        self, steps: StepStore, evidence: StepEvidence, watch: Watch, keep_seconds: float, clock: Callable[[], float]
    ) -> None:
        """`keep_seconds`: for how long after their last change steps can be asked for. `clock`: seconds since 1970."""
        self._steps, self._evidence, self._watch = steps, evidence, watch
        self._keep_seconds, self._clock = keep_seconds, clock
        self._lock = threading.Lock()
        self._backoff_seconds = _FIRST_BACKOFF_SECONDS
        self._worker = Worker("procedure-steps", self.tell_next, watch.fault)

    def start(self) -> None:
        """Tell the archive, also of what was left when the process ended."""
        self._worker.start()

    def stop(self) -> None:
        """Tell no more."""
        self._worker.stop()

    def create(self, store: str, uid: str, source: str, attributes: DataSetJson) -> None:
        """A new one begins. Raises StepRefused, and DianaError as the store does."""
        if not self._steps.add(created(store, uid, source, attributes), self._clock()):
            raise StepRefused(Status.DUPLICATE_INSTANCE, "there is a procedure step of this UID")
        self._worker.wake()

    def change(self, store: str, uid: str, source: str, modifications: DataSetJson) -> None:
        """One goes on or ends. Raises StepRefused, and DianaError as the store does."""
        with self._lock:
            self._steps.replace(changed(self.get(store, uid), source, modifications), self._clock())
        self._worker.wake()

    def get(self, store: str, uid: str) -> Step:
        """One as it stands. Raises StepRefused where there is none."""
        step = self._steps.get(store, uid)
        if step is None:
            raise StepRefused(Status.NO_SUCH_INSTANCE, "there is no procedure step of this UID")
        return step

    def tell_next(self) -> float:
        """Tell the archive of one; the seconds until there may be more."""
        untold = self._steps.untold()
        if untold is None:
            self._steps.forget(self._clock() - self._keep_seconds)
            return _LONGEST_SLEEP_SECONDS
        try:
            self._tell(untold.step)
            self._steps.told(untold)
        except DianaError as error:
            if error.code not in _PASSING:
                raise
            seconds = self._backoff_seconds
            self._backoff_seconds = min(2 * seconds, _LONGEST_BACKOFF_SECONDS)
            return seconds
        self._backoff_seconds = _FIRST_BACKOFF_SECONDS
        return 0

    def _tell(self, step: Step) -> None:
        """Raises DianaError where the archive does not answer now."""
        origin = Origin(step.store, step.source)
        for study_uid in step.study_uids:
            try:
                self._evidence.procedure_step(origin, study_uid, step)
            except DianaError as error:
                if error.code in _PASSING:
                    raise
                self._watch.step_refused(step, error)
            except Exception as error:  # a fault of ours with one must not keep all others waiting
                self._watch.fault(error)
