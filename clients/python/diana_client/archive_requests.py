"""What both of the archive's clients build and check alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.resources_pb2 import Selector
from diana_client.errors import BadAnswer

WINDOW = 32 << 20
"""Bytes of an upload that may be taken from the caller and not yet be handed back as results."""

ATTEMPTS = 8
"""How often in a row a stream of an upload may break without any answer: about 16 seconds."""

_DIGESTS_A_CALL = 10_000


def select(study_uid: str, series_uid: str, sop_instance_uids: str | Iterable[str]) -> Selector:
    """The selector for a study, a series of it, or single instances (one UID, or at most 1,000)."""
    uids = [sop_instance_uids] if isinstance(sop_instance_uids, str) else sop_instance_uids
    return Selector(study_uid=study_uid, series_uid=series_uid, sop_instance_uids=uids)


def digests(instances: Iterable[str | tuple[str, bytes]]) -> Iterator[list[pb.InstanceDigest]]:
    """The instances to ask for, in as many batches as it takes."""
    pairs = ((given, b"") if isinstance(given, str) else given for given in instances)
    named = (pb.InstanceDigest(sop_instance_uid=uid, data_set_sha256=digest) for uid, digest in pairs)
    while batch := list(islice(named, _DIGESTS_A_CALL)):
        yield batch


class ReadCheck:
    """Checks that a read yields the range that was asked for, of the instance it names, and no more."""

    def __init__(self, request: pb.ReadInstanceRequest) -> None:
        self._request = request
        self._left: int | None = None

    def accept(self, response: pb.ReadInstanceResponse) -> bytes:
        """The data of the next message. Raises BadAnswer when it cannot be part of the range."""
        if self._left is None:
            self._left = self._length(response)
        self._left -= len(response.data)
        if self._left < 0:
            raise BadAnswer("The archive sent more data than was asked for.")
        return response.data

    def check_complete(self) -> None:
        """Raises BadAnswer when the stream ended before the range did."""
        if self._left != 0:
            raise BadAnswer("The archive sent less data than was asked for.")

    def _length(self, response: pb.ReadInstanceResponse) -> int:
        asked, named = self._request, response.instance
        if named.sop_instance_uid != asked.sop_instance_uid:
            raise BadAnswer("The archive sent another instance than was asked for.")
        rest = max(named.size_bytes - asked.read_offset, 0)
        return min(rest, asked.read_limit) if asked.read_limit else rest
