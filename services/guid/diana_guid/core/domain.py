"""Domains: a named scheme with its options. Outputs of two domains have nothing in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

DEFAULT_DOMAIN = "default"
"""The domain of requests that name none."""

SubjectKey = Literal["patient_id", "name_birth_date_sex"]


@dataclass(frozen=True, slots=True)
class KeyedOptions:
    """What a `keyed` domain may choose.

    subject_key: what makes two subjects the same person: `patient_id` with its issuer, or
        `name_birth_date_sex`, for sources whose Patient IDs mean nothing. Names alone merge people.
    birth_date_days: a new birth date lies 1 to this many days before or after the true one.
    time_offset_days: a time offset is 1 to this many days, forwards or backwards.
    seconds: whether up to an hour either way is added to the time offset.
    """

    subject_key: SubjectKey = "patient_id"
    birth_date_days: int = 90
    time_offset_days: int = 90
    seconds: bool = False


@dataclass(frozen=True, slots=True)
class Diana2Options:
    """What a `diana2` domain may choose; identities must be as the older system had them.

    keyed_uids: whether its UIDs are mapped by key, as in keyed domains, or are those of the older system
        (`diana_common.hierarchical_uid`), which collide.
    """

    keyed_uids: bool = True


SCHEMES: Mapping[str, type[KeyedOptions | Diana2Options]] = {"keyed": KeyedOptions, "diana2": Diana2Options}
"""The schemes by name, each with the options it takes."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A named space of identities; the kind of its options says its scheme.

    name: part of every keyed output: a domain that is renamed mints other identities.
    """

    name: str
    options: KeyedOptions | Diana2Options = field(default_factory=KeyedOptions)

    @property
    def scheme(self) -> str:
        """`keyed` or `diana2`."""
        return next(name for name, options in SCHEMES.items() if isinstance(self.options, options))


def make_domain(name: str, scheme: str = "keyed", options: Mapping[str, Any] | None = None) -> Domain:
    """A domain by its scheme's name. Raises KeyError for an unknown scheme, TypeError for an unknown option."""
    return Domain(name, SCHEMES[scheme](**(options or {})))
