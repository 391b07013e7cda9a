"""What the scan of chosen tags says of every encoding, and that what it remembers never changes an answer."""

from __future__ import annotations

import io
import mmap
import random
import struct
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydicom
import pydicom.data
import pytest

from diana_common.errors import DianaError, Reason
from diana_common.header import TagScan
from diana_common.tags import parse_tag
from tests.support.dicom_files import make_ct, make_small
from tests.unit.common import builder as b
from tests.unit.common.test_charset import NAMES

DATA = Path(pydicom.data.__file__).parent
STUDY, NAME, ID, SYNTAX = 0x0020000D, 0x00100010, 0x00100020, 0x00020010


def picked(tag: int, *elements: bytes, syntax: str = b.EXPLICIT) -> str | None:
    return TagScan([tag]).scan(b.part10(*elements, syntax=syntax))[0]


def test_values_come_in_the_order_asked_file_meta_among_them() -> None:
    keywords = ["StudyInstanceUID", "TransferSyntaxUID", "PatientName", "ImageType", "Rows", "StudyInstanceUID"]
    values = TagScan(map(parse_tag, keywords)).scan(make_small(study_uid="1.2.3"))
    assert values == ("1.2.3", b.EXPLICIT, "Phantom^Petra", "ORIGINAL\\PRIMARY\\AXIAL", "64", "1.2.3")


def test_a_path_a_buffer_and_a_member_of_a_zip_file_give_the_same(tmp_path: Path) -> None:
    file = make_ct(ImageComments="x" * 9000)
    path = tmp_path / "a.dcm"
    path.write_bytes(file)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "a.dcm")
    scan = TagScan([SYNTAX, ID, 0x00204000, 0x00280010])
    values = scan.read(path)
    assert values == (b.EXPLICIT, "PHANTOM01", "x" * 9000, "512")
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert scan.scan(mapped) == scan.scan(file) == scan.scan(memoryview(bytearray(file))) == values
    with zipfile.ZipFile(tmp_path / "a.zip") as archive, archive.open("a.dcm") as member:
        assert scan.read_file(member, len(file)) == values


def test_one_image_in_three_encodings_gives_one_row() -> None:
    names = ["MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm"]
    paths = [DATA / "test_files" / name for name in names]
    scan = TagScan(e.tag for e in pydicom.dcmread(paths[0]) if e.tag < 0x7FE00000 and not e.tag.is_private)
    plain, implicit, big = map(scan.read, paths)
    assert plain == implicit == big
    assert sum(value is not None for value in plain) > 60


def test_a_deflated_data_set_is_inflated() -> None:
    deflater = zlib.compressobj(wbits=-15)
    content = b.data_set(b.element(ID, "LO", b"P1"), b.element(0x7FE00010, "OW", bytes(100_000)))
    file = b.meta(b.DEFLATED) + deflater.compress(content) + deflater.flush()
    assert TagScan([ID, STUDY, SYNTAX]).scan(file) == ("P1", "1.2.3", b.DEFLATED)


def test_absent_is_none_and_empty_is_empty() -> None:
    elements = b.element(ID, "LO", b"  "), b.element(0x00080008, "CS", b"\\ \\")
    assert TagScan([ID, 0x00080008, NAME]).scan(b.part10(*elements)) == ("", "", None)


@pytest.mark.parametrize(
    ("vr", "value", "text"),
    [
        ("CS", b"A\\\\ B ", "A\\\\ B"),
        ("LO", b"a\0b\0\0", "a\ufffdb"),
        ("LT", b" a\\b ", " a\\b"),
        ("PN", b"Doe^Jane=\\=B= ", "Doe^Jane\\=B"),
        ("IS", b"+007 \\12A", "+007\\12A"),
        ("DS", b"-1.50\\ 7 ", "-1.50\\7"),
        ("AT", b"\x18\x00\x63\x10", "00181063"),
        ("SS", struct.pack("<2h", -1, 2), "-1\\2"),
        ("FD", struct.pack("<2d", 0.5, float("nan")), "0.5\\nan"),
        ("US", b"abc", None),
        ("OB", b"ab", None),
        ("UN", b"ab", "ab"),
    ],
)
def test_the_text_of_each_kind_of_value(vr: str, value: bytes, text: str | None) -> None:
    length = len(value) if len(value) % 2 and vr == "US" else None
    assert picked(ID, b.element(ID, vr, value, length=length)) == text


