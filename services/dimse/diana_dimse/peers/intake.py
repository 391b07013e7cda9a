"""The archive, as far as it takes instances in, reached through its client."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from diana.type.v1.origin_pb2 import Origin as OriginMessage
from diana_client import ArchiveClient, Channel, Submission, UploadItem, UploadResult
from diana_common.errors import DianaError, Reason
from diana_dimse.core.intake.receiving import Kept, Origin
from diana_dimse.peers.patience import patiently
from diana_server.peers import core_error

DOOR = "dimse"
_MOST_SUBMISSIONS = 64
_MOST_FILES = 8
_PLACE_SECONDS = 60.0


class ArchiveIntake:
    """The core's `Archive` over a connection: a stream for each store and sender, shared by their associations."""

    def __init__(
        self, channel: Channel, spool: str, path_of: Callable[[str], Path], stored: Callable[[str, str], None]
    ) -> None:
        """`spool`: the archive's name for our spool directory; empty where it takes no files over. `stored` is told the
        store and the feed position of all that is durable."""
        self._channel, self._spool, self._path_of, self._stored = channel, spool, path_of, stored
        self._client = ArchiveClient(channel)
        self._lock = threading.Lock()
        self._file_places = threading.BoundedSemaphore(_MOST_FILES)
        self._submissions: OrderedDict[Origin, Submission] = OrderedDict()

    @property
    def takes_files(self) -> bool:
        """Whether it takes files over from the spool."""
        return bool(self._spool)

    def upload(self, origin: Origin, data: bytes) -> Kept:
        """Hand a Part 10 file over."""
        return self._kept(origin, patiently(lambda: self._submission(origin).upload(data).result()))

    def adopt(self, origin: Origin, name: str) -> Kept:
        """Have it take one of the spool's files over."""
        try:
            return self._kept(origin, patiently(lambda: self._submission(origin).adopt(name).result()))
        except DianaError as error:
            if error.reason is Reason.SOURCE_NOT_FOUND:  # taken over before, by a request whose answer was lost
                raise DianaError(Reason.PEER_UNAVAILABLE, "The archive's answer was lost.") from error
            raise

    def upload_file(self, origin: Origin, name: str) -> Kept:
        """Hand one of the spool's files over by its bytes."""
        return self._kept(origin, patiently(lambda: self._uploaded_file(origin, name)))

    def close(self) -> None:
        """Let everything be answered, and end the streams."""
        with self._lock:
            submissions = list(self._submissions.values())
            self._submissions.clear()
        for submission in submissions:
            submission.close()

    def _uploaded_file(self, origin: Origin, name: str) -> UploadResult:
        """Each holds some megabytes while it is on its way, so that only a few are at a time."""
        if not self._file_places.acquire(timeout=_PLACE_SECONDS):
            raise DianaError(Reason.OVERLOADED, "Too many large instances wait for the archive.")
        try:
            item = UploadItem(name, self._path_of(name))
            return next(self._client.upload([item], store=origin.store, origin=origin_message(origin)))
        finally:
            self._file_places.release()

    def _kept(self, origin: Origin, result: UploadResult) -> Kept:
        """Raises DianaError for a refusal."""
        if result.error is not None:
            raise core_error("archive", result.error)
        self._stored(origin.store, result.position)
        one = result.instance
        return Kept(one.study_uid, one.sop_class_uid, one.sop_instance_uid)

    def _submission(self, origin: Origin) -> Submission:
        with self._lock:
            found = self._submissions.get(origin)
            if found is None:
                found = self._submissions[origin] = Submission(
                    self._channel, store=origin.store, origin=origin_message(origin), spool=self._spool
                )
            self._submissions.move_to_end(origin)
            oldest = self._submissions.popitem(last=False)[1] if len(self._submissions) > _MOST_SUBMISSIONS else None
        if oldest is not None:  # it waits for what is under way
            threading.Thread(target=oldest.close, name="submission-end", daemon=True).start()
        return found


def origin_message(origin: Origin) -> OriginMessage:
    """An origin as the contracts have it."""
    return OriginMessage(door=DOOR, source=origin.calling)
