"""Waiting for what comes true by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic


def awaited(true: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether something came true in time."""
    pause, deadline = threading.Event(), monotonic() + seconds
    while not (is_true := true()) and monotonic() < deadline:
        pause.wait(0.01)
    return is_true
