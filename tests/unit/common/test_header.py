"""What a scan says of well-formed headers in every encoding, and of the habits of old writers."""

from __future__ import annotations

import io
import json
import mmap
import os
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file

from diana_common.dicom.context import context
from diana_common.errors import DianaError
from diana_common.header import Header, read_header, scan
from tests.support.dicom_files import make_ct, make_small
from tests.unit.common import builder as b


def parsed(header: Header) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(header.dicom_json)
    return loaded


def scanned(*elements: bytes) -> dict[str, Any]:
    return parsed(scan(b.part10(*elements)))


def test_a_ct_gives_its_identity_and_where_things_are() -> None:
    ct = make_ct(study_uid="1.2.3", series_uid="1.2.3.4", sop_uid="1.2.3.4.5")
    header = scan(ct)
    assert (header.study_uid, header.series_uid, header.sop_instance_uid) == ("1.2.3", "1.2.3.4", "1.2.3.4.5")
    assert header.sop_class_uid == "1.2.840.10008.5.1.4.1.1.2"
    assert header.transfer_syntax_uid == b.EXPLICIT
    assert ct[header.data_set_offset :][:4] == b"\x08\x00\x05\x00"
    assert header.pixel_offset == header.header_end
    assert ct[header.header_end :][:8] == b"\xe0\x7f\x10\x00OW\0\0"
    assert len(parsed(header)) == 113  # 113 elements without the pixels, with Available Transfer Syntax UID


def test_every_kind_of_buffer_and_a_file_on_disk_give_the_same_header(tmp_path: Path) -> None:
    small = make_small()
    path = tmp_path / "small.dcm"
    path.write_bytes(small)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert scan(mapped) == scan(small)
    assert scan(memoryview(small)) == scan(memoryview(bytearray(small))) == read_header(path) == scan(small)


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm"])
def test_one_image_in_three_encodings_gives_one_json(name: str) -> None:
    headers = [parsed(read_header(str(get_testdata_file(n)))) for n in ("MR_small.dcm", name)]
    for header in headers:
        header.pop("00083002")
        header.pop("00080018", None)
    private = {tag for tag in headers[1] if int(tag[3], 16) % 2}
    for tag in headers[0].keys() - private:
        assert headers[0][tag] == headers[1][tag], tag


def test_a_deflated_header_is_inflated_and_its_bulk_refers_to_the_inflated_data_set() -> None:
    content = b.data_set(b.element(0x00420011, "OB", bytes(5000)), b.element(0x7FE00010, "OW", bytes(100)))
    deflater = zlib.compressobj(wbits=-15)
    file = b.meta(b.DEFLATED) + deflater.compress(content) + deflater.flush()
    header = scan(file)
    offset = content.index(b"\x42\x00\x11\x00") + 12
    assert parsed(header)["00420011"] == {"vr": "OB", "BulkDataURI": f"deflated-range:{offset}-5000"}
    assert header.pixel_offset == content.index(b"\xe0\x7f\x10\x00")
    assert header.data_set_offset == len(b.meta(b.DEFLATED))


def test_the_first_element_tells_when_the_transfer_syntax_lies_about_vrs() -> None:
    plain = b"".join(b.implicit(tag, uid + b"\0" * (len(uid) % 2)) for tag, uid in b.UIDS.items())
    assert scan(b.meta(b.EXPLICIT) + plain).study_uid == "1.2.3"
    assert scan(b.meta(b.IMPLICIT) + b.data_set()).study_uid == "1.2.3"


@pytest.mark.parametrize("length", [0, 7, 10_000])
def test_a_wrong_group_length_of_file_meta_does_no_harm(length: int) -> None:
    assert scan(b.meta(group_length=length) + b.data_set()).transfer_syntax_uid == b.EXPLICIT


def test_available_transfer_syntax_is_the_files_own_and_stands_in_order() -> None:
    found = scanned(b.element(0x00083002, "UI", b"1.2.840.10008.1.2"))
    assert found["00083002"] == {"vr": "UI", "Value": [b.EXPLICIT]}
    assert list(found) == sorted(found)


