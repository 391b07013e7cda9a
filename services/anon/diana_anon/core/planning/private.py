"""Private attributes: whose they are, and which are safe to keep (PS3.15 Table E.3.10-1; PS3.5 section 7.8)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from diana_anon.core.rewriting.elements import Element


def is_creator(tag: int) -> bool:
    """Whether a private tag reserves a block, (gggg,0010) to (gggg,00FF)."""
    return 0x10 <= tag & 0xFFFF <= 0xFF


def creators(buffer: bytes, elements: Iterable[Element]) -> Mapping[int, str]:
    """The creators of one data set, by the tags that reserve their blocks; of duplicates the last."""
    return {
        one.tag: buffer[one.start : one.end].decode("latin_1").strip("\0 ")
        for one in elements
        if one.tag & 0x10000 and is_creator(one.tag) and one.items is None
    }


def block(tag: int) -> int:
    """The tag that reserves a private attribute's block: (0019,0010) for (0019,1023)."""
    return tag & 0xFFFF0000 | tag >> 8 & 0xFF


def in_block_zero(tag: int) -> int:
    """The tag without its block, as profiles and tables write it: (0019,0023) for (0019,1023)."""
    return tag & 0xFFFF00FF


def place(tag: int, creator: str) -> int:
    """What stands for a private attribute in a path, whichever block it is in: greater than any tag."""
    return (1 + zlib.crc32(creator.encode("utf-8", "surrogatepass"))) << 32 | in_block_zero(tag)


@cache
def safe() -> Mapping[int, str]:
    """The VR of every safe private attribute by its `place`; empty where the table has none, or leaves a choice."""
    rows = json.loads(files("diana_anon").joinpath("data", "safe_private.json").read_bytes())
    return {place(int(tag.replace("xx", "00"), 16), creator): vr for creator, tag, vr in rows}
