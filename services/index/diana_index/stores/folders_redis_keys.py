"""How a folder registry names things in Redis, and what Redis' failures are to a caller."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from diana_common.errors import DianaError, Reason
from diana_index.core.folders.model import Kind, Place, Shared

FIELDS = {Kind.ACCESSION_NUMBER: "accession_number", Kind.STUDY: "study_uid", Kind.PATIENT: "patient_id"}
"""Of `Shared`: where a collection's value is."""


class Keyspace:
    """A client, the names under a prefix, and the lock of those who write."""

    def __init__(self, client: Any, prefix: str) -> None:
        self.client = client
        self.writing = threading.Lock()
        self._prefix = prefix.encode()
        self.folders = self._prefix + b"folders"
        self.files = self._prefix + b"files"

    def collection(self, kind: Kind, value: str) -> bytes:
        """The set of a collection's files."""
        return self._prefix + FIELDS[kind].encode() + b":" + value.encode()

    def collections_of(self, shared: Shared) -> list[tuple[Kind, str]]:
        """What a file with these values belongs to."""
        values = [(kind, getattr(shared, field)) for kind, field in FIELDS.items()]
        return [(kind, value) for kind, value in values if value]

    def values(self, kind: Kind) -> bytes:
        """The sorted set of a kind's values."""
        return self._prefix + b"values:" + FIELDS[kind].encode()

    def directories(self, folder: bytes) -> bytes:
        """The hash of a folder's directories."""
        return self._prefix + b"directories:" + folder

    def entries(self, folder: bytes, directory: bytes) -> bytes:
        """The hash of a directory's files."""
        return self._prefix + b"entries:" + folder + b"\0" + directory

    def members(self, folder: bytes, directory: bytes) -> bytes:
        """The hash of a directory's zip files."""
        return self._prefix + b"members:" + folder + b"\0" + directory


def key_of(place: Place) -> bytes:
    """A file's name; names compare as places do."""
    return b"\0".join((*place[:3], b"%08d" % place.number))


def place_of(key: bytes) -> Place:
    """And back."""
    folder, directory, name, number = key.split(b"\0")
    return Place(folder, directory, name, int(number))


@contextmanager
def typed() -> Iterator[None]:
    """Around commands: what fails is raised as a caller may see it. Raises DianaError DISK_FULL, PEER_UNAVAILABLE."""
    try:
        yield
    except redis.exceptions.OutOfMemoryError as error:
        raise DianaError(Reason.DISK_FULL, "The folder registry's Redis is full.") from error
    except redis.exceptions.RedisError as error:
        raise DianaError(Reason.PEER_UNAVAILABLE, "The folder registry's Redis does not answer.") from error
