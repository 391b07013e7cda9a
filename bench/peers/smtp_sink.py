"""A mail server that keeps nothing, in a process of its own: `python -m bench.peers.smtp_sink`.

It prints its port. For each number that it then reads it waits until it has taken so many messages of different names,
and prints how many it took in all.
"""

import asyncio
import sys

from aiosmtpd.smtp import SMTP, Envelope, Session

_NAME = b"\nmessage-id:"


class Sink:
    """Takes all mail, and remembers the Message-IDs."""

    def __init__(self) -> None:
        self.count = 0
        self.names: set[bytes] = set()
        self.came = asyncio.Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """aiosmtpd's hook for a message."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        start = content.lower().find(_NAME) + len(_NAME)
        self.count += 1
        self.names.add(content[start : content.find(b"\r", start)].strip())
        self.came.set()
        return "250 OK"

    async def wait(self, count: int) -> int:
        """Wait for so many different messages; how many came in all."""
        while len(self.names) < count:
            self.came.clear()
            await self.came.wait()
        return self.count


async def serve() -> None:
    """Serve until the input ends."""
    sink, loop = Sink(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(sink), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(await sink.wait(int(line)), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
