"""A mail server of the demonstration's own: real SMTP on a free port of the loopback; what comes is kept."""

from __future__ import annotations

import asyncio
import socket
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """Takes mail for everybody, from the moment it is opened until it is closed."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._mail: SimpleQueue[bytes] = SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._socket.getsockname()[1])

    def open(self) -> None:
        """Take mail from now on."""
        from aiosmtpd.smtp import SMTP

        self._thread.start()
        server = self._loop.create_server(lambda: SMTP(self, loop=self._loop), sock=self._socket)
        asyncio.run_coroutine_threadsafe(server, self._loop).result()

    def next_mail(self, seconds: float) -> bytes | None:
        """The next message as it came, headers and all; None if none comes in time."""
        try:
            return self._mail.get(timeout=seconds)
        except Empty:
            return None

    def close(self) -> None:
        """Take no more."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._socket.close()
        self._loop.close()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep a message that has come; aiosmtpd asks for this name."""
        self._mail.put(envelope.original_content or b"")
        return "250 OK"


async def _cancel_all() -> None:
    """End the connections that are still open."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
