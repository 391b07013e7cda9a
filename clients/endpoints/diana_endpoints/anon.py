"""The mesh's de-identification: instances as they pass, and studies from one store to another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from diana.anon.v1 import anon_service_pb2 as pb
from diana.operation.v1.operation_service_pb2 import Operation
from diana_client import AnonClient, Channel, OperationClient, studies_result, study_result
from diana_client.errors import from_status
from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.failures import failure_of, is_fatal
from diana_endpoints.items import BytesContent, Item
from diana_endpoints.kind import Kind
from diana_endpoints.mesh import MeshSettings, examine
from diana_endpoints.profiles import ExplainedProfiles
from diana_endpoints.proofs import KeptCrosswalk, KeptProofs
from diana_endpoints.protocol.anon import CohortOrder, StudyOrder
from diana_endpoints.protocol.endpoint import Health, OnProgress
from diana_endpoints.temporary import TemporaryContent

CONTRACT = "diana.anon.v1.AnonService"
_SMALL = 4 * 1024 * 1024
"""New instances up to this size are held in memory; larger ones in a temporary file for as long as they are used."""


@dataclass(frozen=True)
class AnonSettings(MeshSettings):
    """A profile of anon."""

    profile: str = ""
    """The profile, where none is asked for; "default" when empty."""


class Anon(ExplainedProfiles, KeptProofs, KeptCrosswalk):
    """Endpoint `anon`. Every method but `check` raises MeshError when anon cannot go on."""

    def __init__(self, settings: AnonSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._client = AnonClient(self._channel)
        self._operations = OperationClient(self._channel)

    def check(self) -> Health:
        """Whether it is ready, and its profiles."""
        return examine(self._settings, CONTRACT, self._describe)

    def anonymize(self, items: Iterable[Item], profile: str = "") -> Iterator[Item]:
        """The de-identified instance of each, under its new UIDs; nothing else of the source is handed on."""
        for item in items:
            try:
                yield self._one(item, profile or self._settings.profile)
            except Exception as error:  # whatever is wrong with one item's bytes is that item's failure
                if is_fatal(error):
                    raise
                item.failure = failure_of(error)
                yield item

    def start_study(self, order: StudyOrder) -> str:
        """Start to de-identify a study; the name of the operation."""
        operation = self._client.anonymize_study(
            order.study_uid,
            order.target_store,
            source_store=order.source_store,
            profile=order.profile or self._settings.profile,
            attributes=order.attributes,
            copied_attributes=order.copied_attributes,
        )
        return operation.name

    def await_study(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        """Wait for its end: the instances that were refused; at last the new study, or why there is none."""
        ended = self._ended(operation, on_progress)
        yield from self._refused(operation)
        yield _made(ended, _study)

    def start_cohort(self, order: CohortOrder) -> str:
        """Start to de-identify studies, or to look at what would be done; the name of the operation."""
        return self._client.anonymize_studies(
            order.study_uids,
            order.target_store,
            source_store=order.source_store,
            profile=order.profile or self._settings.profile,
            attributes=order.attributes,
            copied_attributes=order.copied_attributes,
            preview=order.preview,
        ).name

    def await_cohort(self, operation: str, on_progress: OnProgress | None = None) -> Iterator[Item]:
        """Wait for its end: the instances and studies that were refused; at last how many were not."""
        ended = self._ended(operation, on_progress)
        yield from self._refused(operation)
        yield _made(ended, _cohort)

    def anonymize_text(self, text: str, study_uid: str = "", store: str = "", profile: str = "") -> Item:
        """A free text without identifiers, those included that a study's headers say: `meta["text"]`."""
        made = self._client.anonymize_text(
            text, study_uid=study_uid, store=store, profile=profile or self._settings.profile
        )
        return Item({"text": made.text, "changed": made.changed_count, "outcome": "anonymized"})

    def _ended(self, operation: str, on_progress: OnProgress | None) -> Operation:
        def tell(running: Operation) -> None:
            if on_progress:
                on_progress(running.progress.done, running.progress.total)

        return self._operations.wait(operation, on_progress=tell if on_progress else None)

    def _refused(self, operation: str) -> Iterator[Item]:
        for number, refused in enumerate(self._operations.failures(operation), 1):
            failure = failure_of(from_status(refused.status))
            yield Item({"sop_instance_uid": refused.item}, failure=failure, number=number)

    def _describe(self, channel: Channel) -> str:
        profiles = AnonClient(channel).profiles()
        named = self._settings.profile
        if named and named not in (profile.name for profile in profiles):
            raise DianaError(Reason.PROFILE_UNKNOWN, f"there is no profile {named}")
        return f"{len(profiles)} profiles: {', '.join(profile.name for profile in profiles)}"

    def _one(self, item: Item, profile: str) -> Item:
        if item.content is None:
            raise invalid_field("content", "is required: get the instance before it is de-identified")
        made = self._client.anonymize_instance(item.content.open, profile=profile)
        small = made.instance.size_bytes <= _SMALL
        content = BytesContent(made.read()) if small else TemporaryContent(made)
        return Item(_meta(made.instance), content=content, number=item.number)


def _meta(instance: pb.AnonymizedInstance) -> dict[str, object]:
    return {
        "study_uid": instance.study_uid,
        "series_uid": instance.series_uid,
        "sop_instance_uid": instance.sop_instance_uid,
        "sop_class_uid": instance.sop_class_uid,
        "transfer_syntax_uid": instance.transfer_syntax_uid,
        "size_bytes": instance.size_bytes,
        "outcome": "anonymized",
    }


def _made(operation: Operation, told: Callable[[Operation], Item]) -> Item:
    """What an operation that succeeded tells; the failure of another."""
    if operation.state == Operation.STATE_FAILED:
        return Item(failure=failure_of(from_status(operation.error)))
    if operation.state == Operation.STATE_CANCELLED:
        return Item(failure=failure_of(DianaError(Reason.OPERATION_FINISHED, "the operation was cancelled")))
    return told(operation)


def _cohort(operation: Operation) -> Item:
    result = studies_result(operation)
    found = {"conflicts": result.conflict_count, "texts": result.remaining_text_count}
    return Item(
        {
            "operation": operation.name,
            "store": result.target_store,
            "studies": result.study_count,
            "failed_studies": result.failed_study_count,
            "instances": result.instance_count,
            "refused": result.failed_count,
            "quarantined": result.quarantined_count,
            **({} if result.target_store else found),
            "position": result.position,
            "outcome": "anonymized" if result.target_store else "previewed",
        }
    )


def _study(operation: Operation) -> Item:
    result = study_result(operation)
    return Item(
        {
            "operation": operation.name,
            "study_uid": result.study_uid,
            "store": result.target_store,
            "instances": result.instance_count,
            "refused": result.failed_count,
            "complete": result.completed,
            "position": result.position,
            "outcome": "anonymized",
        }
    )


KIND = Kind(AnonSettings, Anon, setting="profile", mesh=True)
