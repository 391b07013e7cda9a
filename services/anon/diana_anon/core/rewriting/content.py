"""What is left of a content tree: under the Basic Profile its shape and its references.

Table E.1-1 wants Content Sequence (0040,A730) replaced by a dummy. A tree of the same shape, with every word, name,
code and number in it replaced or gone, is one that still leads from a report to its images.
Under the Clean Structured Content Option each content item is treated by its concept (`structured`).
"""

from __future__ import annotations

from enum import Enum, auto

from diana_anon.core.planning.rules import Kind

CONTENT_SEQUENCE = 0x0040A730
IDENTIFIER = 0x0040DB73
"""Referenced Content Item Identifier: the positions that lead to another item."""

KEPT = frozenset(
    {
        0x00081150,  # Referenced SOP Class UID
        0x00081160,  # Referenced Frame Number
        0x0040A010,  # Relationship Type
        0x0040A040,  # Value Type
        0x0040A050,  # Continuity Of Content
        0x0040A0B0,  # Referenced Waveform Channels
        0x0040A130,  # Temporal Range Type
        0x0040A132,  # Referenced Sample Positions
        0x0040DB73,  # Referenced Content Item Identifier
        0x0062000B,  # Referenced Segment Number
        0x00700022,  # Graphic Data
        0x00700023,  # Graphic Type
    }
)
"""Kept as they are."""

WALKED = frozenset({0x00081199, CONTENT_SEQUENCE})
"""Referenced SOP Sequence and the tree itself: their items are walked by the same rules."""

TEXT_VALUE = 0x0040A160
"""A content item's words; items also stand in other sequences, as in Protocol Context."""

REPLACED = frozenset({0x0040A043, TEXT_VALUE, 0x0040A168})
"""Concept Name Code Sequence, Text Value, Concept Code Sequence: dummies."""

EMPTIED = frozenset({0x0040A300})
"""Measured Value Sequence: a NUM item may do without (type 2)."""

BY_TABLE = frozenset({0x00081155, 0x0040A120, 0x0040A121, 0x0040A122, 0x0040A123, 0x0040A124, 0x0040A13A, 0x30060024})
"""UIDs, dates, times and person names have rows of their own in Table E.1-1 and are treated by them."""

VALUES = frozenset(
    {
        TEXT_VALUE,
        0x0040A120,  # DateTime
        0x0040A121,  # Date
        0x0040A122,  # Time
        0x0040A123,  # Person Name
        0x0040A124,  # UID
        0x0040A168,  # Concept Code Sequence
        0x0040A300,  # Measured Value Sequence
    }
)
"""What holds a content item's value, but for references: whichever its Value Type is, their UIDs are mapped."""

REPLACEMENTS = {0x0040A124: Kind.MAP, 0x0040A300: Kind.EMPTY}
"""What makes a dummy of a value that is none of words: a UID still leads somewhere, a number goes."""


class Item(Enum):
    """What Table E.3.4-1 says of a content item under the Clean Structured Content Option."""

    REMOVED = auto()
    """With all it contains."""
    REPLACED = auto()
    CLEANED = auto()
    """Also what the table has no row for."""
    KEPT = auto()


def item_of(action: str | None) -> Item:
    """The same for an action code of the table; X/D is D, since an item's template may require it."""
    return {"X": Item.REMOVED, "X/D": Item.REPLACED, "D": Item.REPLACED, "K": Item.KEPT}.get(action or "", Item.CLEANED)
