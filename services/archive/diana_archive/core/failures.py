"""From failures of disks and databases to errors that a caller may see."""

from __future__ import annotations

import errno

from diana_common.errors import DianaError, Reason

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_UNUSABLE = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_BUSY")
_NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


class Undecided(DianaError):
    """A commit of which cannot be told whether it holds: it may come to light later that it does."""


class DamagedObject(OSError):
    """Compressed bytes that are not what was written; nothing of them can be read. Its errno is EIO."""

    def __init__(self) -> None:
        super().__init__(errno.EIO, "compressed bytes are damaged")


def from_write(error: OSError) -> DianaError:
    """Bytes could not be written or made durable. The cause's text names paths and stays out of it."""
    if error.errno in _FULL:
        return DianaError(Reason.DISK_FULL, "The archive's disk is full.")
    if error.errno in _NO_DESCRIPTORS:
        return DianaError(Reason.OVERLOADED, "The archive has too many files open.")
    if isinstance(error, ConnectionError):
        return DianaError(Reason.PEER_UNAVAILABLE, "The archive's object store does not answer.")
    return DianaError(Reason.INTERNAL, "The archive's disk failed to take the bytes.")


def from_open(error: Exception) -> DianaError:
    """The state directory could not be opened."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(_DAMAGED):
        return DianaError(Reason.STORE_DAMAGED, "state_dir: the catalogue cannot be read.")
    if name.startswith(_UNUSABLE):
        return DianaError(Reason.CONFIG_INVALID, "state_dir: the catalogue cannot be opened for writing.")
    if isinstance(error, ConnectionError):
        return DianaError(Reason.PEER_UNAVAILABLE, f"object_store: {error}.")
    if isinstance(error, OSError) and error.errno not in _FULL | _NO_DESCRIPTORS:
        return DianaError(Reason.CONFIG_INVALID, f"state_dir: the directory cannot be used ({error.strerror}).")
    return from_commit(error)


def from_commit(error: Exception) -> DianaError:
    """A transaction failed as a whole; nothing of it is stored."""
    if isinstance(error, DianaError):
        return error
    if isinstance(error, OSError):
        return from_write(error)
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_FULL"):
        return DianaError(Reason.DISK_FULL, "The archive's disk is full.")
    return DianaError(Reason.INTERNAL, "The archive's catalogue failed to take the change.")


def from_read(error: OSError, sop_instance_uid: str) -> DianaError:
    """Bytes could not be read: damaged, unless they are in a store that does not answer, which says nothing of them."""
    return from_write(error) if isinstance(error, ConnectionError) else damaged(sop_instance_uid)


def damaged(sop_instance_uid: str) -> DianaError:
    """STORE_DAMAGED: the catalogue lists an instance and its bytes are not what they were."""
    return DianaError(
        Reason.STORE_DAMAGED,
        "The instance's bytes are missing, short or altered.",
        metadata={"sop_instance_uid": sop_instance_uid},
    )
