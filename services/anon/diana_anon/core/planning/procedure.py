"""A profile made ready for work."""

from __future__ import annotations

from dataclasses import dataclass

from diana_anon.core.planning.plan import Plan, compile_plan
from diana_anon.core.profile import Profile
from diana_anon.core.profiles import profile_digest

DEFAULT_PROFILE = "default"
"""The profile of requests that name none."""


@dataclass(frozen=True, slots=True)
class Procedure:
    """A profile, the domain of the mint that its identities come from, its rules, and its digest (hexadecimal)."""

    profile: Profile
    domain: str
    plan: Plan
    digest: str


def make_procedure(profile: Profile, domain: str) -> Procedure:
    """Compile the profile."""
    return Procedure(profile, domain, compile_plan(profile), profile_digest(profile))
