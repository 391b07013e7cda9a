"""What another service's refusal means for an attempt: whether, and for whom, there is another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from diana_client import (
    BadAnswer,
    Cancelled,
    DeadlineExceeded,
    InternalError,
    MeshError,
    ResourceExhausted,
    SourceUnreadable,
    Unavailable,
)
from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_common.errors import Reason

_TOKEN_REFUSED = (Reason.CALLER_UNKNOWN.name, Reason.CALLER_NOT_PERMITTED.name)
_UNREACHABLE = (Unavailable, DeadlineExceeded, Cancelled)
_PASSING = (*_UNREACHABLE, ResourceExhausted, InternalError, BadAnswer)


@contextmanager
def attempted(peer: str) -> Iterator[None]:
    """Turn the client's errors into Failed; `peer` ("the archive") is named."""
    try:
        yield
    except MeshError as error:
        raise failure(peer, error) from error


@contextmanager
def alone() -> Iterator[None]:
    """Have this one attempt wait, and no others, for what somebody else than its target does not do now."""
    try:
        yield
    except Unreachable as failed:
        raise Postponed(failed.why) from failed


def failure(peer: str, error: MeshError) -> Failed:
    """How an attempt failed, in words that hold a reason's name at most."""
    if isinstance(error, SourceUnreadable) and isinstance(error.__cause__, Failed):
        return error.__cause__
    if error.reason in _TOKEN_REFUSED:
        return Unreachable(f"{peer} does not take our token ({error.reason})")
    if isinstance(error, _UNREACHABLE):
        return Unreachable(f"{peer} does not answer" + (f" ({error.reason})" if error.reason else ""))
    word = error.reason or error.code.name
    if is_passing(error):
        return Postponed(f"{peer} cannot do it now ({word})")
    return Refused(f"{peer} refused it ({word})")


def is_passing(error: MeshError) -> bool:
    """Whether the same may be done later without anybody's changing the request."""
    if error.reason == Reason.MESSAGE_TOO_LARGE.name:
        return False
    return isinstance(error, _PASSING) or error.code.name == "ABORTED"
