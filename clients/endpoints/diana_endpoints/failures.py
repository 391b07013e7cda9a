"""From what was raised to what a person or a script is told of an item."""

from __future__ import annotations

from diana_client.errors import DeadlineExceeded, MeshError, SourceUnreadable, Unavailable
from diana_common.errors import DianaError
from diana_endpoints.items import Failure

_UNREADABLE = "Check that it is there, whole, and may be read."


def failure_of(error: Exception) -> Failure:
    """The failure an error amounts to. Its words never hold a path or a patient value."""
    if isinstance(error, SourceUnreadable) and isinstance(error.__cause__, (DianaError, MeshError)):
        return failure_of(error.__cause__)
    if isinstance(error, DianaError):
        return Failure(error.reason.name, error.message, error.remedy)
    if isinstance(error, MeshError):
        return Failure(error.reason or error.code.name, error.message, error.remedy)
    if isinstance(error, OSError):
        return Failure("FILE_UNREADABLE", f"a file operation failed ({error.strerror})", _UNREADABLE)
    return Failure("INTERNAL", f"an unexpected {type(error).__name__}", "Run it again with --debug, and report it.")


def unreadable(what: str) -> Failure:
    """The failure of a source that does not open."""
    return Failure("FILE_UNREADABLE", f"{what} cannot be read", _UNREADABLE)


def is_fatal(error: Exception) -> bool:
    """Whether what failed for one item would fail for all that follow: the service is not there."""
    return isinstance(error, (Unavailable, DeadlineExceeded)) or not isinstance(error, (DianaError, MeshError, OSError))