def test_values_of_each_kind() -> None:
    found = scanned(
        b.element(0x00080008, "CS", b"ORIGINAL\\\\AXIAL "),
        b.element(0x00080050, "SH", b"  "),
        b.element(0x00100010, "PN", b"Doe^Jane=\\=B"),
        b.element(0x00100020, "LO", b'a"\x01\0b\0\0'),
        b.element(0x00204000, "LT", b" a\\b "),
        b.element(0x00200013, "IS", b"+007 \\12A"),
        b.element(0x00281050, "DS", b"-1.50\\.5\\1E2\\ 7 \\\\nan"),
        b.element(0x00280009, "AT", b"\x18\x00\x63\x10"),
        b.element(0x00280106, "SS", struct.pack("<2h", -1, 2)),
        b.element(0x00189073, "FD", struct.pack("<3d", 0.5, float("nan"), float("-inf"))),
        b.element(0x00189087, "UV", struct.pack("<Q", 2**64 - 1)),
        b.element(0x00282000, "OB", b"abc\0"),
    )
    assert found["00080008"]["Value"] == ["ORIGINAL", None, "AXIAL"]
    assert found["00080050"] == {"vr": "SH"}
    assert found["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}, {"Ideographic": "B"}]
    assert found["00100020"]["Value"] == ['a"\x01\ufffdb']
    assert found["00204000"]["Value"] == [" a\\b"]
    assert found["00200013"]["Value"] == [7, "12A"]
    assert found["00281050"]["Value"] == [-1.5, 0.5, 100, 7, None, "nan"]
    assert found["00280009"]["Value"] == ["00181063"]
    assert found["00280106"]["Value"] == [-1, 2]
    assert found["00189073"]["Value"] == [0.5, "NaN", "-inf"]
    assert found["00189087"]["Value"] == [2**64 - 1]
    assert found["00282000"]["InlineBinary"] == "YWJjAA=="


def test_a_value_that_does_not_fit_its_vr_is_kept_as_bytes() -> None:
    assert scanned(b.element(0x00280010, "US", b"abc", length=3))["00280010"] == {"vr": "UN", "InlineBinary": "YWJj"}


@pytest.mark.parametrize("delimited", [False, True])
def test_nested_sequences_of_defined_and_undefined_length(delimited: bool) -> None:
    def sequence(tag: int, *items: bytes) -> bytes:
        content = b"".join(b.item(item, delimited) for item in items)
        if delimited:
            return b.element(tag, "SQ", content + b.SEQUENCE_END, length=b.UNDEFINED)
        return b.element(tag, "SQ", content)

    inner = sequence(0x00400008, b.element(0x00080100, "SH", b"A"), b"")
    found = scanned(sequence(0x00400275, inner, b.element(0x00400007, "LO", b"x")), sequence(0x00081140))
    assert found["00081140"] == {"vr": "SQ"}
    assert found["00400275"]["Value"] == [
        {"00400008": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["A"]}}, {}]}},
        {"00400007": {"vr": "LO", "Value": ["x"]}},
    ]


def test_un_shows_what_the_dictionary_knows() -> None:
    private = b.element(0x00090010, "LO", b"GEMS_IDEN_01") + b.element(0x00091002, "UN", b"CT01")
    hidden = b.implicit(0x00081140, b.item(b.implicit(0x00081155, b"1.2\0")))[8:]
    found = scanned(
        private,
        b.element(0x00080070, "UN", b"Maker "),
        b.element(0x00081140, "UN", hidden),
        b.element(0x00091140, "UN", hidden + b.SEQUENCE_END, length=b.UNDEFINED),
        b.element(0x00111199, "UN", b"\1\2"),
    )
    reference = {"00081155": {"vr": "UI", "Value": ["1.2"]}}
    assert found["00080070"] == {"vr": "LO", "Value": ["Maker"]}
    assert found["00091002"] == {"vr": "SH", "Value": ["CT01"]}
    assert found["00081140"] == found["00091140"] == {"vr": "SQ", "Value": [reference]}
    assert found["00111199"] == {"vr": "UN", "InlineBinary": "AQI="}


