"""A study from one store to another, instance by instance: started anew as often as it takes, and nothing stored twice.

That is so because the same instance always becomes the same bytes: what a crash left stored is answered as stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from diana_anon.core.planning.procedure import Procedure
from diana_anon.core.ports import Source, StudyEntry, StudySummary, Target, Work
from diana_anon.core.proof.books import Books
from diana_anon.core.proof.shipping import Dispatch
from diana_anon.core.studies.deidentifier import Deidentifier
from diana_anon.core.studies.flow import study_flow
from diana_anon.core.studies.outgoing import OutgoingResults
from diana_anon.core.studies.tally import Checkpoint, Tally
from diana_common.errors import DianaError, Reason, invalid_field

_MOST_ATTRIBUTES = 64
# Attempts in a row that settle nothing while a peer is away: about ten minutes with the clients' own.
_ATTEMPTS = 60
_LONGEST_WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class StudyJob:
    """What is to be done: store and Study Instance UID, where it goes, by which profile, with which attributes.

    `key_version` is the domain's that other studies of the same work had; 0: the newest.
    """

    source_store: str
    study_uid: str
    target_store: str
    profile: str
    attributes: Mapping[str, str]
    copied_attributes: Sequence[str]
    key_version: int = 0


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """What came of it: the new study's UID, its instances stored and failed, and the feed position that covers it.

    `quarantined` of those that failed are in quarantine. `key_version` is that of the domain's key, 0 for a preview.
    """

    study_uid: str
    stored: int
    failed: int
    completed: bool
    position: str
    quarantined: int = 0
    key_version: int = 0


class StudyDeidentifier:
    """De-identifies studies. `sleep` takes seconds."""

    def __init__(
        self,
        deidentifier: Deidentifier,
        source: Source,
        target: Target,
        books: Books,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deidentifier = deidentifier
        self._source = source
        self._target = target
        self._books = books
        self._sleep = sleep

    def run(self, job: StudyJob, work: Work) -> StudyOutcome:
        """Do the job from where an earlier attempt left it. A peer that is away for a while is waited for.

        Raises PROFILE_UNKNOWN, STORE_UNKNOWN, STUDY_NOT_FOUND, INVALID_FIELD, DISK_FULL, INTERNAL, PEER_UNAVAILABLE,
        and what the mint refuses a domain with.
        """
        start, failed, attempts = Checkpoint.from_bytes(work.last_checkpoint), work.failed_items, 0
        procedure = self._deidentifier.procedure(job.profile)
        dispatch = Dispatch(self._books.ledger, work.operation, job.target_store)
        self._books.studies.begin(work.operation, job.study_uid)
        while True:
            tally, whole = Tally(work, start, failed, dispatch), False
            try:
                made = self._attempt(job, procedure, work, tally, dispatch)
                whole = made.completed
                return made
            except Exception as error:
                work.raise_if_cancelled()  # what fails while the server stops and drops its connections has not failed
                if not _is_away(error) or attempts >= _ATTEMPTS:
                    raise
            finally:
                reached = tally.close()
                entry = StudyEntry(job.study_uid, tally.study_uid, tally.failed, whole)
                self._books.studies.enter(work.operation, entry)
            attempts = 1 if reached != start else attempts + 1
            start, failed = reached, frozenset(tally.failed_items)
            self._sleep(min(0.25 * 2.0 ** min(attempts, 10), _LONGEST_WAIT_SECONDS))
            work.raise_if_cancelled()

    def _attempt(
        self, job: StudyJob, procedure: Procedure, work: Work, tally: Tally, dispatch: Dispatch
    ) -> StudyOutcome:
        study = self._source.study(job.source_store, job.study_uid)
        attributes = _attributes(job, study)
        tally.expect(study.instance_count)
        version = tally.start.key_version or job.key_version
        flow = study_flow(
            self._deidentifier, self._source, procedure, job.source_store, job.study_uid, work.cancelled, version
        )
        tally.pin(flow.key_version)
        outgoing = OutgoingResults(flow, job.source_store, job.study_uid, procedure, self._books, work, tally, dispatch)
        with closing(self._target.upload(job.target_store, outgoing, work.operation)) as answers:
            # Nothing is sent once it is cancelled; what was is heard of to the end.
            for answer in answers:
                tally.settle(answer.sop_uid, answer.error)
        work.raise_if_cancelled()
        return replace(self._finish(job, attributes, work.operation, tally), key_version=flow.key_version)

    def _finish(self, job: StudyJob, attributes: Mapping[str, str], operation: str, tally: Tally) -> StudyOutcome:
        position, completed = "", False
        if tally.stored:
            position = self._target.set_attributes(job.target_store, tally.study_uid, attributes, operation)
            # Counted anew: the source may have got more instances meanwhile.
            counted = self._source.study(job.source_store, job.study_uid).instance_count
            if not tally.failed and tally.stored == counted:
                position, completed = self._complete(job.target_store, tally, operation, position)
        held = self._books.quarantine.count(operation, job.study_uid)
        return StudyOutcome(tally.study_uid, tally.stored, tally.failed, completed, position, held)

    def _complete(self, store: str, tally: Tally, operation: str, position: str) -> tuple[str, bool]:
        """Declare it complete. All of the source is there; what it had earlier and has lost since may be too."""
        present = self._target.study(store, tally.study_uid).instance_count
        try:
            return self._target.complete(store, tally.study_uid, max(present, tally.stored), operation), True
        except DianaError as error:
            if error.reason is not Reason.STUDY_INCOMPLETE:
                raise
        return position, False  # somebody adds to it or deletes from it at this moment


def _is_away(error: Exception) -> bool:
    return isinstance(error, DianaError) and error.reason is Reason.PEER_UNAVAILABLE


def _attributes(job: StudyJob, study: StudySummary) -> Mapping[str, str]:
    """What to set on the new study."""
    copied = {key: study.attributes[key] for key in job.copied_attributes if key in study.attributes}
    attributes = copied | dict(job.attributes)
    if len(attributes) > _MOST_ATTRIBUTES:
        raise invalid_field("copied_attributes", f"makes more than {_MOST_ATTRIBUTES} attributes in all")
    return attributes
