"""What is done at an association's end: the archive hears of it, for that is evidence that studies are complete."""

from __future__ import annotations

from diana_common.errors import DianaError, Reason
from diana_dimse.core.evidence import Evidence
from diana_dimse.core.intake.receiving import Origin
from diana_dimse.handlers.session import Session


class StudyEvidence:
    """A `Watcher`. Where the archive cannot be told, its quiet period completes the study later."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def ended(self, session: Session, released: bool) -> None:
        """Tell of each study that the association brought."""
        entity = session.admission.entity
        origin = Origin(entity.store, session.association.agreed.calling)
        for study_uid, count in session.received.items():
            try:
                # Before the evidence, which may complete the study: who hears of that looks at the attributes.
                if entity.attributes:
                    self._evidence.describe(origin, study_uid, entity.attributes)
                self._evidence.session_ended(origin, study_uid, session.id, released, count)
            except DianaError as error:
                if error.reason is Reason.PEER_UNAVAILABLE:  # it was asked for a while
                    return