def test_un_that_only_looks_like_a_sequence_stays_binary() -> None:
    assert scanned(b.element(0x00081140, "UN", b"no items"))["00081140"]["vr"] == "UN"


@pytest.mark.parametrize(("representation", "value"), [(0, 65535), (1, -1)])
def test_pixel_representation_decides_us_or_ss_also_from_outside(representation: int, value: int) -> None:
    nested = b.implicit(0x00409096, b.item(b.implicit(0x00409216, b"\xff\xff")))
    elements = [
        *(b.implicit(tag, uid + b"\0" * (len(uid) % 2)) for tag, uid in b.UIDS.items()),
        b.implicit(0x00280103, struct.pack("<H", representation)),
        b.implicit(0x00280106, b"\xff\xff"),
    ]
    found = parsed(scan(b.meta(b.IMPLICIT) + b"".join(elements) + nested))
    assert found["00280106"]["Value"] == [value]
    assert found["00409096"]["Value"][0]["00409216"]["Value"] == [value]


def test_large_values_stay_in_the_file_and_the_uri_finds_them() -> None:
    content = bytes(range(256)) * 8
    text = b"t" * (3 * 1024 * 1024)
    file = b.part10(b.element(0x00282000, "OB", content), b.element(0x0040A160, "UT", text))
    found = parsed(scan(file))
    for tag, value in (("00282000", content), ("0040A160", text)):
        scheme, _, where = found[tag]["BulkDataURI"].partition(":")
        offset, length = map(int, where.split("-"))
        assert scheme == "range"
        assert file[offset : offset + length] == value


def test_an_icon_with_fragments_inside_a_sequence() -> None:
    fragments = b.item(b"") + b.item(b"jpeg") + b.SEQUENCE_END
    icon = b.element(0x7FE00010, "OB", fragments, length=b.UNDEFINED)
    found = scanned(b.element(0x00880200, "SQ", b.item(icon)), b.element(0x00880904, "LO", b"after"))
    assert found["00880200"]["Value"][0]["7FE00010"]["vr"] == "OB"
    assert found["00880904"]["Value"] == ["after"]


def test_elements_out_of_order_are_sorted_and_the_last_of_two_counts() -> None:
    file = b.meta() + b.data_set() + b.element(0x00100020, "LO", b"ab") + b.element(0x00080018, "UI", b"9.9")
    header = scan(file)
    assert header.sop_instance_uid == "9.9"
    assert list(parsed(header)) == sorted(parsed(header))


def test_what_is_remembered_of_one_file_never_changes_another() -> None:
    def name(charset: bytes) -> dict[str, Any]:
        found = scanned(b.element(0x00080005, "CS", charset), b.element(0x00100010, "PN", "Grün".encode()))
        first: dict[str, Any] = found["00100010"]["Value"][0]
        return first

    assert name(b"ISO_IR 192") == {"Alphabetic": "Grün"}
    assert name(b"ISO_IR 100") == {"Alphabetic": "GrÃ¼n"}
    assert name(b"ISO_IR 192") == {"Alphabetic": "Grün"}


def test_an_item_may_declare_its_own_character_set() -> None:
    text = b.element(0x00080104, "LO", "Grün".encode())
    item = b.item(b.element(0x00080005, "CS", b"ISO_IR 192") + text)
    found = scanned(b.element(0x00080005, "CS", b"ISO_IR 100"), b.element(0x00081032, "SQ", item + b.item(text)))
    meanings = [entry["00080104"]["Value"][0] for entry in found["00081032"]["Value"]]
    assert meanings == ["Grün", "GrÃ¼n"]


