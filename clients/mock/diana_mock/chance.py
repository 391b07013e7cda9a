"""Chance that is the same on every run: everything is drawn from a generator, or a digest, of what it is for."""

from __future__ import annotations

import uuid
from random import Random

_SPACE = uuid.UUID("6f5d7f8c-6f0b-5d53-9a1e-3a1c0b7a4c11")
"""The name space of the mock's UIDs (RFC 9562 section 6.5)."""

_BETWEEN = "\x1f"


def chance(*purpose: object) -> Random:
    """A generator for one purpose: the seed and what is drawn. Two purposes never share a draw."""
    return Random(_BETWEEN.join(map(str, purpose)))


def uid(*purpose: object) -> str:
    """A UID below 2.25 (PS3.5 annex B.2), from a name-based UUID of the seed and of what it names."""
    return f"2.25.{uuid.uuid5(_SPACE, _BETWEEN.join(map(str, purpose))).int}"
