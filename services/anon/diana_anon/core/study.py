"""A study from one store to another, instance by instance: started anew as often as it takes, and nothing stored twice.

That is so because the same instance always becomes the same bytes: what a crash left stored is answered as stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from diana_anon.core.deidentifier import Deidentifier, Identities, Procedure
from diana_anon.core.ports import Outgoing, Source, StudySummary, Target, Work
from diana_anon.core.tally import Checkpoint, Tally
from diana_common.errors import DianaError, Reason, invalid_field

_BATCH = 200
_MOST_ATTRIBUTES = 64
# Attempts in a row that settle nothing while a peer is away: about ten minutes with the clients' own.
_ATTEMPTS = 60
_LONGEST_WAIT_SECONDS = 5.0

# One instance of a download is gone or damaged; the others may be whole.
_OF_ONE = frozenset({Reason.INSTANCE_NOT_FOUND, Reason.STORE_DAMAGED})
# Not an instance's doing: its operation ends, or is tried again.
_OF_ALL = frozenset(
    {Reason.PEER_UNAVAILABLE, Reason.DOMAIN_UNKNOWN, Reason.DOMAIN_KEY_MISSING, Reason.DISK_FULL, Reason.INTERNAL}
)


@dataclass(frozen=True, slots=True)
class StudyJob:
    """What is to be done: store and Study Instance UID, where it goes, by which profile, with which attributes."""

    source_store: str
    study_uid: str
    target_store: str
    profile: str
    attributes: Mapping[str, str]
    copied_attributes: Sequence[str]


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """What came of it: the new study's UID, its instances stored and failed, and the feed position that covers it."""

    study_uid: str
    stored: int
    failed: int
    completed: bool
    position: str


class StudyDeidentifier:
    """De-identifies studies. `sleep` takes seconds."""

    def __init__(
        self,
        deidentifier: Deidentifier,
        source: Source,
        target: Target,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deidentifier = deidentifier
        self._source = source
        self._target = target
        self._sleep = sleep

    def run(self, job: StudyJob, work: Work) -> StudyOutcome:
        """Do the job from where an earlier attempt left it. A peer that is away for a while is waited for.

        Raises PROFILE_UNKNOWN, STORE_UNKNOWN, STUDY_NOT_FOUND, INVALID_FIELD, DISK_FULL, INTERNAL, PEER_UNAVAILABLE,
        and what the mint refuses a domain with.
        """
        start, failed, attempts = Checkpoint.from_bytes(work.last_checkpoint), work.failed_items, 0
        procedure = self._deidentifier.procedure(job.profile)
        while True:
            tally = Tally(work, start, failed)
            try:
                return self._attempt(job, procedure, work, tally)
            except Exception as error:
                work.raise_if_cancelled()  # what fails while the server stops and drops its connections has not failed
                if not _is_away(error) or attempts >= _ATTEMPTS:
                    raise
            finally:
                reached = tally.close()
            attempts = 1 if reached != start else attempts + 1
            start, failed = reached, frozenset(tally.failed)
            self._sleep(min(0.25 * 2.0 ** min(attempts, 10), _LONGEST_WAIT_SECONDS))
            work.raise_if_cancelled()

    def _attempt(self, job: StudyJob, procedure: Procedure, work: Work, tally: Tally) -> StudyOutcome:
        study = self._source.study(job.source_store, job.study_uid)
        attributes = _attributes(job, study)
        tally.expect(study.instance_count)
        identities = self._deidentifier.identities(procedure)
        outgoing = _Outgoing(self._deidentifier, self._source, job, procedure, identities, work, tally)
        with closing(self._target.upload(job.target_store, outgoing, work.operation)) as answers:
            for answer in answers:
                tally.settle(answer.sop_uid, answer.error)
                work.raise_if_cancelled()
        work.raise_if_cancelled()
        return self._finish(job, attributes, work.operation, tally)

    def _finish(self, job: StudyJob, attributes: Mapping[str, str], operation: str, tally: Tally) -> StudyOutcome:
        position, completed = "", False
        if tally.stored:
            position = self._target.set_attributes(job.target_store, tally.study_uid, attributes, operation)
            # Counted anew: the source may have got more instances meanwhile.
            counted = self._source.study(job.source_store, job.study_uid).instance_count
            if not tally.failed and tally.stored == counted:
                position, completed = self._complete(job.target_store, tally, operation, position)
        return StudyOutcome(tally.study_uid, tally.stored, len(tally.failed), completed, position)

    def _complete(self, store: str, tally: Tally, operation: str, position: str) -> tuple[str, bool]:
        """Declare it complete. All of the source is there; what it had earlier and has lost since may be too."""
        present = self._target.study(store, tally.study_uid).instance_count
        try:
            return self._target.complete(store, tally.study_uid, max(present, tally.stored), operation), True
        except DianaError as error:
            if error.reason is not Reason.STUDY_INCOMPLETE:
                raise
        return position, False  # somebody adds to it or deletes from it at this moment


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """The de-identified instances of one attempt, made one at a time as they are asked for."""

    deidentifier: Deidentifier
    source: Source
    job: StudyJob
    procedure: Procedure
    identities: Identities
    work: Work
    tally: Tally

    def __iter__(self) -> Iterator[Outgoing]:
        after = self.tally.start.key
        listed = self.source.instances(self.job.source_store, self.job.study_uid)
        keys = (key for key in listed if key > after)
        while batch := list(islice(keys, _BATCH)):
            yield from self._made(self.tally.begin(batch))

    def _made(self, sop_uids: Sequence[str]) -> Iterator[Outgoing]:
        """Those of them that can be, downloaded together; one by one where one of them spoils that."""
        left = dict.fromkeys(sop_uids)
        try:
            for outgoing in self._downloaded(left):
                if self.work.cancelled():
                    return
                if outgoing is not None:
                    yield outgoing
        except DianaError as error:
            if error.reason not in _OF_ONE:
                raise
            if len(sop_uids) == 1:
                self.tally.settle(sop_uids[0], error)
            else:
                for sop_uid in left:
                    yield from self._made([sop_uid])

    def _downloaded(self, left: dict[str, None]) -> Iterator[Outgoing | None]:
        """Each instance as it comes, None for one that was refused; it is taken out of `left`."""
        if not left:
            return
        with closing(self.source.download(self.job.source_store, self.job.study_uid, list(left))) as downloads:
            for sop_uid, data in downloads:
                outgoing = self._deidentified(sop_uid, data)
                left.pop(sop_uid, None)
                yield outgoing

    def _deidentified(self, sop_uid: str, data: Iterator[bytes]) -> Outgoing | None:
        try:
            made = self.deidentifier.instance(data, self.procedure, self.identities)
        except DianaError as error:
            if error.reason in _OF_ONE | _OF_ALL:
                raise
            self.tally.settle(sop_uid, error)
            return None
        self.tally.study_uid = made.study_uid
        return Outgoing(sop_uid, made.pieces)


def _is_away(error: Exception) -> bool:
    return isinstance(error, DianaError) and error.reason is Reason.PEER_UNAVAILABLE


def _attributes(job: StudyJob, study: StudySummary) -> Mapping[str, str]:
    """What to set on the new study."""
    copied = {key: study.attributes[key] for key in job.copied_attributes if key in study.attributes}
    attributes = copied | dict(job.attributes)
    if len(attributes) > _MOST_ATTRIBUTES:
        raise invalid_field("copied_attributes", f"makes more than {_MOST_ATTRIBUTES} attributes in all")
    return attributes