def test_a_strange_vr_is_left_to_the_second_reader() -> None:
    implicit_item = b.item(b.implicit(0x00080100, b"AB"))
    found = scanned(b.element(0x00081032, "SQ", implicit_item), b.element(0x00282000, "OB", bytes(2000)))
    assert found["00081032"]["Value"] == [{"00080100": {"vr": "SH", "Value": ["AB"]}}]
    assert found["00282000"]["BulkDataURI"].endswith("-2000")
    assert scanned(b.element(0x00090001, "ZZ", b"ab"))["00090001"] == {"vr": "UN", "InlineBinary": "YWI="}


def test_both_readers_give_the_same_references_into_the_file() -> None:
    bulk = b.element(0x54001010, "OW", bytes(range(256)) * 8)
    nested = b.element(0x54000100, "SQ", b.item(bulk))
    odd = b.element(0x00090001, "ZZ", b"ab")
    for file in (b.part10(nested), b.part10(nested, odd)):
        uri = parsed(scan(file))["54000100"]["Value"][0]["54001010"]["BulkDataURI"]
        offset, length = map(int, uri.removeprefix("range:").split("-"))
        assert file[offset : offset + length] == bytes(range(256)) * 8


def test_zero_bytes_after_the_last_element_are_padding() -> None:
    for count in (1, 7, 8, 300):
        header = scan(b.part10() + bytes(count))
        assert header.header_end == len(b.part10())


def test_a_header_longer_than_a_window_is_read_in_pieces(tmp_path: Path) -> None:
    items = b"".join(b.item(b.element(0x00081155, "UI", f"1.2.{n}".encode()), delimited=True) for n in range(20_000))
    sequence = b.element(0x00081140, "SQ", items + b.SEQUENCE_END, length=b.UNDEFINED)
    document = b.element(0x00420011, "OB", bytes(3_000_000))
    file = b.part10(sequence, document, b.element(0x00420012, "LO", b"application/pdf"))
    path = tmp_path / "large"
    path.write_bytes(file)
    assert read_header(path) == scan(file)
    assert len(parsed(scan(file))["00081140"]["Value"]) == 20_000


def test_reading_a_header_leaves_the_pixels_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ct"
    path.write_bytes(make_ct())
    read = os.pread
    seen: list[int] = []

    def counted(descriptor: int, count: int, offset: int) -> bytes:
        seen.append(count)
        return read(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", counted)
    read_header(path)
    assert sum(seen) <= 256 * 1024


def test_our_json_loads_into_pydicom() -> None:
    ct = make_small()
    ours = pydicom.Dataset.from_json(scan(ct).dicom_json.decode())
    theirs = pydicom.dcmread(io.BytesIO(ct), stop_before_pixels=True)
    del ours.AvailableTransferSyntaxUID
    assert ours == theirs


def test_a_file_reads_the_same_whatever_was_read_before_it() -> None:
    rng = random.Random(7)
    names = ("PatientName", "StudyDescription", "SeriesDescription", "KVP", "StationName", "ProtocolName", "PatientAge")
    files = [
        make_small(
            sop_uid=f"1.2.3.{number}", **{name: f"{rng.randrange(3)}" for name in rng.sample(names, rng.randrange(6))}
        )
        for number in range(200)
    ]
    # Cut off behind an element that a run has, or with pixels in the midst of one.
    files += [files[0][:at] for at in range(1500, 2500, 7)]
    warm = [_outcome(file) for file in files]
    for file, expected in zip(files, warm, strict=True):
        context.cache_clear()
        assert _outcome(file) == expected


def _outcome(file: bytes) -> object:
    try:
        return scan(file)
    except DianaError as error:
        return error.reason, dict(error.metadata)


@pytest.mark.filterwarnings("ignore")
def test_the_second_reader_keeps_empty_elements_what_they_are_and_takes_the_last_of_two() -> None:
    odd, empty = b.element(0x00090001, "ZZ", b"ab"), b.element(0x00080050, "SH", b"")
    file = b.part10(odd, empty) + b.element(0x00080018, "UI", b"9.9")
    header = scan(file)
    assert parsed(header)["00080050"] == {"vr": "SH"}
    assert header.sop_instance_uid == "9.9"
