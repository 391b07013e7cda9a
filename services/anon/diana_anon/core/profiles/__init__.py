"""Profiles: those that come with the service, and those that projects write (docs/deidentification.md)."""

from __future__ import annotations

from diana_anon.core.profile import Profile
from diana_anon.core.profiles import reading
from diana_anon.core.profiles.digest import profile_digest
from diana_anon.core.profiles.reading import Origin, ReadProfile, option_word
from diana_anon.core.profiles.shipped import NAMES, shipped, shipped_text
from diana_common.documents import Fault

__all__ = [
    "NAMES",
    "Fault",
    "Origin",
    "ReadProfile",
    "check_profile",
    "option_word",
    "profile_digest",
    "read_profile",
    "shipped",
    "shipped_profile",
    "shipped_text",
]


def shipped_profile(name: str) -> Profile:
    """A profile that comes with the service. Raises KeyError for an unknown name."""
    return shipped(name).profile


def read_profile(text: bytes, name: str = "") -> ReadProfile:
    """The profile that a text means. Raises PROFILE_INVALID; `name` is what the error calls the text.

    Each violation's field is "line 12: overrides[3].tag".
    """
    return reading.read_profile(text, shipped, NAMES, name)


def check_profile(text: bytes) -> ReadProfile | tuple[Fault, ...]:
    """The profile that a text means, or all its faults in the order of the text."""
    return reading.parse_profile(text, shipped, NAMES)
