"""The profiles that come with the service: data/profiles/*.yaml."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from diana_anon.core.profiles.reading import ReadProfile, read_profile

NAMES = ("basic", "trial", "research-longitudinal", "public-release")


def shipped_text(name: str) -> bytes:
    """The YAML of one, comments and all. Raises KeyError for an unknown name."""
    if name not in NAMES:
        raise KeyError(name)
    return files("diana_anon").joinpath("data", "profiles", f"{name}.yaml").read_bytes()


@cache
def shipped(name: str) -> ReadProfile:
    """One of them, read. Raises KeyError for an unknown name."""
    return read_profile(shipped_text(name), shipped, NAMES, name)
