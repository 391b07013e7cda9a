"""How a process learns what others committed to the catalogue that it shares with them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress

import psycopg

from diana_common.errors import DianaError
from diana_common.postgres import Link

CHANNEL = "diana_archive_feed"
_POLL_SECONDS = 1.0


class News:
    """A thread that listens for heads of the feed, and asks for it once a second in case it missed one."""

    def __init__(self, connect: Callable[[], Link], publish: Callable[[int], None]) -> None:
        """`publish` is told the head of what is committed."""
        self._connect = connect
        self._publish = publish
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed-news", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End at the next payload, or within a second."""
        self._stopping.set()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(psycopg.Error, DianaError):
                self._listen()
            self._stopping.wait(_POLL_SECONDS)

    def _listen(self) -> None:
        with closing(self._connect()) as link:
            link.run_script(f"LISTEN {CHANNEL}")
            while not self._stopping.is_set():
                self._publish(int(link.value("SELECT coalesce(max(sequence), 0) FROM feed")))
                while payloads := link.payloads(_POLL_SECONDS):
                    self._tell(payloads)
                    if self._stopping.is_set():
                        return

    def _tell(self, payloads: list[str]) -> None:
        for payload in payloads:
            if payload:
                self._publish(int(payload))
