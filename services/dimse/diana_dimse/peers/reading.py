"""The archive, as far as instances are read from it, reached through its client."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

from diana.archive.v1.resources_pb2 import Instance
from diana_client import ArchiveClient, Channel, NotFound
from diana_dimse.core.sending.selection import Portion, StoredInstance
from diana_server.peers import typed

_ABSENT = frozenset({"STUDY_NOT_FOUND", "SERIES_NOT_FOUND", "INSTANCE_NOT_FOUND"})


class ArchiveReading:
    """The core's `Reading` over a connection."""

    def __init__(self, channel: Channel) -> None:
        self._client = ArchiveClient(channel)

    def instances(self, store: str, study_uid: str, series_uid: str = "") -> Iterator[StoredInstance]:
        """A study's or a series' current instances; none where it is not there."""
        with typed("archive"):
            try:
                yield from map(_instance, self._client.instances(study_uid, series_uid, store=store))
            except NotFound as error:
                if error.reason not in _ABSENT:
                    raise

    def named(self, store: str, sop_instance_uids: Iterable[str]) -> Iterator[StoredInstance]:
        """Those of some instances that are there, whatever their study."""
        with typed("archive"):
            for uid in sop_instance_uids:
                try:
                    yield _instance(self._client.header(uid, store=store).instance)
                except NotFound as error:
                    if error.reason not in _ABSENT:
                        raise

    def download(self, store: str, sop_instance_uids: Sequence[str]) -> Generator[Portion, None, None]:
        """The bytes of at most 1,000 instances, one after the other."""
        with typed("archive"), closing(self._client.download(sop_instance_uids=sop_instance_uids, store=store)) as all_:
            for downloaded in all_:
                instance = _instance(downloaded.instance)
                held = b""
                for data in downloaded:
                    if held:
                        yield Portion(instance, held)
                    held = data
                yield Portion(instance, held, is_last=True)


def _instance(message: Instance) -> StoredInstance:
    # Many are held at once, and most of these are the same.
    return StoredInstance(
        sys.intern(message.study_uid),
        sys.intern(message.sop_class_uid),
        message.sop_instance_uid,
        sys.intern(message.transfer_syntax_uid),
        message.size_bytes,
    )
