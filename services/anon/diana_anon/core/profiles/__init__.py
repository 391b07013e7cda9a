"""Profiles: those that come with the service, and those that projects write."""

from __future__ import annotations

from diana_anon.core.profile import BirthDate, Profile
from diana_anon.core.tables import Option

_SHIPPED = {
    "basic": Profile("basic"),
    "research-longitudinal": Profile(
        "research-longitudinal",
        frozenset({Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES}),
        birth_date=BirthDate.NEAR,
    ),
}


def shipped_profile(name: str) -> Profile:
    """A profile that comes with the service. Raises KeyError for an unknown name."""
    return _SHIPPED[name]
