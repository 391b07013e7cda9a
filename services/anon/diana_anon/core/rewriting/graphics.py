"""What is drawn over images (PS3.15 section E.3.3, Clean Graphics Option), and what is not kept of it.

Text in graphic annotations is cleaned under the option. Curves (50xx) and overlays (60xx) go as whole groups with and
without it, unless a profile's override keeps them: nothing here looks into their bitmaps, which may hold burned-in
text, and a group without its data means nothing, while its label and description are free text.
"""

from __future__ import annotations

UNFORMATTED_TEXT = 0x00700006
"""Unformatted Text Value: what a graphic or waveform annotation says."""


def is_bitmap_or_curve(tag: int) -> bool:
    """Whether a tag belongs to the repeating groups of curves or overlays (PS3.5 section 7.6)."""
    return (tag >> 16) & 0xFF00 in (0x5000, 0x6000)
