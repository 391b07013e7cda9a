"""The studies of a cohort, one after the other, as one operation: it goes on in the study that a crash cut short."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from diana_anon.core.ports import Work
from diana_anon.core.studies.flow import OF_ALL
from diana_anon.core.studies.study import StudyJob, StudyOutcome
from diana_common.errors import DianaError, Reason

_ENDS_ALL = OF_ALL | {Reason.STORE_UNKNOWN, Reason.PROFILE_UNKNOWN}
"""What the next study would fail by too."""


@dataclass(frozen=True, slots=True)
class CohortJob:
    """What is to be done: Study Instance UIDs of one store, where they go, by which profile, with which attributes."""

    source_store: str
    study_uids: Sequence[str]
    target_store: str
    profile: str
    attributes: Mapping[str, str]
    copied_attributes: Sequence[str]

    def study(self, study_uid: str, key_version: int) -> StudyJob:
        """What is to be done with one of them."""
        return StudyJob(
            source_store=self.source_store,
            study_uid=study_uid,
            target_store=self.target_store,
            profile=self.profile,
            attributes=self.attributes,
            copied_attributes=self.copied_attributes,
            key_version=key_version,
        )


@dataclass(frozen=True, slots=True)
class CohortOutcome:
    """The feed position that covers what came of it, and the version of the domain's key, which all studies have, so
    that a patient stays one. How many came of it is counted from the books (core.reports.counts)."""

    position: str = ""
    key_version: int = 0

    def with_study(self, study: StudyOutcome) -> CohortOutcome:
        """This and one more study."""
        return CohortOutcome(study.position or self.position, study.key_version or self.key_version)


@dataclass(frozen=True, slots=True)
class CohortCheckpoint:
    """How many studies are behind us and what came of them, and the checkpoint of the one that is under way."""

    done: int = 0
    outcome: CohortOutcome = CohortOutcome()
    study: str = ""

    def to_bytes(self) -> bytes:
        """For the operation's record."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, kept: bytes) -> CohortCheckpoint:
        """What `to_bytes` wrote, or the beginning if nothing was kept."""
        if not kept:
            return cls()
        members = json.loads(kept)
        outcome = members["outcome"]
        return cls(members["done"], CohortOutcome(outcome["position"], outcome["key_version"]), members["study"])


class StudyRunner(Protocol):
    """What does one study of a cohort."""

    def run(self, job: StudyJob, work: Work) -> StudyOutcome:
        """Do it from where an earlier attempt left it."""
        ...


class CohortRunner:
    """Has the studies of cohorts done."""

    def __init__(self, studies: StudyRunner) -> None:
        self._studies = studies

    def run(self, job: CohortJob, work: Work) -> CohortOutcome:
        """Do the job from where an earlier attempt left it. A study that cannot be done does not keep the others.

        Raises PROFILE_UNKNOWN, STORE_UNKNOWN, DISK_FULL, INTERNAL, PEER_UNAVAILABLE, and what the mint refuses a domain
        with.
        """
        state = CohortCheckpoint.from_bytes(work.last_checkpoint)
        failed = work.failed_items  # those of the study that is under way are among them
        for number in range(state.done, len(job.study_uids)):
            work.progress(number, len(job.study_uids), "studies")
            outcome = self._study(job.study(job.study_uids[number], state.outcome.key_version), work, state, failed)
            state, failed = CohortCheckpoint(number + 1, outcome), frozenset()
            work.checkpoint(state.to_bytes())
            work.raise_if_cancelled()
        work.progress(len(job.study_uids), len(job.study_uids), "studies")
        return state.outcome

    def _study(self, job: StudyJob, work: Work, state: CohortCheckpoint, failed: frozenset[str]) -> CohortOutcome:
        if job.study_uid not in failed:
            try:
                return state.outcome.with_study(self._studies.run(job, _StudyWork(work, state, failed)))
            except DianaError as error:
                if error.reason in _ENDS_ALL:
                    raise
                work.fail_item(job.study_uid, error)
        return state.outcome


class _StudyWork:
    """core.ports.Work for one study of a cohort: it shares the operation, whose progress counts studies."""

    def __init__(self, work: Work, state: CohortCheckpoint, failed: frozenset[str]) -> None:
        self._work = work
        self._state = state
        self.operation = work.operation
        self.last_checkpoint = state.study.encode()
        self.failed_items = failed
        self.fail_item = work.fail_item
        self.cancelled = work.cancelled
        self.raise_if_cancelled = work.raise_if_cancelled

    def progress(self, done: int, total: int, unit: str) -> None:
        """Told by study only."""

    def checkpoint(self, state: bytes) -> None:
        """See Work."""
        self._work.checkpoint(replace(self._state, study=state.decode()).to_bytes())
