"""What a project wants done to its data: the Basic Profile and the options it chooses (PS3.15 Annex E)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Dates(Enum):
    """What becomes of dates and times."""

    REMOVE = "remove"
    """As the Basic Profile has it: removed, emptied, or a fixed dummy where the object needs one."""
    SHIFT = "shift"
    """Retain Longitudinal Temporal Information with Modified Dates Option (PS3.15 section E.3.6)."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A named choice of options; `plan.compile_plan` turns it into rules."""

    name: str
    dates: Dates = Dates.REMOVE
