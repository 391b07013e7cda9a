"""Transports that stay on the machine: files in the outbox, and the screen."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
import unicodedata
from pathlib import Path
from typing import TextIO

from diana_common.attempts import Unreachable
from diana_common.state_files import make_directory, sync_directory
from diana_notify.adapters.webhook import message_of
from diana_notify.core.model import Parcel


class FileCarrier:
    """Appends a line of JSON to a file in the outbox, durably. Names were checked when messages were queued."""

    def __init__(self, outbox: Path) -> None:
        self._outbox = outbox
        self._lock = threading.Lock()

    def carry(self, parcel: Parcel) -> None:
        """See core.carriers.Carrier."""
        line = json.dumps(message_of(parcel), ensure_ascii=False) + "\n"
        try:
            with self._lock:
                self._append(self._outbox / parcel.delivery.recipient.address, line.encode())
        except OSError as error:
            raise Unreachable((error.strerror or type(error).__name__).lower()) from None

    def _append(self, path: Path, line: bytes) -> None:
        make_directory(self._outbox)
        # Neither a link that leads elsewhere nor a pipe that nobody reads may stand in the file's place.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        with open(os.open(path, flags, 0o600), "r+b", buffering=0) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(None, "not a plain file")
            if status.st_size and os.pread(file.fileno(), 1, status.st_size - 1) != b"\n":
                line = b"\n" + line  # a crash cut the line before short
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(file.fileno(), rest) :]
            os.fsync(file.fileno())
        sync_directory(self._outbox)


class ScreenCarrier:
    """Writes a line to standard output."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()

    def carry(self, parcel: Parcel) -> None:
        """See core.carriers.Carrier."""
        channel = parcel.delivery.channel
        text = f"[{channel}] " * bool(channel) + ": ".join(filter(None, (parcel.subject, parcel.body)))
        try:
            with self._lock:
                self._stream.write(f"{_one_line(text)}\n")
                self._stream.flush()
        except (OSError, ValueError) as error:
            raise Unreachable(type(error).__name__) from None


def _one_line(text: str) -> str:
    """The text without line ends, nor anything else that a terminal would obey."""
    shown = (" " if unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp") else one for one in text)
    return " ".join("".join(shown).split())
