"""Long work at another service: begun once, followed, begun anew where it ended badly."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from diana.operation.v1.operation_service_pb2 import ItemFailure, Operation, Progress
from diana_client import OperationClient
from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_common.errors import Reason
from diana_route.core.model import Task
from diana_route.core.rules import Anonymize
from diana_route.peers.operations import Check, Operations
from tests.support.route_tasks import MemoryNotes, study_item, task_of
from tests.unit.route.operations_fake import FakeService, goes_on, status


def fails(reason: Reason) -> Callable[[Operation], None]:
    def end(operation: Operation) -> None:
        operation.state = Operation.STATE_FAILED
        operation.error.CopyFrom(status(reason))

    return end


def is_partial(operation: Operation) -> None:
    operation.progress.CopyFrom(Progress(done=9, total=9, failed=2, unit="instances"))


class Runs:
    """Attempts at one step, with what the journal keeps between them."""

    def __init__(self, service: FakeService, *, joins: bool = False) -> None:
        self.service, self.notes, self.joins = service, MemoryNotes(), joins
        self.operations = Operations(cast(OperationClient, service), "anon", self.notes)

    @property
    def task(self) -> Task:
        return task_of(study_item("1.2"), [Anonymize("trial")], notes=self.notes)

    def attempt(self, check: Check = lambda operation: None) -> Operation:
        return self.operations.done(self.task, self.service.begin, check, joins=self.joins)

    def failure(self, check: Check = lambda operation: None) -> Failed:
        with pytest.raises(Failed) as caught:
            self.attempt(check)
        return caught.value


def test_what_is_under_way_is_asked_for_again_and_not_begun_again() -> None:
    runs = Runs(FakeService(goes_on, goes_on))
    for _ in range(2):
        failed = runs.failure()
        assert isinstance(failed, Postponed)
        assert failed.why == "under way at anon: 3 of 9 instances"
    assert runs.attempt().name == "operations/0"
    assert list(runs.service.begun) == ["jobs/job-1/0"]


def test_after_a_kill_that_lost_the_memo_the_same_operation_answers() -> None:
    runs = Runs(FakeService(goes_on))
    runs.failure()
    runs.notes.memos.clear()
    assert runs.attempt().name == "operations/0"


def test_what_failed_is_begun_anew_by_the_next_attempt() -> None:
    runs = Runs(FakeService(fails(Reason.PEER_UNAVAILABLE)))
    assert isinstance(runs.failure(), Unreachable)
    assert runs.attempt().name == "operations/1"
    assert list(runs.service.begun) == ["jobs/job-1/0", "jobs/job-1/0/1"]


def test_a_step_that_a_person_retries_is_begun_anew_though_its_memo_is_gone() -> None:
    runs = Runs(FakeService(fails(Reason.DOMAIN_KEY_MISSING)))
    failed = runs.failure()
    assert isinstance(failed, Refused)
    assert failed.why == "anon refused it (DOMAIN_KEY_MISSING)"
    runs.notes.memos.clear()
    assert runs.attempt().name == "operations/1"


def test_an_operation_that_its_service_has_forgotten_is_begun_anew() -> None:
    runs = Runs(FakeService(goes_on))
    runs.failure()
    runs.service.begun.clear()
    assert isinstance(runs.failure(), Postponed)
    assert runs.attempt().name == "operations/0"


def test_an_operation_that_somebody_cancelled_is_not_repeated() -> None:
    def cancelled(operation: Operation) -> None:
        operation.state = Operation.STATE_CANCELLED

    assert isinstance(Runs(FakeService(cancelled)).failure(), Refused)


@pytest.mark.parametrize(
    ("reason", "kind"), [(Reason.INSTANCE_QUARANTINED, Refused), (Reason.AE_UNAVAILABLE, Postponed)]
)
def test_items_that_failed_are_told_by_count_and_reason_alone(reason: Reason, kind: type[Failed]) -> None:
    runs = Runs(FakeService(is_partial))
    runs.service.failed = [ItemFailure(item="1.2.3", status=status(reason))] * 2
    failed = runs.failure(runs.operations.partly)
    assert type(failed) is kind
    assert failed.why == f"2 of 9 instances failed at anon (2 {reason.name})"


def test_one_that_was_under_way_before_is_waited_for_and_followed_by_another() -> None:
    service = FakeService()
    service.begun["jobs/job-1/0"] = Operation(name="operations/theirs", state=Operation.STATE_RUNNING)
    runs = Runs(service, joins=True)
    assert runs.attempt().name == "operations/1"


def test_a_later_step_finds_the_operation_that_ended_well() -> None:
    runs = Runs(FakeService(fails(Reason.PEER_UNAVAILABLE)))
    runs.failure()
    runs.attempt()
    found = runs.operations.again("jobs/job-1/0", runs.service.begin, lambda operation: None)
    assert found.name == "operations/1"
    assert len(runs.service.begun) == 2
