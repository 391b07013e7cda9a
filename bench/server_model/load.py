"""The clients, each a process of its own: prints `ready`, starts on a line of standard input, prints its seconds."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator

import grpc
import grpc.aio

from bench.server_model.wire import CHUNK, FOLLOW, MORE, PING, UPLOAD, messages

FOLLOWERS_A_CHANNEL = 50


def _start() -> float:
    print("ready", flush=True)
    sys.stdin.readline()
    return time.perf_counter()


def upload(target: str, count: int, size: int) -> None:
    """`count` instances of `size` bytes over one stream, until every answer is here."""
    instance = messages(size)

    def requests() -> Iterator[bytes]:
        for _ in range(count):
            yield from instance

    with grpc.insecure_channel(target) as channel:
        call: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(UPLOAD)
        grpc.channel_ready_future(channel).result()
        started = _start()
        answers = sum(1 for _ in call(requests()))
        print(time.perf_counter() - started, flush=True)
    if answers != count:
        raise SystemExit(f"{answers} answers to {count} instances")


def sequential(target: str, count: int) -> None:
    """`count` small calls, one at a time."""
    with grpc.insecure_channel(target) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(PING)
        call(b"")
        started = _start()
        for _ in range(count):
            call(b"x" * 100)
        print(time.perf_counter() - started, flush=True)


async def concurrent(target: str, count: int, at_once: int) -> None:
    """`count` small calls, `at_once` of them always in flight."""
    async with grpc.aio.insecure_channel(target) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(PING)
        await call(b"")

        async def lane() -> None:
            for _ in range(count // at_once):
                await call(b"x" * 100)

        started = _start()
        await asyncio.gather(*(lane() for _ in range(at_once)))
        print(time.perf_counter() - started, flush=True)


def _follow(channel: grpc.aio.Channel) -> grpc.aio.UnaryStreamCall[bytes, bytes]:
    method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(FOLLOW)
    return method(b"")


def _upload(channel: grpc.aio.Channel, requests: AsyncIterator[bytes]) -> grpc.aio.StreamStreamCall[bytes, bytes]:
    method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(UPLOAD)
    return method(requests)


async def attach(target: str, followers: int, stalled: int) -> None:
    """Hold idle followers and uploads that stop in mid-instance, until standard input closes."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [
        grpc.aio.insecure_channel(target, options) for _ in range(1 + (followers + stalled) // FOLLOWERS_A_CHANNEL)
    ]
    calls = [_follow(channels[n % len(channels)]) for n in range(followers)]
    for call in calls:
        await call.read()

    async def stall() -> AsyncIterator[bytes]:
        yield MORE + bytes(CHUNK)
        await asyncio.Event().wait()

    uploads = [_upload(channels[n % len(channels)], stall()) for n in range(stalled)]
    reads = [asyncio.ensure_future(call.read()) for call in uploads]
    await asyncio.sleep(1)  # lets the stalled chunks arrive: their stream answers nothing that could be awaited
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for held in [*calls, *uploads]:
        held.cancel()
    await asyncio.gather(*reads, return_exceptions=True)


def main(kind: str, target: str, *numbers: int) -> None:
    if kind == "upload":
        upload(target, *numbers)
    elif kind == "sequential":
        sequential(target, *numbers)
    elif kind == "concurrent":
        asyncio.run(concurrent(target, *numbers))
    else:
        asyncio.run(attach(target, *numbers))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
