"""The VR of an element whose encoding does not carry it, from the dictionary (PS3.6, PS3.5 annex A)."""

from __future__ import annotations

from functools import lru_cache

from diana_common.dicom.additions import ADDITIONS
from diana_common.dicom.dictionary import ENTRIES, entry_of, private_entries

_KNOWN: dict[int, str] = {tag: entry.vr for tag, entry in ENTRIES.items()}
_KNOWN.update({tag: vr for tag, (vr, _) in ADDITIONS.items()})
_WORDS = {"OB or OW": "OW", "US or OW": "OW", "US or SS or OW": "OW"}
US_OR_SS = "US or SS"

LONG_VRS = frozenset(b"OB OW OF OD OL OV SQ UN UT UC UR SV UV".split())
"""VRs whose explicit encoding has two reserved bytes and a 32-bit length (PS3.5 7.1.2)."""
EXPLICIT_VRS = LONG_VRS | frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
"""All VRs as they are encoded."""


def implicit_vr(tag: int) -> str:
    """The VR of a tag in Implicit VR: `US or SS` when Pixel Representation decides, UN when unknown."""
    vr = _KNOWN.get(tag)
    if vr is None:
        vr = _uncommon(tag)
    return _WORDS.get(vr, vr)


@lru_cache(maxsize=4096)
def private_vr(tag: int, creator: str) -> str:
    """The VR pydicom's private dictionary gives a private element of this creator, else UN."""
    entries, number = private_entries().get(creator, {}), f"{tag:08X}"
    # A few stand in one block only, most in any, and some in any group too.
    places = number, f"{number[:4]}xx{number[6:]}", f"{number[:2]}xxxx{number[6:]}"
    return next((entries[place][0] for place in places if place in entries), "UN")


def _uncommon(tag: int) -> str:
    element = tag & 0xFFFF
    if element == 0:
        return "UL"
    if tag & 0x10000:
        return "LO" if 0x10 <= element <= 0xFF else "UN"
    entry = entry_of(tag)
    return entry.vr if entry else "UN"
