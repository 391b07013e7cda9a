"""Whether a value that is to be kept can be what its attribute says: numbers hold numbers, UIDs are UIDs.

What cannot be is not kept: a hostile or broken writer may have put anything there.
"""

from __future__ import annotations

from functools import lru_cache

from diana_common.tags import vm_of
from diana_common.uid import is_uid

_SIZES = {"US": 2, "SS": 2, "US or SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "AT": 4, "UV": 8, "SV": 8}
_MOMENTS = frozenset({"DA", "DT", "TM"})
CHECKED = frozenset({*_SIZES, *_MOMENTS, "DS", "IS", "UI"})
"""The VRs that `fits` looks into."""

LONGEST = {"AE": 16, "CS": 16, "DS": 16, "IS": 12, "LO": 64, "LT": 10240, "PN": 64, "SH": 16, "ST": 1024, "UI": 64}
"""The most characters of a value by VR (PS3.5 table 6.2-1), of a name those of one component group."""

_NUMBER = b"0123456789+-.eE \\\0"
_MOMENT = b"0123456789+-.: \\\0"


def fits(tag: int, vr: str, value: bytes) -> bool:
    """Whether these bytes can be a value of the attribute; `vr` is the dictionary's."""
    if size := _SIZES.get(vr):
        most = _most_values(tag)
        return len(value) % size == 0 and (not most or len(value) <= most * size)
    if vr in ("DS", "IS"):
        return not value.translate(None, _NUMBER)
    if vr in _MOMENTS:
        return not value.translate(None, _MOMENT)
    if vr == "UI":
        return all(not uid or is_uid(uid) for uid in value.decode("latin_1").rstrip("\0 ").split("\\"))
    return True


@lru_cache(maxsize=8192)
def _most_values(tag: int) -> int:
    """The most values an attribute may have (PS3.6); 0 when that is not bounded, or not known."""
    most = vm_of(tag).rpartition("-")[2]
    return int(most) if most.isdigit() else 0
