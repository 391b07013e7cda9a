"""Whether what follows the header is all there."""

from __future__ import annotations

import struct

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.header import Limits, check_complete, scan
from tests.support.dicom_files import make_small
from tests.unit.common import builder as b

PIXELS = b.element(0x7FE00010, "OW", bytes(64))


def fragments(*parts: bytes, end: bytes = b.SEQUENCE_END) -> bytes:
    return b.element(0x7FE00010, "OB", b"".join(map(b.item, parts)) + end, length=b.UNDEFINED)


def check(file: bytes, limits: Limits | None = None) -> None:
    check_complete(file, scan(file), limits or Limits())
    check_complete(memoryview(file), scan(file), limits or Limits())


def reason(file: bytes, limits: Limits | None = None) -> Reason:
    with pytest.raises(DianaError) as caught:
        check(file, limits)
    return caught.value.reason


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        PIXELS,
        PIXELS + bytes(5),
        PIXELS + bytes(4096),
        PIXELS + b.element(0xFFFCFFFC, "OB", bytes(10)),
        PIXELS + b.element(0x7FE10010, "LO", b"private ") + b.element(0xFFFCFFFC, "OB", b""),
        PIXELS + b.element(0xFFFAFFFA, "SQ", b.item(b.element(0x00100020, "LO", b"AB")) + b.SEQUENCE_END, b.UNDEFINED),
        PIXELS + b.element(0xFFFF0001, "LO", b"Private Tag "),
        b.element(0x7FE00008, "OF", bytes(64)),
        b.element(0x7FE00009, "OD", bytes(64)),
        fragments(),
        fragments(b"", b"abcd", b"ef"),
        fragments(b"", b"abcd") + b.element(0xFFFCFFFC, "OB", bytes(10)),
    ],
)
def test_complete_files_of_every_shape(tail: bytes) -> None:
    check(b.part10() + tail)


def test_a_complete_ct() -> None:
    check(make_small())


@pytest.mark.parametrize(
    "tail",
    [
        b.element(0x7FE00010, "OW", bytes(60), length=64),
        b.element(0x7FE00010, "OB", b"", length=0xFFFFFFFE),
        b"\xe0\x7f\x10\x00OB\0\0",
        PIXELS + b.element(0xFFFCFFFC, "OB", bytes(10), length=20),
        fragments(b"", b"abcd", end=b""),
        fragments(b"", b"abcd", end=b.SEQUENCE_END[:6]),
        fragments(b"", end=struct.pack("<HHI", 0xFFFE, 0xE000, 99) + b"short"),
    ],
)
def test_cut_files_are_truncated(tail: bytes) -> None:
    assert reason(b.part10() + tail) in {Reason.DATA_SET_TRUNCATED, Reason.DATA_SET_INVALID}


@pytest.mark.parametrize(
    "tail",
    [
        fragments(b"", end=b.element(0x00100010, "PN", b"between them")),
        PIXELS + b"\1\2\3\4" + bytes(20),
        PIXELS + b"garbage, not elements",
        PIXELS + bytes(9) + b"x",
        PIXELS + b.SEQUENCE_END,
        b.element(0x7FE00010, "US", bytes(64)),
    ],
)
def test_what_is_no_data_set_is_invalid(tail: bytes) -> None:
    assert reason(b.part10() + tail) in {Reason.DATA_SET_INVALID, Reason.DATA_SET_TRUNCATED}


def test_more_fragments_than_the_limit() -> None:
    assert reason(b.part10() + fragments(*[b"ab"] * 50), Limits(max_elements=20)) is Reason.DATA_SET_LIMIT
