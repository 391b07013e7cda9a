"""What a project wants done to its data: the Basic Profile, the options it chooses, and its own overrides."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from diana_anon.core.planning.tables import Option
from diana_common.conditions import Condition, Step


class Action(Enum):
    """What an override does to an attribute; the values are how profiles write them."""

    KEEP = "keep"
    REMOVE = "remove"
    EMPTY = "empty"
    DUMMY = "dummy"
    """A fixed value that fits the VR."""
    MAP = "map"
    """UIDs and accession numbers: the pseudonym that the domain's key gives them."""
    CLEAN = "clean"
    """Text: identifiers struck out, the rest kept."""
    SHIFT = "shift"
    """Dates and times moved by the identity's offset."""
    REPLACE = "replace"
    """The override's own value."""


@dataclass(frozen=True, slots=True)
class TagPath:
    """Where an override applies: an attribute within the sequences before it, outermost first.

    `anywhere`: at the top and in any sequence, ending in these steps.
    """

    steps: tuple[Step, ...]
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class Override:
    """One deviation of a profile from the standard's table. The last that fits an attribute wins.

    `sop_classes`: UIDs of the SOP Classes it is for; all when empty. `text` is how the profile wrote it, in canonical
    form: part of the profile's digest.
    """

    path: TagPath
    action: Action
    value: str = ""
    sop_classes: frozenset[str] = frozenset()
    condition: Condition | None = field(default=None, compare=False)
    text: str = ""


@dataclass(frozen=True, slots=True)
class PixelPolicy:
    """What is done to pixels under the Clean Pixel Data Option.

    `read_text`: whether text is looked for (OCR). Text found with a confidence from 0 to 1 below `quarantine_below` is
    in doubt, and its image goes to quarantine rather than out. `regions` is the text of the rules for known devices, in
    YAML; empty: the rules that come with the service.
    """

    read_text: bool = True
    quarantine_below: float = 0.5
    regions: str = ""


class BirthDate(Enum):
    """What becomes of Patient's Birth Date."""

    REMOVE = "remove"
    """Empty, as the table has it."""
    NEAR = "near"
    """The minted one, near the true one."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A named choice; `plan.compile_plan` turns it into rules."""

    name: str
    options: frozenset[Option] = frozenset()
    birth_date: BirthDate = BirthDate.REMOVE
    overrides: tuple[Override, ...] = ()
    pixels: PixelPolicy = PixelPolicy()
    description: str = ""

    @property
    def shifts_dates(self) -> bool:
        """Whether dates move (Retain Longitudinal Temporal Information with Modified Dates Option)."""
        return Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES in self.options

    @property
    def cleans_pixels(self) -> bool:
        """Whether pixels are cleaned (Clean Pixel Data Option)."""
        return Option.CLEAN_PIXEL_DATA in self.options