@pytest.mark.parametrize(("declared", "data", "text"), NAMES)
def test_names_in_each_character_set(declared: bytes, data: bytes, text: str) -> None:
    charset, name = b.element(0x00080005, "CS", declared), b.element(NAME, "PN", data)
    assert picked(NAME, charset, name) == text.rstrip("=")


def test_a_tag_inside_a_sequence_is_not_taken_for_one_outside() -> None:
    inner = b.element(ID, "LO", b"inner")
    nested = b.element(0x00081140, "SQ", b.item(inner, True) * 2 + b.item(inner) + b.SEQUENCE_END, b.UNDEFINED)
    deeper = b.element(0x00081199, "SQ", b.item(nested, True) + b.SEQUENCE_END, length=b.UNDEFINED)
    icon = b.element(0x00091001, "OB", b.item(b"") + b.item(b"jpeg") + b.SEQUENCE_END, length=b.UNDEFINED)
    hidden = b.element(0x00091002, "UN", b.item(b.implicit(ID, b"in")) + b.SEQUENCE_END, length=b.UNDEFINED)
    keeping = b.element(0x00091003, "UN", b.item(inner) + b.SEQUENCE_END, length=b.UNDEFINED)
    elements = nested, deeper, icon, hidden, keeping
    assert picked(ID, *elements, b.element(ID, "LO", b"outer")) == "outer"
    assert picked(ID, *elements) is None
    assert picked(0x00081199, *elements) is None


def test_a_private_element_without_vr_is_read_by_its_creator() -> None:
    def file(creator: bytes) -> bytes:
        private = b.element(0x00090010, "LO", creator) + b.element(0x00091002, "UN", b"CT01")
        return b.part10(private)

    scan = TagScan([0x00091002])
    found = [scan.scan(file(creator)) for creator in (b"GEMS_IDEN_01", b"NOBODY KNOWS", b"GEMS_IDEN_01")]
    assert found == [("CT01",), (None,), ("CT01",)]


def test_pixel_representation_decides_us_or_ss() -> None:
    def file(representation: int) -> bytes:
        uids = b"".join(b.implicit(tag, uid + b"\0" * (len(uid) % 2)) for tag, uid in b.UIDS.items())
        pixels = b.implicit(0x00280103, struct.pack("<H", representation)) + b.implicit(0x00280106, b"\xff\xff")
        return b.meta(b.IMPLICIT) + uids + pixels

    scan = TagScan([0x00280106])
    assert [scan.scan(file(n)) for n in (0, 1, 0)] == [("65535",), ("-1",), ("65535",)]


def test_what_lies_behind_the_wanted_tags_is_not_looked_at() -> None:
    file = b.part10(b.element(ID, "LO", b"P1"), b.element(0x00204000, "LT", b"abc", length=400))
    assert TagScan([ID]).scan(file) == ("P1",)
    with pytest.raises(DianaError) as caught:
        TagScan([0x00204000]).scan(file)
    assert caught.value.reason is Reason.DATA_SET_TRUNCATED


def test_pixels_and_large_values_are_not_read() -> None:
    class Counting(io.BytesIO):
        total = 0

        def read(self, size: int | None = -1, /) -> bytes:
            piece = super().read(size)
            self.total += len(piece)
            return piece

    plain = Counting(make_ct())
    assert TagScan([ID]).read_file(plain, 527_060) == ("PHANTOM01",)
    assert plain.total == 8192
    large = b.part10(b.element(0x00091001, "OB", bytes(50_000_000)), b.element(ID, "LO", b"P1"))
    passing = Counting(large)
    assert TagScan([ID]).read_file(passing, len(large)) == ("P1",)
    assert passing.total < 100_000


