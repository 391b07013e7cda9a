"""The same rules in every encoding of a data set (PS3.5 section 7 and annex A)."""

from __future__ import annotations

import struct
import zlib

import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from diana_common.errors import DianaError, Reason
from diana_common.header import check_complete, scan
from tests.support.dicom_files import make_small
from tests.unit.anon.engine_files import Dates, new_data_set, new_file, new_uid, read, written
from tests.unit.common.builder import (
    BIG,
    DEFLATED,
    JPEG,
    SEQUENCE_END,
    UNDEFINED,
    data_set,
    element,
    implicit,
    item,
    meta,
    part10,
)

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
PLANTED = b"ZQPLANTED"
FRAGMENTS = item(b"") + item(b"\xff\xd8ZQ") + SEQUENCE_END


@pytest.mark.parametrize("dates", Dates)
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: UID(syntax).name)
def test_every_encoding_gives_the_same_data_set(syntax: UID, dates: Dates) -> None:
    source = read(make_small())
    expected = new_data_set(make_small(), dates)
    new = new_file(written(source, syntax), dates)
    assert read(new) == expected
    check_complete(new, scan(new))


def test_encapsulated_pixels_and_what_follows_them() -> None:
    pixels = element(0x7FE00010, "OB", FRAGMENTS, length=UNDEFINED)
    after = element(0x7FE10010, "LO", PLANTED) + element(0xFFFCFFFC, "OB", PLANTED)
    new = new_file(meta(JPEG) + data_set() + pixels + after)
    assert new.endswith(pixels)
    assert PLANTED not in new


def test_sequences_of_undefined_length_are_rewritten_with_their_lengths() -> None:
    inner = element(0x00081155, "UI", b"1.2.9") + element(0x00081110, "SQ", SEQUENCE_END, length=UNDEFINED)
    outer = element(0x00081115, "SQ", item(inner, delimited=True) * 2 + SEQUENCE_END, length=UNDEFINED)
    new = new_data_set(part10(outer))
    assert [each.ReferencedSOPInstanceUID for each in new.ReferencedSeriesSequence] == [new_uid("1.2.9")] * 2


def test_an_unknown_vr_hides_an_implicit_sequence() -> None:
    content = item(implicit(0x00081155, b"1.2.9\0") + implicit(0x00100010, PLANTED + b" "))
    for length in (None, UNDEFINED):
        value = content + SEQUENCE_END if length else content
        new = new_file(part10(element(0x00081115, "UN", value, length)))
        assert PLANTED not in new
        assert new_uid("1.2.9").encode() in new
        assert read(new).ReferencedSeriesSequence[0].PatientName == "NEW^NAME"


def test_an_unknown_vr_may_hide_explicit_elements() -> None:
    content = item(element(0x00081155, "UI", b"1.2.9") + element(0x00100010, "PN", PLANTED))
    new = new_file(part10(element(0x00081115, "UN", content + SEQUENCE_END, UNDEFINED)))
    assert PLANTED not in new
    assert new_uid("1.2.9").encode() in new


def test_a_big_endian_sequence_keeps_its_byte_order() -> None:
    reference = element(0x00081155, "UI", b"1.2.9", order=">")
    content = struct.pack(">HHI", 0xFFFE, 0xE000, len(reference)) + reference
    uids = [(0x00080016, b"1.2.840.10008.5.1.4.1.1.7"), (0x00080018, b"1.2.3.4")]
    body = b"".join(element(tag, "UI", uid, order=">") for tag, uid in uids)
    body += element(0x00081115, "SQ", content, order=">")
    body += b"".join(element(tag, "UI", b"1.2.3", order=">") for tag in (0x0020000D, 0x0020000E))
    new = new_data_set(meta(BIG) + body)
    assert new.ReferencedSeriesSequence[0].ReferencedSOPInstanceUID == new_uid("1.2.9")


def test_a_vr_that_is_none_is_refused() -> None:
    for tag in (0x00180050, 0x00190010):
        with pytest.raises(DianaError) as refused:
            new_file(part10(element(tag, "ZZ", PLANTED)))
        assert refused.value.reason is Reason.NOT_DEIDENTIFIABLE


def test_an_attribute_that_stands_there_twice_is_refused() -> None:
    twice = element(0x00100010, "PN", b"DOE^JANE") + element(0x00100010, "PN", b"ROE^RICHARD")
    for whole in (part10(twice), part10(element(0x00081115, "SQ", item(twice)))):
        with pytest.raises(DianaError) as refused:
            new_file(whole)
        assert refused.value.reason is Reason.NOT_DEIDENTIFIABLE


def test_items_that_do_not_fill_their_sequence_are_refused() -> None:
    with pytest.raises(DianaError) as refused:
        new_file(part10(element(0x00081115, "SQ", item(b"") + b"\0" * 4)))
    assert refused.value.reason is Reason.NOT_DEIDENTIFIABLE


def test_a_deflated_stream_that_ends_early_is_truncated_and_a_broken_one_invalid() -> None:
    deflater = zlib.compressobj(wbits=-15)
    stream = deflater.compress(data_set()) + deflater.flush()
    for broken, reason in ((stream[:-4], Reason.DATA_SET_TRUNCATED), (b"\xff" * 40, Reason.DATA_SET_INVALID)):
        with pytest.raises(DianaError) as refused:
            new_file(meta(DEFLATED) + broken)
        assert refused.value.reason is reason
