"""Headers and answers as they are kept: compressed, each by itself, with a dictionary that all share.

The headers of an archive are alike: most of a header is tags, VRs and brackets. The dictionary is made of the table
of attributes, so that it is the same wherever the program is; generations made with another one are made anew.
"""

from __future__ import annotations

import json
import threading

import zstandard

from diana_index.core.attributes import ATTRIBUTES, Level
from diana_index.core.records import Elements, json_bytes, parse_header

_SAMPLES = {
    "CS": 'ORIGINAL","PRIMARY","AXIAL',
    "DA": "20260101",
    "TM": "120000.000000",
    "UI": "1.2.840.10008.5.1.4.1.1.2",
    "DS": 1.0,
    "IS": 1,
    "US": 512,
    "PN": {"Alphabetic": "DOE^JOHN"},
}
_FURTHER = """
00080008CS 00080016UI 00080018UI 00080050SH 00080060CS 00080070LO 00080090PN 00081090LO 00181151IS 00180050DS
00180060DS 00180088DS 00181030LO 00181100DS 00181120DS 00181150IS 00181152IS 00181210SH 00185100CS 0020000DUI
0020000EUI 00200010SH 00200011IS 00200012IS 00200013IS 00200032DS 00200037DS 00200052UI 00201041DS 00280002US
00280004CS 00280010US 00280011US 00280030DS 00280100US 00280101US 00280102US 00280103US 00281050DS 00281051DS
00281052DS 00281053DS 00281054LO
"""


def _dictionary() -> bytes:
    known = {one.tag: one.vr for level in Level for one in ATTRIBUTES[level] if one.tag.isalnum()}
    known |= {one[:8]: one[8:] for one in _FURTHER.split()}
    sample = {tag: {"vr": vr, "Value": [_SAMPLES.get(vr, "")]} for tag, vr in sorted(known.items())}
    return json.dumps(sample, separators=(",", ":")).encode()


DICTIONARY = _dictionary()
"""What headers are compressed against."""

_ZSTD = zstandard.ZstdCompressionDict(DICTIONARY, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
_ZSTD.precompute_compress(level=1)
_MOST_BYTES = 256 * 1024 * 1024
_of_thread = threading.local()


def pack(text: bytes) -> bytes:
    """Bytes compressed."""
    if not hasattr(_of_thread, "compressor"):
        _of_thread.compressor = zstandard.ZstdCompressor(level=1, dict_data=_ZSTD)
    packed: bytes = _of_thread.compressor.compress(text)
    return packed


def unpack(packed: bytes) -> bytes:
    """What was packed."""
    if not hasattr(_of_thread, "decompressor"):
        _of_thread.decompressor = zstandard.ZstdDecompressor(dict_data=_ZSTD)
    text: bytes = _of_thread.decompressor.decompress(packed, max_output_size=_MOST_BYTES)
    return text


def pack_elements(elements: Elements) -> bytes:
    """Elements as packed JSON."""
    return pack(json_bytes(elements))


def unpack_elements(packed: bytes) -> Elements:
    """The elements that were packed."""
    return parse_header(unpack(packed))
