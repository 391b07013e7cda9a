"""What the headers of a study say together: an identifier that one instance names is struck from all.

The first instance of each series is asked, so that what becomes of an instance does not depend on which others have
come by; a study that has got a series since may have its texts cleaned of more.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Action, Profile
from diana_anon.core.text.identifiers import NOBODY, Identifiers, gathered
from diana_common.conditions import Header

MOST_SERIES = 500
"""Series of a study that are asked, by Series Instance UID."""


def gathered_from(headers: Iterable[Header], profile: Profile) -> Identifiers:
    """The identifiers in headers of a study's instances, without those that the profile keeps."""
    known = NOBODY
    for header in islice(headers, MOST_SERIES):
        known |= gathered(header, profile)
    return known


def strikes_identifiers(profile: Profile) -> bool:
    """Whether identifiers are struck from any text by a profile."""
    return bool(_CLEANING & profile.options) or any(one.action is Action.CLEAN for one in profile.overrides)


_CLEANING = frozenset({Option.CLEAN_DESCRIPTORS, Option.CLEAN_STRUCTURED_CONTENT, Option.CLEAN_GRAPHICS})
