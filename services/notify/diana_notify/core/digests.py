"""Several messages in one: what comes for a recipient who wants digests goes together.

Which messages go together is written down before the first attempt, and the text is made of them alone; so the name
that it goes under means the same text at every attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_MEMBERS = 1_000
"""Messages in a digest at most; those that come after go into the next one."""

MAX_TEXT_BYTES = 1 << 20
"""Their texts together at most; a message longer than that goes alone."""

BODY_PLACE = "\ue000\ue001"
"""Where the texts go in an envelope: private characters, which no filter changes."""

_RULE = "\n\n" + "-" * 40 + "\n\n"


@dataclass(frozen=True, slots=True)
class Part:
    """One message of a digest. Its text goes into `envelope` at BODY_PLACE, unless that is empty."""

    subject: str
    body: str
    envelope: str


def combined(parts: Sequence[Part]) -> tuple[str, str]:
    """Subject and text of one or several messages, in the first one's envelope."""
    first = parts[0]
    if len(parts) == 1:
        return first.subject, _enveloped(first, first.body)
    alike = all(part.subject == first.subject for part in parts)
    texts = (part.body if alike else f"{part.subject}\n\n{part.body}" for part in parts)
    subject = f"{first.subject} ({len(parts)} messages)" if alike else f"{first.subject} (and {len(parts) - 1} more)"
    return subject, _enveloped(first, _RULE.join(text.strip("\n") for text in texts))


def _enveloped(part: Part, text: str) -> str:
    return part.envelope.replace(BODY_PLACE, text, 1) if BODY_PLACE in part.envelope else text
