"""A process that sends one message with the library apprise, and ends: its exit code says how it went.

On its standard input it takes a JSON object with `url`, and with `title`, `body` and `seconds` unless it is only to see
whether the URL can be used. What the library does is thus bounded in time and memory, and logs nowhere.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
from enum import IntEnum
from typing import Any

_MEMORY_BYTES = 1 << 30


class Outcome(IntEnum):
    """How it went; another code means that the process failed."""

    SENT = 0
    NOT_SENT = 10
    TIMED_OUT = 11
    UNUSABLE = 12


def attempt(asked: dict[str, Any]) -> Outcome:
    """Send a message, or see whether it could be."""
    import apprise

    service = apprise.Apprise()
    if not service.add(asked["url"]):
        return Outcome.UNUSABLE
    if "body" not in asked:
        return Outcome.SENT
    result = service.notify(
        asked["body"], asked["title"], body_format=apprise.NotifyFormat.TEXT, timeout=asked["seconds"]
    )
    if result:
        return Outcome.SENT
    return Outcome.TIMED_OUT if result.status is apprise.AppriseResultStatus.TIMEOUT else Outcome.NOT_SENT


if __name__ == "__main__":
    logging.disable()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(attempt(json.load(sys.stdin)))
