"""Connections to a mail server that wait to be used again."""

from __future__ import annotations

import select
import smtplib
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

MAX_IDLE = 4
"""Connections kept at most, as many as are used for one target at a time."""

_IDLE_SECONDS = 30.0
_AGE_SECONDS = 300.0
_MESSAGES = 100
"""On one connection, at most: servers limit it, some to a hundred."""


@dataclass
class Session:
    """A connection; it is logged in once it has carried a message."""

    smtp: smtplib.SMTP
    opened: float
    last_used: float
    messages: int = 0

    def close(self) -> None:
        """Say goodbye, waiting for no answer: whatever was handed over is taken."""
        with suppress(smtplib.SMTPException, OSError, ValueError):
            if self.smtp.sock:
                self.smtp.putcmd("quit")
        self.smtp.close()


class SmtpPool:
    """A few connections, the one used last first. Safe to share between threads.

    None is used that the server has closed or has anything to say on, nor one that is old, idle for long or has carried
    much. A server may still close one at the moment it is used; whoever uses it must expect that.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` tells seconds, from any beginning on."""
        self._now = now
        self._lock = threading.Lock()
        self._idle: list[Session] = []
        self._closed = False
        self._timer: threading.Timer | None = None

    def take(self) -> Session | None:
        """A connection for the caller alone; None if none is fit."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                session = self._idle.pop()
            if self._is_fit(session) and _is_quiet(session):
                return session
            session.close()

    def new(self, smtp: smtplib.SMTP) -> Session:
        """One that the caller is to open."""
        now = self._now()
        return Session(smtp, now, now)

    def give(self, session: Session) -> None:
        """Keep a connection that is between two messages, or close it."""
        session.messages += 1
        session.last_used = self._now()
        with self._lock:
            keep = not self._closed and len(self._idle) < MAX_IDLE and self._is_fit(session)
            if keep:
                self._idle.append(session)
                self._look_later()
        if not keep:
            session.close()

    def close(self) -> None:
        """Close all, and those that are given later."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            if self._timer is not None:
                self._timer.cancel()
        for session in idle:
            session.close()

    def drop_unfit(self) -> None:
        """Close what has been idle for long."""
        with self._lock:
            self._timer = None
            unfit = [one for one in self._idle if not self._is_fit(one)]
            self._idle = [one for one in self._idle if one not in unfit]
            if self._idle and not self._closed:
                self._look_later()
        for session in unfit:
            session.close()

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(_IDLE_SECONDS, self.drop_unfit)
            self._timer.daemon = True
            self._timer.start()

    def _is_fit(self, session: Session) -> bool:
        now = self._now()
        young = now - session.opened < _AGE_SECONDS and now - session.last_used < _IDLE_SECONDS
        return young and session.messages < _MESSAGES and session.smtp.sock is not None


def _is_quiet(session: Session) -> bool:
    """Whether nothing has come: between two messages only a goodbye comes, or the end."""
    if session.smtp.sock is None:
        return False
    try:
        poll = select.poll()
        poll.register(session.smtp.sock, select.POLLIN)
        return not poll.poll(0)
    except (OSError, ValueError):
        return False
