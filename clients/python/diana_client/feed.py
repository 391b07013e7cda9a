"""Following the archive's change feed, across broken connections if wanted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, Self

import grpc
import grpc.aio

from diana.archive.v1 import archive_service_pb2 as pb
from diana_client.errors import MeshError, from_rpc_error, is_worth_retrying, translated
from diana_client.ledger import delay_after

if TYPE_CHECKING:  # grpc's classes take no parameters when they run
    Method = grpc.UnaryStreamMultiCallable[pb.WatchFeedRequest, pb.WatchFeedResponse]
    AsyncMethod = grpc.aio.UnaryStreamMultiCallable[pb.WatchFeedRequest, pb.WatchFeedResponse]


def watch_request(
    after_position: str, after_time: datetime | None, stores: Iterable[str], stop_at_head: bool, omit_headers: bool
) -> pb.WatchFeedRequest:
    """What to follow. Raises ValueError for a time without a zone."""
    request = pb.WatchFeedRequest(
        stores=stores, after_position=after_position, stop_at_head=stop_at_head, omit_headers=omit_headers
    )
    if after_time is not None:
        if after_time.utcoffset() is None:
            raise ValueError("after_time must have a zone")
        request.after_time.FromDatetime(after_time)
    return request


class _Call(Protocol):
    def __next__(self) -> pb.WatchFeedResponse: ...
    def cancel(self) -> bool: ...


class _Place:
    """Where a follower is, and whether to go on after an error."""

    def __init__(self, request: pb.WatchFeedRequest, reconnect: bool) -> None:
        self.request = request
        self._reconnect = reconnect
        self._failures = 0

    def accept(self, response: pb.WatchFeedResponse) -> pb.WatchFeedResponse:
        """Account for a message that the follower takes."""
        self._failures = 0
        self.request.after_position = response.position or self.request.after_position
        return response

    def recover(self, error: MeshError) -> float:
        """The seconds to wait before the next call. Raises `error` when there is to be none."""
        if not (self._reconnect and is_worth_retrying(error)):
            raise error
        self._failures += 1
        return delay_after(self._failures)


class FeedWatch(Iterator[pb.WatchFeedResponse]):
    """The feed's messages. One thread iterates; any thread may `cancel`, which ends the iteration.

    `position` is where the feed would be resumed: that of the last message taken.
    """

    def __init__(self, method: Method, request: pb.WatchFeedRequest, reconnect: bool) -> None:
        self._method = method
        self._place = _Place(request, reconnect)
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._call: _Call | None = None

    @property
    def position(self) -> str:
        """Everything up to here was taken."""
        return self._place.request.after_position

    def cancel(self) -> None:
        """End the iteration; a thread that waits for the next message wakes up."""
        self._cancelled.set()
        with self._lock:
            if self._call is not None:
                self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.cancel()

    def __next__(self) -> pb.WatchFeedResponse:
        while not self._cancelled.is_set():
            try:
                return self._place.accept(next(self._opened()))
            except grpc.RpcError as error:
                self._recover(from_rpc_error(error))
        raise StopIteration

    def _opened(self) -> _Call:
        with self._lock:
            if self._call is None:
                self._call = self._method(self._place.request)
                if self._cancelled.is_set():
                    self._call.cancel()
            return self._call

    def _recover(self, error: MeshError) -> None:
        if not self._cancelled.is_set():
            delay = self._place.recover(error)
            self._call = None
            self._cancelled.wait(delay)


async def watch_async(
    method: AsyncMethod, request: pb.WatchFeedRequest, reconnect: bool
) -> AsyncGenerator[pb.WatchFeedResponse, None]:
    """The feed's messages; closing the iterator, or cancelling its task, gives the call up."""
    place = _Place(request, reconnect)
    while True:
        call = method(place.request)
        try:
            with translated():
                async for response in call:
                    yield place.accept(response)
            return
        except MeshError as error:
            await asyncio.sleep(place.recover(error))
        finally:
            call.cancel()
