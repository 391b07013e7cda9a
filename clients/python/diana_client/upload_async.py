"""Uploads from an event loop: the same threads, which tell the loop when there are results.

grpc.aio is not used for these streams: when a server refuses one while a message is being written, it
reports INTERNAL instead of the server's status (grpcio 1.85), and reason and remedy are lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress

from diana_client.items import Uploadable, UploadResult
from diana_client.upload import FAREWELL, Upload


async def run_async(
    upload: Upload, items: Iterable[Uploadable] | AsyncIterable[Uploadable], streams: int
) -> AsyncGenerator[UploadResult, None]:
    """The results as they come. Closing the iterator gives the upload up."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    upload.tell = lambda: _tell(loop, changed)
    source = _FromLoop(items, loop) if isinstance(items, AsyncIterable) else items
    upload.start(source, streams)
    try:
        while not upload.over:
            changed.clear()
            results = upload.take()
            for result in results:
                yield result
            if not results and not upload.over:
                await changed.wait()
        await _wait_for_lanes(upload, changed)
        if upload.error is not None:
            raise upload.error
    finally:
        if isinstance(source, _FromLoop):
            source.cancel()
        upload.cancel()
        await _wait_for_lanes(upload, changed)


def _tell(loop: asyncio.AbstractEventLoop, changed: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop was closed over an upload under way: nobody listens
        loop.call_soon_threadsafe(changed.set)


async def _wait_for_lanes(upload: Upload, changed: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL):
            while upload.running:
                changed.clear()
                if upload.running:
                    await changed.wait()


class _FromLoop:
    """Lets a thread iterate over what an event loop yields."""

    def __init__(self, items: AsyncIterable[Uploadable], loop: asyncio.AbstractEventLoop) -> None:
        self._items = aiter(items)
        self._loop = loop
        self._next: Future[Uploadable | None] | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """Called in the loop: let the thread go."""
        self._cancelled = True
        if self._next is not None:
            self._next.cancel()

    def __iter__(self) -> Iterator[Uploadable]:
        while not self._cancelled:
            self._next = asyncio.run_coroutine_threadsafe(self._step(), self._loop)
            item = self._next.result()
            if item is None:
                return
            yield item

    async def _step(self) -> Uploadable | None:
        return None if self._cancelled else await anext(self._items, None)
