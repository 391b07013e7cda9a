"""Which images are searched for text: all but those that nothing can have been written into.

A scanner reconstructs the slices of CT, MR and PET; it writes no text into them. What carries text there is made
afterwards, and says so: it is derived, secondary, a colour image, or has 8 bits. All of that is searched. So are images
of every other kind, whatever Burned In Annotation says, but for maps made by programs that draw nothing.
"""

from __future__ import annotations

from diana_anon.core.pixels.image import number
from diana_common.conditions import Header
from diana_common.dicomjson import first_value, texts

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_RECONSTRUCTED = frozenset(_STORAGE + end for end in ("2", "2.1", "2.2", "4", "4.1", "4.4", "128", "130", "128.1"))
"""CT, MR and PET images: plain, Enhanced, Legacy Converted."""
_MAPS = frozenset(_STORAGE + end for end in ("66.4", "66.7", "481.2", "30"))
"""Segmentation, Label Map Segmentation, RT Dose and Parametric Map."""


def declares_text(header: Header) -> bool:
    """Whether Burned In Annotation (0028,0301) is YES."""
    return first_value(header, "00280301") == "YES"


def may_hold_text(header: Header) -> bool:
    """Whether an image is searched for text."""
    if declares_text(header):
        return True
    sop_class = first_value(header, "00080016")
    if sop_class in _MAPS or number(header, "00280100") == 1:
        return False
    return not (sop_class in _RECONSTRUCTED and _is_slice(header))


def _is_slice(header: Header) -> bool:
    """Whether it says that it is the scanner's own, and its samples are no screen's."""
    kind = [text.strip() for text in texts(header, "00080008")[:2]]
    grey = first_value(header, "00280004") in ("MONOCHROME1", "MONOCHROME2")
    return kind == ["ORIGINAL", "PRIMARY"] and grey and (number(header, "00280101") or 0) > 8
