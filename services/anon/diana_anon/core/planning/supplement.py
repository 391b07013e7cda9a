"""Attributes that Table E.1-1 has no row for, and that may tell who somebody is nevertheless.

By the table alone they would be kept as they are. They are removed.
"""

from __future__ import annotations

from diana_common.tags import keyword_of

_NEVER = frozenset({"PN", "UR"})
"""VRs of people, and of addresses that may hold identifiers."""

_FREE_TEXT = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})

_TAGS = frozenset(
    {
        0x00100033,  # Patient's Birth Date in Alternative Calendar
        0x00100034,  # Patient's Death Date in Alternative Calendar
        0x00181803,  # NTP Source Address
        0x00401006,  # Placer Order Number / Procedure, retired
        0x00401007,  # Filler Order Number / Procedure, retired
        0x00402006,  # Placer Order Number / Imaging Service Request, retired
        0x00402007,  # Filler Order Number / Imaging Service Request, retired
        0x00420015,  # Encapsulated Document Length, of a document that is replaced
        0x0040E001,  # HL7 Instance Identifier
        0x40101051,  # Itinerary ID
        0x40101053,  # Itinerary ID Assigning Authority
    }
)

_FILE_SET_GROUP = 0x0004
"""Of DICOMDIRs; it names files, and has no place in an instance."""


def may_tell(tag: int, vr: str) -> bool:
    """Whether an attribute without a row of its own may tell who somebody is; `vr` is the dictionary's."""
    if vr in _NEVER or tag in _TAGS or tag >> 16 == _FILE_SET_GROUP:
        return True
    return vr in _FREE_TEXT and "Comment" in keyword_of(tag)
