"""The archive, as far as it weighs evidence, reached through its client."""

from __future__ import annotations

from collections.abc import Mapping

from diana.archive.v1.feed_pb2 import Evidence, ProcedureStep, ProcedureStepStatus, SessionEnded
from diana_client import ArchiveClient, Channel
from diana_dimse.core.intake.receiving import Origin
from diana_dimse.core.steps.model import Step, StepStatus
from diana_dimse.peers.intake import origin_message
from diana_dimse.peers.patience import patiently
from diana_server.peers import typed

_STATUSES = {
    StepStatus.IN_PROGRESS: ProcedureStepStatus.PROCEDURE_STEP_STATUS_IN_PROGRESS,
    StepStatus.COMPLETED: ProcedureStepStatus.PROCEDURE_STEP_STATUS_COMPLETED,
    StepStatus.DISCONTINUED: ProcedureStepStatus.PROCEDURE_STEP_STATUS_DISCONTINUED,
}


class ArchiveEvidence:
    """The core's `Evidence` and `StepEvidence` over a connection."""

    def __init__(self, channel: Channel) -> None:
        self._client = ArchiveClient(channel)

    def session_ended(self, origin: Origin, study_uid: str, session: str, released: bool, instance_count: int) -> None:
        """An association that carried so many instances of a study has ended, in order or not."""
        ended = SessionEnded(session=session, released=released, instance_count=instance_count)
        evidence, sender = Evidence(session_ended=ended), origin_message(origin)
        patiently(lambda: self._client.record_evidence(study_uid, evidence, store=origin.store, origin=sender))

    def describe(self, origin: Origin, study_uid: str, attributes: Mapping[str, str]) -> None:
        """Give a study plain attributes."""
        sender = origin_message(origin)
        patiently(lambda: self._client.update_attributes(study_uid, attributes, store=origin.store, origin=sender))

    def procedure_step(self, origin: Origin, study_uid: str, step: Step) -> None:
        """A step that a study has part in stands so."""
        told = ProcedureStep(
            procedure_step_uid=step.uid, status=_STATUSES[step.status], sop_instance_uids=step.sop_instance_uids
        )
        with typed("archive"):
            self._client.record_evidence(
                study_uid, Evidence(procedure_step=told), store=origin.store, origin=origin_message(origin)
            )
