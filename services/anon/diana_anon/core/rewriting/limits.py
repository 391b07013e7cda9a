"""What one object may cost the engine: an object that passes a bound is refused (DATA_SET_LIMIT), never cut short."""

from __future__ import annotations

from dataclasses import dataclass

from diana_common.dicom.limits import MIB, Limits


@dataclass(frozen=True, slots=True)
class EngineLimits(Limits):
    """The bounds of the header scan, and those on what the engine alone does.

    An Enhanced CT of 10,000 frames has half a million elements and items, 40,000 UIDs and dates, 1 MiB of text.
    """

    max_values: int = 300_000
    """UIDs and accession numbers that are mapped, dates that are moved: some 10 microseconds each."""
    max_text_bytes: int = 4 * MIB
    """Text that identifiers are struck from: 2 to 7 seconds a MiB."""


ENGINE_LIMITS = EngineLimits()
