"""The shipped profiles as the examiner expects them: what options each takes of PS3.15 section E.3."""

from __future__ import annotations

from diana_anon.core.planning.tables import Option
from tests.deid.standard import (
    CHARACTERISTICS,
    CLEAN_DESCRIPTORS,
    CLEAN_GRAPHICS,
    DEVICE,
    MODIFIED_DATES,
    SAFE_PRIVATE,
    STRUCTURED_CONTENT,
    Options,
)

PUBLIC = "public-release"
"""The one closest to MIDI-B's, which the score is of."""

_CLEANED = frozenset({MODIFIED_DATES, CLEAN_DESCRIPTORS, CLEAN_GRAPHICS, STRUCTURED_CONTENT})

OPTIONS: dict[str, Options] = {
    "basic": frozenset(),
    "trial": frozenset({MODIFIED_DATES, CLEAN_DESCRIPTORS}),
    "research-longitudinal": _CLEANED | {CHARACTERISTICS, SAFE_PRIVATE, DEVICE},
    PUBLIC: _CLEANED | {CHARACTERISTICS, SAFE_PRIVATE},
}

NAMES = {
    Option.CLEAN_GRAPHICS: CLEAN_GRAPHICS,
    Option.CLEAN_STRUCTURED_CONTENT: STRUCTURED_CONTENT,
    Option.CLEAN_DESCRIPTORS: CLEAN_DESCRIPTORS,
    Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES: MODIFIED_DATES,
    Option.RETAIN_PATIENT_CHARACTERISTICS: CHARACTERISTICS,
    Option.RETAIN_DEVICE_IDENTITY: DEVICE,
    Option.RETAIN_SAFE_PRIVATE: SAFE_PRIVATE,
}
"""The columns of the standard's table by the options that they are of."""
