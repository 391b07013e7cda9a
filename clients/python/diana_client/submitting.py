"""Instances handed to the archive one by one, each with a future: for doors, where many threads have one each.

What is handed over while a message is on its way shares the next one, so that nobody waits for company and the
archive still commits for all at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

import grpc

from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from diana.type.v1.origin_pb2 import Origin
from diana_client.channel import Channel
from diana_client.errors import BadAnswer, MeshError, Unavailable, from_status, is_refused, translated
from diana_client.items import CHUNK_BYTES, UploadResult
from diana_client.packing import Packer, upload_method

Item = TypeVar("Item")
Taken = Callable[[], list[tuple[int, Item]]]
Answers = Iterator[pb.UploadInstancesResponse | pb.AdoptInstancesResponse]

_MOST_FILES = 500  # a message of AdoptInstances takes 1,000


class Submission:
    """Where to hand instances over, for one store and origin. Safe to share between threads; `close` it.

    A stream is opened when it is needed, and anew once one broke. What a broken stream had not answered fails with
    its error, Unavailable as a rule: it may be stored or not, and handing it over again does no harm.
    """

    def __init__(self, channel: Channel, *, store: str = "", origin: Origin | None = None, spool: str = "") -> None:
        """`spool`: the name of the directory that the archive takes files over from; without one nothing is adopted."""
        self._channel = channel.raw
        self._adopt = ArchiveServiceStub(channel.raw).AdoptInstances
        self._store, self._origin, self._spool = store, origin, spool
        self._uploads = _Lane(self._open_upload)
        self._adoptions = _Lane(self._open_adoption)

    def upload(self, data: bytes) -> Future[UploadResult]:
        """Hand a whole Part 10 file over, of a few MiB at most. A refusal is the result's `error`."""
        return self._uploads.put(data)

    def adopt(self, name: str) -> Future[UploadResult]:
        """Have the archive take a file over from its spool directory, as `ArchiveClient.adopt` does."""
        return self._adoptions.put(name)

    def close(self) -> None:
        """Let what was handed over be answered, and end the streams."""
        self._uploads.close()
        self._adoptions.close()

    def _open_upload(self, taken: Taken[bytes]) -> Answers:
        return upload_method(self._channel)(_packed(Packer(self._store, self._origin), taken))

    def _open_adoption(self, taken: Taken[str]) -> Answers:
        first = pb.AdoptInstancesRequest(spool=self._spool, store=self._store, origin=self._origin)
        return self._adopt(_named(first, taken))


def _packed(packer: Packer, taken: Taken[bytes]) -> Iterator[bytes]:
    while batch := taken():
        for tag, data in batch:
            for start in range(0, len(data) or 1, CHUNK_BYTES):
                piece = data if len(data) <= CHUNK_BYTES else data[start : start + CHUNK_BYTES]
                yield from packer.add(tag, start, piece, start + CHUNK_BYTES >= len(data))
        yield packer.flush()


def _named(first: pb.AdoptInstancesRequest, taken: Taken[str]) -> Iterator[pb.AdoptInstancesRequest]:
    yield first
    while batch := taken():
        for start in range(0, len(batch), _MOST_FILES):
            files = [pb.AdoptFile(tag=tag, name=name) for tag, name in batch[start : start + _MOST_FILES]]
            yield pb.AdoptInstancesRequest(files=files)


class _Lane(Generic[Item]):
    """One stream at a time, and what waits for it: bytes, or names."""

    def __init__(self, open_stream: Callable[[Taken[Item]], Answers]) -> None:
        self._open = open_stream
        self._lock = threading.Lock()
        self._stream: _Stream[Item] | None = None
        self._is_closed = False

    def put(self, item: Item) -> Future[UploadResult]:
        with self._lock:
            if self._is_closed:
                raise Unavailable(grpc.StatusCode.UNAVAILABLE, "The submission is closed.")
            if self._stream is None or self._stream.is_over:
                self._stream = _Stream(self._open)
            return self._stream.put(item)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


class _Stream(Generic[Item]):
    """One call. gRPC asks for its requests in a thread of its own, another of ours listens."""

    def __init__(self, open_stream: Callable[[Taken[Item]], Answers]) -> None:
        self._queue: SimpleQueue[tuple[int, Item] | None] = SimpleQueue()
        self._waiting: dict[int, Future[UploadResult]] = {}
        self._lock = threading.Lock()
        self._last_tag = 0
        self.is_over = False
        self._answers = open_stream(self._taken)
        self._thread = threading.Thread(target=self._listen, name="diana-submission", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> Future[UploadResult]:
        """Queue an item; on a stream that just ended its future fails at once."""
        future: Future[UploadResult] = Future()
        with self._lock:
            if self.is_over:
                future.set_exception(Unavailable(grpc.StatusCode.UNAVAILABLE, "The stream to the archive broke."))
                return future
            self._last_tag += 1
            self._waiting[self._last_tag] = future
            self._queue.put((self._last_tag, item))
        return future

    def close(self) -> None:
        """Nothing more comes; wait for the answers."""
        self._queue.put(None)
        self._thread.join()

    def _taken(self) -> list[tuple[int, Item]]:
        """All that is queued, once anything is; nothing at the end."""
        batch = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if self._queue.empty():
                return batch
            item = self._queue.get()
        self._queue.put(None)  # found again by the next call, or again by this one
        return batch

    def _listen(self) -> None:
        error: MeshError = BadAnswer("The archive ended the call without answering every instance.")
        try:
            with translated():
                for response in self._answers:
                    for result in response.results:
                        self._settle(result)
        except MeshError as broken:
            error = broken
        with self._lock:
            self.is_over = True
            waiting = list(self._waiting.values())
            self._waiting.clear()
        self._queue.put(None)
        for future in waiting:
            future.set_exception(error)

    def _settle(self, result: pb.UploadResult) -> None:
        with self._lock:
            future = self._waiting.pop(result.tag, None)
        if future is None:
            raise BadAnswer("The archive answered an instance twice, or one that was not sent.")
        refused = is_refused(result.status)
        with suppress(Exception):  # a future that its owner cancelled
            future.set_result(
                UploadResult(result.tag, from_status(result.status))
                if refused
                else UploadResult(result.tag, None, result.outcome, result.instance, result.position)
            )
