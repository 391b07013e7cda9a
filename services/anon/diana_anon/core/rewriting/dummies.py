"""What stands where the object's IOD demands a value: fixed words that fit the VR (Table E.1-1a, code D)."""

from __future__ import annotations

from typing import Final

from diana_anon.core.rewriting.encode import Tree, Value

WORD: Final = b"REMOVED"

_BY_VR: dict[str, bytes] = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"), WORD),
    **dict.fromkeys(("OB", "OW", "UN"), b"\0\0"),
    **dict.fromkeys(("DS", "IS"), b"0"),
    **dict.fromkeys(("US", "SS", "US or SS"), bytes(2)),
    **dict.fromkeys(("AT", "FL", "OF", "OL", "SL", "UL"), bytes(4)),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), bytes(8)),
    "AS": b"000Y",
    "DA": b"19000101",
    "DT": b"19000101000000",
    "TM": b"000000",
    "UR": b"http://removed.invalid/",
}

_CODE: Tree = {0x00080100: WORD, 0x00080102: b"99" + WORD, 0x00080104: WORD}

_ITEMS: dict[int, Tree] = {
    0x00080082: _CODE,  # Institution Code Sequence
    0x00081072: {0x00080080: WORD, 0x00401101: (_CODE,)},  # Operator Identification Sequence
    0x00081111: {  # Referenced Performed Procedure Step Sequence
        0x00081150: b"1.2.840.10008.3.1.2.3.3",
        0x00081155: b"2.25.0",
    },
    0x00340001: {0x00340002: b"\0\0"},  # Flow Identifier Sequence
    0x00401101: _CODE,  # Person Identification Code Sequence
    0x0040A043: _CODE,  # Concept Name Code Sequence
    0x0040A073: {  # Verifying Observer Sequence
        0x0040A027: WORD,
        0x0040A030: _BY_VR["DT"],
        0x0040A075: WORD,
        0x0040A088: (),
    },
    0x0040A088: _CODE,  # Verifying Observer Identification Code Sequence
    0x0040A168: _CODE,  # Concept Code Sequence
    0x0040A730: {0x0040A010: b"CONTAINS", 0x0040A040: b"TEXT", 0x0040A043: (_CODE,), 0x0040A160: WORD},
    0x0040B020: {0x0040A0B0: bytes(4), 0x00700006: WORD},  # Waveform Annotation Sequence: a note on no channel
    0x00700001: {0x00700002: WORD},  # Graphic Annotation Sequence
}


def has_item(tag: int) -> bool:
    """Whether there is an item that can stand in a sequence of this tag."""
    return tag in _ITEMS


def dummy(tag: int, vr: str) -> Value:
    """The value, or the one item, that takes the place of what an element of this tag held."""
    return (_ITEMS.get(tag, {}),) if vr == "SQ" else _BY_VR[vr]
