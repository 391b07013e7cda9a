"""Long work at other services: begun once, followed over many attempts, begun anew where it ended badly."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Protocol

from diana.operation.v1.operation_service_pb2 import Operation
from diana_client import DeadlineExceeded, FailedPrecondition, MeshError, NotFound, OperationClient, has_ended
from diana_client.errors import from_status
from diana_common.attempts import Failed, Postponed, Refused
from diana_route.core.actions import UnderWay
from diana_route.core.model import Task
from diana_route.peers.faults import attempted, failure, is_passing

WAIT_SECONDS = 2.0
"""How long an attempt waits for an operation; for longer, it would keep others from being made."""

_STOP_SECONDS = 10.0
_MOST_ROUNDS = 10_000
_MOST_FAILURES = 1000


class Notes(Protocol):
    """Where steps that follow operations remember them (diana_route.core.journal.Journal)."""

    def write_memo(self, number: int, memo: str) -> None:
        """What the job's current step has to remember between attempts."""
        ...


class Credits(Protocol):
    """Where rules tell their own work by (diana_route.core.journal.Journal)."""

    def credit(self, number: int, operation: str) -> None:
        """What an operation of another service makes is this job's work."""
        ...


Begin = Callable[[str], Operation]
"""Begins the work under a request id, or answers with the operation that was begun under it."""

Check = Callable[[Operation], Failed | None]
"""What is wrong where an operation that succeeded did not do all that was wanted."""


@dataclass(frozen=True, slots=True)
class Memo:
    """What a step remembers of its operation."""

    operation: str = ""
    round: int = 0
    """How many were begun before it, and ended badly."""

    stale: bool = False
    """Whether it was under way before it was asked for, so that another has to follow."""

    @classmethod
    def of(cls, task: Task) -> Memo:
        """A step's."""
        return cls(**json.loads(task.step.memo)) if task.step.memo else cls()


def begin_time(operation: Operation) -> float:
    """When it was recorded, in seconds since the epoch."""
    return operation.create_time.ToNanoseconds() / 1e9


class Operations:
    """The operations of one service, by its name in words ("anon"). Safe to share between threads.

    What ended badly is begun anew at the next attempt, under another request id: the same one would be answered with
    the same end for ever.
    """

    def __init__(self, client: OperationClient, service: str, notes: Notes, wait_seconds: float = WAIT_SECONDS) -> None:
        self._client = client
        self._service = service
        self._notes = notes
        self._wait_seconds = wait_seconds

    def done(self, task: Task, begin: Begin, check: Check, *, joins: bool = False) -> Operation:
        """The operation of a task's step, once it has ended well.

        `joins`: `begin` may answer with one that somebody else began before, and which has passed what is wanted; it
        is waited for, and another begun. Raises Failed; Postponed while it is under way.
        """

        def keep(memo: Memo) -> None:
            self._notes.write_memo(task.job.number, json.dumps(asdict(memo)))

        return self._run(task.request_id, begin, check, Memo.of(task), keep, joins)

    def stop(self, task: Task) -> None:
        """Have the operation of a task's step stop where it is, and wait for that a moment. Raises Failed."""
        if not (name := Memo.of(task).operation):
            return
        with attempted(self._service), suppress(NotFound, FailedPrecondition):  # it has ended, if it is known at all
            self._client.cancel(name)
            self._client.wait(name, _STOP_SECONDS)

    def again(self, request_id: str, begin: Begin, check: Check) -> Operation:
        """The operation that an earlier step of that request id ended with; where it is known no more, another."""
        return self._run(request_id, begin, check, Memo(), lambda memo: None, joins=False)

    def partly(self, operation: Operation) -> Failed | None:
        """What failed of an operation that succeeded: counts and reasons; None if nothing did."""
        failed = operation.progress.failed
        if not failed:
            return None
        with attempted(self._service):
            errors = [from_status(one.status) for one in islice(self._client.failures(operation.name), _MOST_FAILURES)]
        counts = Counter(error.reason or error.code.name for error in errors)
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        why = f"{failed} of {operation.progress.total} {operation.progress.unit} failed at {self._service} ({reasons})"
        usual = next((one for one in errors if one.reason == counts.most_common(1)[0][0]), None)
        return _because(Postponed(why) if all(map(is_passing, errors)) else Refused(why), usual)

    def _run(
        self, request_id: str, begin: Begin, check: Check, memo: Memo, keep: Callable[[Memo], None], joins: bool
    ) -> Operation:
        while memo.round < _MOST_ROUNDS:
            was_over = False
            if not memo.operation:
                operation = self._begun(f"{request_id}/{memo.round}" if memo.round else request_id, begin)
                was_over = has_ended(operation)  # it is that of an attempt which nobody remembers
                memo = Memo(operation.name, memo.round, joins and operation.state != Operation.STATE_QUEUED)
                keep(memo)
            operation = self._ended(memo, keep)
            failed = self._failure(operation, check)
            if failed is None and not memo.stale:
                return operation
            memo = Memo(round=memo.round + 1)
            keep(memo)
            if failed is not None and not was_over:
                raise failed
        raise Refused(f"{self._service} did not do it in {_MOST_ROUNDS} operations")

    def _begun(self, request_id: str, begin: Begin) -> Operation:
        with attempted(self._service):
            return begin(request_id)

    def _ended(self, memo: Memo, keep: Callable[[Memo], None]) -> Operation:
        with attempted(self._service):
            try:
                return self._client.wait(memo.operation, self._wait_seconds)
            except NotFound:
                keep(Memo(round=memo.round))
                raise Postponed(f"{self._service} has forgotten its operation; another is begun") from None
            except DeadlineExceeded:
                progress = self._client.get(memo.operation).progress
        raise UnderWay(f"under way at {self._service}: {progress.done} of {progress.total or '?'} {progress.unit}")

    def _failure(self, operation: Operation, check: Check) -> Failed | None:
        if operation.state == Operation.STATE_CANCELLED:
            return Refused(f"{self._service}'s operation was cancelled")
        if operation.state == Operation.STATE_FAILED:
            error = from_status(operation.error)
            return _because(failure(self._service, error), error)
        return check(operation)


def _because(failed: Failed, cause: MeshError | None) -> Failed:
    """The same, with its cause, whose reason is told where the attempt is the last."""
    failed.__cause__ = failed.__cause__ or cause
    return failed