def test_wanted_elements_out_of_order_are_found_and_the_last_of_two_counts() -> None:
    name, first, last = b.element(NAME, "PN", b"A^B"), b.element(ID, "LO", b"P1"), b.element(ID, "LO", b"P2")
    file = b.meta() + b.element(0x00080018, "UI", b"1.2") + first + name + last
    assert TagScan([NAME, ID]).scan(file) == ("A^B", "P2")


@pytest.mark.filterwarnings("ignore")
def test_what_only_the_second_reader_understands_gives_the_same_text() -> None:
    odd = b.element(0x00090001, "ZZ", b"ab")
    elements = [
        b.element(0x00080005, "CS", b"ISO_IR 192"),
        b.element(NAME, "PN", "Grün^Änne".encode()),
        b.element(0x00080050, "SH", b""),
        b.element(0x00080060, "UN", b"CT"),
    ]
    scan = TagScan([SYNTAX, NAME, 0x00080050, 0x00080060, STUDY, ID])
    assert scan.scan(b.part10(*elements, odd)) == scan.scan(b.part10(*elements))


@pytest.mark.parametrize("tag", [0x00000002, 0x7FE00010, 0xFFFEE000])
def test_tags_that_are_in_no_header_are_refused(tag: int) -> None:
    with pytest.raises(DianaError) as caught:
        TagScan([ID, tag])
    assert caught.value.reason is Reason.INVALID_FIELD


def test_without_tags_of_the_data_set_only_file_meta_is_read() -> None:
    assert TagScan([SYNTAX, 0x00020001, 0x00020012]).scan(b.meta()) == (b.EXPLICIT, None, None)
    assert TagScan([]).scan(b.meta()) == ()


def test_files_that_differ_in_anything_are_read_as_if_each_were_the_first() -> None:
    dice = random.Random(7)
    tags = [SYNTAX, 0x00080008, 0x00080018, 0x00080050, 0x00081030, NAME, ID, 0x00101010, STUDY, 0x00200013]
    scan = TagScan(tags)
    for _ in range(300):
        file = _some_file(dice)
        assert scan.scan(file) == TagScan(tags).scan(file)


def _some_file(dice: random.Random) -> bytes:
    """One of few variants of each element, or none of it: most stretches were met before, in another surrounding."""
    charsets = [b"ISO_IR 192", b"ISO_IR 100", b"\\ISO 2022 IR 87"]
    variants = [
        [b.element(0x00080005, "CS", charset) for charset in charsets],
        [b.element(0x00080008, "CS", kind) for kind in (b"", b"ORIGINAL")],
        [b.element(0x00080050, "SH", number) for number in (b"", b"A1", b"A234")],
        [b.element(0x00080060, "CS", b"CT")],
        [b.element(0x00081030, "LO", "Schädel".encode())],
        [b.element(0x00090010, "LO", b"MAKER") + b.element(0x00091001, "OB", bytes(size)) for size in (2, 4)],
        [b.element(NAME, "PN", name) for name in ("Grün^A".encode(), b"A^B", b"A^B=\x1b$B;3ED\x1b(B")],
        [b.element(ID, "LO", b"P1"), b.element(ID, "LO", b"P2")],
        [b.element(0x00101010, "AS", b"041Y")],
        [b.element(0x00102180, "SH", b"work")],
        [b.element(0x00200013, "IS", str(number).encode()) for number in (1, 2, 10)],
    ]
    chosen = [dice.choice(variant) for variant in variants if dice.random() < 0.7]
    return b.part10(*chosen)


def test_threads_may_share_a_scan() -> None:
    dice = random.Random(8)
    tags = [SYNTAX, 0x00080005, 0x00080050, NAME, ID, STUDY, 0x00200013]
    files = [_some_file(dice) for _ in range(400)]
    shared = TagScan(tags)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(shared.scan, files)) == [TagScan(tags).scan(file) for file in files]
