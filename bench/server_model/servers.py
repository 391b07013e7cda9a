"""The server models. Run as a process: prints its port, serves until its standard input closes.

- `sync`: `grpc.server`; a thread for every open stream, so the pool must hold the followers too.
- `sync-light`: the same, but followers use grpcio's `experimental_non_blocking`, as its own health servicer does:
  an idle follower holds no thread.
- `aio`: `grpc.aio.server`; files and digests in worker threads.

In each an upload is written and hashed in a worker thread while the stream receives the next chunk.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import grpc
import grpc.aio

from bench.server_model.wire import FOLLOW, PING, UPLOAD, Sink

WORKERS = 4
STREAMS = 1200
"""Streams `sync` must hold open at once: 1,000 followers, 50 stalled uploads, some at work."""


class Methods(grpc.GenericRpcHandler):
    """Three methods without serializers: bytes in, bytes out, so that only the model differs."""

    def __init__(self, handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]]) -> None:
        self._handlers = handlers

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        return self._handlers.get(handler_call_details.method)


def ping(request: bytes, _: grpc.ServicerContext) -> bytes:
    return request


def follow(_: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    gone = threading.Event()
    context.add_callback(gone.set)
    yield b"following"
    gone.wait()


def follow_light(_: bytes, __: grpc.ServicerContext, send: Callable[[bytes], None]) -> None:
    send(b"following")


def sync_upload(folder: Path, workers: ThreadPoolExecutor) -> Callable[..., Iterator[bytes]]:
    def upload(requests: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        writing: Future[bytes | None] | None = None
        with contextlib.closing(Sink(folder)) as sink:
            for message in requests:
                if writing and (answer := writing.result()):
                    yield answer
                writing = workers.submit(sink.take, message)
            if writing and (answer := writing.result()):
                yield answer

    return upload


def serve_sync(folder: Path, *, light: bool) -> None:
    workers = ThreadPoolExecutor(WORKERS)
    follow_light.experimental_non_blocking = True  # type: ignore[attr-defined]
    methods = Methods(
        {
            UPLOAD: grpc.stream_stream_rpc_method_handler(sync_upload(folder, workers)),
            PING: grpc.unary_unary_rpc_method_handler(ping),
            FOLLOW: grpc.unary_stream_rpc_method_handler(follow_light if light else follow),
        }
    )
    server = grpc.server(ThreadPoolExecutor(STREAMS), handlers=[methods])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None).wait()


async def ping_aio(request: bytes, _: object) -> bytes:
    return request


async def follow_aio(_: bytes, __: object) -> AsyncIterator[bytes]:
    yield b"following"
    await asyncio.Event().wait()


def aio_upload(folder: Path, workers: ThreadPoolExecutor) -> Callable[..., AsyncIterator[bytes]]:
    async def upload(requests: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        writing: asyncio.Future[bytes | None] | None = None
        with contextlib.closing(Sink(folder)) as sink:
            async for message in requests:
                if writing and (answer := await writing):
                    yield answer
                writing = loop.run_in_executor(workers, sink.take, message)
            if writing and (answer := await writing):
                yield answer

    return upload


async def serve_aio(folder: Path) -> None:
    workers = ThreadPoolExecutor(WORKERS)
    methods = Methods(
        {
            UPLOAD: grpc.stream_stream_rpc_method_handler(aio_upload(folder, workers)),
            PING: grpc.unary_unary_rpc_method_handler(ping_aio),
            FOLLOW: grpc.unary_stream_rpc_method_handler(follow_aio),
        }
    )
    server = grpc.aio.server(handlers=[methods])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


def main(model: str, folder: Path) -> None:
    if model == "aio":
        asyncio.run(serve_aio(folder))
    else:
        serve_sync(folder, light=model == "sync-light")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
