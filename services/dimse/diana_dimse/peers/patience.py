"""Asking the archive again for a while where it does not answer: it may be starting anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from diana_client import MeshError
from diana_common.errors import Reason
from diana_server.peers import core_error

T = TypeVar("T")

# Longer than a restart takes, and the wait before the next connection is tried.
_SECONDS = 8.0
_PAUSE_SECONDS = 0.3


def patiently(ask: Callable[[], T]) -> T:
    """What it answers. Only for what may be asked twice: of what broke nothing is known.

    Raises DianaError, PEER_UNAVAILABLE once it has not answered for too long.
    """
    until = time.monotonic() + _SECONDS
    while True:
        try:
            return ask()
        except MeshError as error:
            typed = core_error("archive", error)
            if typed.reason is not Reason.PEER_UNAVAILABLE or time.monotonic() > until:
                raise typed from error
            time.sleep(_PAUSE_SECONDS)
