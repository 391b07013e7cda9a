"""A TCP or TLS connection, read through one buffer of a bounded size and written from pieces."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress

from diana_dimse.network.faults import ConnectionLost, PeerSilent

Piece = bytes | bytearray | memoryview

# A connection begins with the least; what it fills grows, and is let go of when the peer is quiet.
_LEAST_BUFFER_BYTES, _MOST_BUFFER_BYTES = 16 * 1024, 128 * 1024
_QUIET_SECONDS = 1.0
_MOST_PIECES = 512  # below the system's limit on one sendmsg (1,024); 4 MiB for a peer that takes 16 KiB a PDU
_LINGER_SECONDS = 2.0


class Connection:
    """Reads and writes; each waits at most `seconds` for the peer. One thread at a time."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self.seconds = seconds
        self._sock = sock
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        self._view = memoryview(bytearray(_LEAST_BUFFER_BYTES))
        self._start = self._end = 0
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exactly(self, count: int, seconds: float | None = None) -> bytes:
        """The next `count` bytes, all of which may take `seconds`. Raises ConnectionLost, PeerSilent."""
        taken = bytes(self._take(count))
        if len(taken) == count:
            return taken
        until = time.monotonic() + (self.seconds if seconds is None else seconds)
        rest = bytearray(taken)
        while len(rest) < count:
            if (left := until - time.monotonic()) <= 0:
                raise PeerSilent("the peer sends too slowly")
            self._fill(left)
            rest += self._take(count - len(rest))
        return bytes(rest)

    def some(self, most: int) -> memoryview:
        """One to `most` bytes, good until the next read. Raises ConnectionLost, PeerSilent."""
        if self._start == self._end:
            self._fill(self.seconds)
        return self._take(most)

    def is_readable(self, seconds: float = 0.0) -> bool:
        """Whether something has come, or comes within so many seconds, be it the end. Raises ConnectionLost."""
        if self._start != self._end or (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()):
            return True
        try:
            return self._poll(seconds)
        except (OSError, ValueError):
            raise ConnectionLost("the connection is closed") from None

    def send(self, pieces: Sequence[Piece]) -> None:
        """Send all pieces, in order. Raises ConnectionLost, PeerSilent."""
        try:
            self._sock.settimeout(self.seconds)
            if self._is_tls:
                self._sock.sendall(b"".join(pieces))
            else:
                self._send_all(list(pieces))
        except TimeoutError:
            raise PeerSilent("the peer takes nothing any more") from None
        except OSError as error:
            raise ConnectionLost(f"cannot send: {type(error).__name__}") from None

    def wake(self) -> None:
        """Have a read that waits, in another thread, end as if the peer had closed."""
        with suppress(OSError):
            self._shut(socket.SHUT_RD)

    def close(self, gently: bool = False) -> None:
        """Close; `gently` lets the peer take what was sent last and close first, for a short while (ARTIM)."""
        with suppress(OSError, ConnectionLost, PeerSilent):
            if gently:
                self._shut(socket.SHUT_WR)
                self._wait_for_end()
        self._sock.close()

    def _shut(self, how: int) -> None:
        # Not SSLSocket's: after that one, what is still sent would go out in plain text.
        socket.socket.shutdown(self._sock, how)

    def _poll(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(1000 * seconds))

    def _wait_for_end(self) -> None:
        until = time.monotonic() + _LINGER_SECONDS
        while (left := until - time.monotonic()) > 0:
            self._start = self._end = 0
            self._fill(left)

    def _take(self, most: int) -> memoryview:
        end = min(self._start + most, self._end)
        taken = self._view[self._start : end]
        self._start = end
        return taken

    def _fill(self, seconds: float) -> None:
        size = len(self._view)
        if self._end == size < _MOST_BUFFER_BYTES:
            self._view = memoryview(bytearray(min(4 * size, _MOST_BUFFER_BYTES)))
        try:
            count = self._read(min(seconds, _QUIET_SECONDS))
            if count is None and seconds > _QUIET_SECONDS:
                self._view = memoryview(bytearray(_LEAST_BUFFER_BYTES))
                count = self._read(seconds - _QUIET_SECONDS)
        except (OSError, ValueError) as error:
            raise ConnectionLost(f"cannot read: {type(error).__name__}") from None
        if count is None:
            raise PeerSilent("the peer sends nothing any more")
        if not count:
            raise ConnectionLost("the peer closed the connection")
        self._start, self._end = 0, count

    def _read(self, seconds: float) -> int | None:
        """How many bytes came; None when none did in time."""
        try:
            self._sock.settimeout(seconds)
            if not self._is_tls:
                # A sender that leaves Nagle's algorithm on waits for this; the system forgets it after each read.
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            return self._sock.recv_into(self._view)
        except TimeoutError:
            return None

    def _send_all(self, pieces: list[Piece]) -> None:
        first = 0
        while first < len(pieces):
            sent = self._sock.sendmsg(pieces[first : first + _MOST_PIECES])
            while first < len(pieces) and sent >= len(pieces[first]):
                sent -= len(pieces[first])
                first += 1
            if sent:
                pieces[first] = memoryview(pieces[first])[sent:]
