"""From what was raised to what a person or a script is told of an item."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator

from diana_client.errors import DeadlineExceeded, MeshError, SourceUnreadable, Unavailable
from diana_common.errors import DianaError, Reason
from diana_endpoints.items import Failure, Item

_UNREADABLE = "Check that it is there, whole, and may be read."
_FULL = (errno.ENOSPC, errno.EDQUOT)


def failure_of(error: Exception) -> Failure:
    """The failure an error amounts to. Its words never hold a path or a patient value."""
    if isinstance(error, SourceUnreadable) and isinstance(error.__cause__, (DianaError, MeshError)):
        return failure_of(error.__cause__)
    if isinstance(error, DianaError):
        return Failure(error.reason.name, error.message, error.remedy)
    if isinstance(error, MeshError):
        return Failure(error.reason or error.code.name, error.message, error.remedy)
    if is_disk_full(error):
        return Failure(Reason.DISK_FULL.name, "the disk is full, or its quota used up", "Make room, and put it again.")
    if isinstance(error, OSError):
        return Failure("FILE_UNREADABLE", f"a file operation failed ({error.strerror})", _UNREADABLE)
    return Failure("INTERNAL", f"an unexpected {type(error).__name__}", "Run it again with --debug, and report it.")


def is_disk_full(error: Exception) -> bool:
    """Whether there is no room on a disk of ours, that of SQLite's temporary files among them."""
    is_full = isinstance(error, OSError) and error.errno in _FULL
    return is_full or getattr(error, "sqlite_errorname", "").startswith("SQLITE_FULL")


def unreadable(what: str) -> Failure:
    """The failure of a source that does not open."""
    return Failure("FILE_UNREADABLE", f"{what} cannot be read", _UNREADABLE)


def each(items: Iterable[Item], act: Callable[[Item], str | None]) -> Iterator[Item]:
    """Act on items in turn: each comes back with the outcome that `act` tells, if it does, or with its failure.

    Whatever an item's own content or `act` raises is that item's failure, and the rest go on; only what says that the
    other side is not there is raised, for it would fail them all.
    """
    for item in items:
        try:
            outcome = act(item)
            if outcome is not None:
                item.meta["outcome"] = outcome
        except Exception as error:
            if is_away(error):
                raise
            item.failure = failure_of(error)
        yield item


def is_away(error: BaseException) -> bool:
    """Whether an error says that the other side cannot be reached."""
    if isinstance(error, DianaError):
        return error.reason is Reason.PEER_UNAVAILABLE
    return isinstance(error, (Unavailable, DeadlineExceeded))


def is_fatal(error: Exception) -> bool:
    """Whether what failed for one item would fail for all that follow: the service is not there, or a fault is ours."""
    return is_away(error) or not isinstance(error, (DianaError, MeshError, OSError))
