"""Where errors come from, for logs."""

from __future__ import annotations

import traceback


def frames(error: BaseException) -> list[str]:
    """The places an error came through, without its own text, which may name paths or hold patient values."""
    return [f"{one.filename}:{one.lineno} {one.name}" for one in traceback.extract_tb(error.__traceback__)]
