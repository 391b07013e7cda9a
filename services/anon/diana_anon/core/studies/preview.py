"""A dry run: the same pipeline, and of what it makes nothing is stored but what was found (core.findings)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice

from diana_anon.core.planning.procedure import Procedure
from diana_anon.core.ports import Source, Work
from diana_anon.core.proof.books import passage
from diana_anon.core.proof.crosswalk import Passage, Recorder
from diana_anon.core.proof.findings import FindingsStore, Head, Refusal, StudyFindings
from diana_anon.core.proof.persons import person_of
from diana_anon.core.proof.quarantine import Withheld
from diana_anon.core.proof.remaining import free_text
from diana_anon.core.studies.deidentifier import Deidentifier, Made
from diana_anon.core.studies.flow import study_flow
from diana_anon.core.studies.study import StudyJob, StudyOutcome
from diana_common.errors import DianaError, Reason
from diana_common.same_person import check_same_person

_BATCH = 200
# Attempts in a row while a peer is away: about five minutes with the clients' own.
_ATTEMPTS = 60
_WAIT_SECONDS = 5.0
_OURS = frozenset({"identity", "dummy", "map", "replace", "shift"})
"""Actions after which a value is ours, not the source's."""


class StudyPreviewer:
    """Works out what would become of studies. `sleep` takes seconds."""

    def __init__(
        self,
        deidentifier: Deidentifier,
        source: Source,
        store: FindingsStore,
        recorders: Sequence[Recorder] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deidentifier = deidentifier
        self._source = source
        self._store = store
        self._recorders = recorders
        self._sleep = sleep

    def run(self, job: StudyJob, work: Work) -> StudyOutcome:
        """Look at one study, and keep what was found; one that was looked at before a crash is looked at again.

        Raises PROFILE_UNKNOWN, STORE_UNKNOWN, STUDY_NOT_FOUND, DISK_FULL, INTERNAL, PEER_UNAVAILABLE, and what the
        mint refuses a domain with.
        """
        procedure = self._deidentifier.procedure(job.profile)
        self._store.begin(work.operation, _head(procedure))
        attempts = 0
        while True:
            try:
                return self._looked_at(job, procedure, work)
            except DianaError as error:
                work.raise_if_cancelled()
                if error.reason is not Reason.PEER_UNAVAILABLE or attempts == _ATTEMPTS:
                    raise
            attempts += 1
            self._sleep(min(0.25 * attempts, _WAIT_SECONDS))
            work.raise_if_cancelled()

    def _looked_at(self, job: StudyJob, procedure: Procedure, work: Work) -> StudyOutcome:
        self._source.study(job.source_store, job.study_uid)  # it refuses what is not there
        findings = StudyFindings(job.study_uid)
        for sop_uid, made in self._results(job, procedure, work):
            if isinstance(made, DianaError):
                findings.refuse(_refusal(sop_uid, made))
            elif conflict := self._conflict(findings, made, passage(made, procedure, job.source_store), work.operation):
                findings.add_conflict(_refusal(sop_uid, conflict))
            else:
                _add(findings, made)
        work.raise_if_cancelled()
        self._store.add(work.operation, findings)
        whole = not findings.refused
        return StudyOutcome(findings.new_study_uid, findings.instances, findings.refused, whole, "", findings.held)

    def _results(self, job: StudyJob, procedure: Procedure, work: Work) -> Iterator[tuple[str, Made | DianaError]]:
        flow = study_flow(self._deidentifier, self._source, procedure, job.source_store, job.study_uid, work.cancelled)
        sop_uids = (key.sop_uid for key in self._source.instances(job.source_store, job.study_uid))
        while batch := list(islice(sop_uids, _BATCH)):
            with closing(flow.results(batch)) as results:
                yield from results
            if work.cancelled():
                return

    def _conflict(self, findings: StudyFindings, made: Made, through: Passage, operation: str) -> DianaError | None:
        """What a run would refuse it by: the pseudonym is another's, of this dry run or of an operation before."""
        first = findings.subjects.get(made.patient_id) or self._store.subject(operation, made.patient_id)
        findings.subjects.setdefault(made.patient_id, first or made.subject)
        try:
            if first:
                check_same_person(person_of(first), person_of(made.subject))
            for recorder in self._recorders:
                recorder.check(through)
        except DianaError as error:
            if error.reason not in (Reason.IDENTITY_COLLISION, Reason.UID_COLLISION):
                raise
            return error
        return None


def _add(findings: StudyFindings, made: Made) -> None:
    actions: list[tuple[str, str]] = json.loads(made.receipt.actions)
    ours = {path for path, action in actions if action in _OURS}
    for path, text in free_text(made.file.pieces):
        if path not in ours:
            findings.add_text(path, text)
    for path, action in actions:
        findings.add_action(path, action)
    findings.instances += 1
    findings.new_study_uid = made.file.study_uid


def _refusal(sop_uid: str, error: DianaError) -> Refusal:
    detail = error.detail if isinstance(error, Withheld) else ""
    return Refusal(sop_uid, error.reason.name, error.message, detail, isinstance(error, Withheld))


def _head(procedure: Procedure) -> Head:
    codes = tuple(method.value for method in procedure.plan.methods)
    return Head(procedure.profile.name, procedure.digest, procedure.domain, codes)
