"""Cleaned pixels in a new object: their value, what describes them, and what the object says of it."""

from __future__ import annotations

import struct

import pytest

from diana_anon.core.pixels.model import CleanedPixels, PixelValue
from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Profile
from tests.support.dicom_files import make_small
from tests.unit.anon.engine_files import profile, read, under
from tests.unit.common.builder import BIG, EXPLICIT, JPEG, SEQUENCE_END, element, meta, part10

CLEAN: Profile = profile(Option.CLEAN_PIXEL_DATA)
J2K = "1.2.840.10008.1.2.4.90"


def test_untouched_pixels_that_were_looked_at_are_declared_clean() -> None:
    old, new = read(make_small()), read(under(make_small(), CLEAN, pixels=CleanedPixels(EXPLICIT)))
    assert new.BurnedInAnnotation == "NO" and new.PixelData == old.PixelData
    assert [code.CodeValue for code in new.DeidentificationMethodCodeSequence] == ["113100", "113101"]
    assert "Clean Pixel Data Option" in new.DeidentificationMethod


@pytest.mark.parametrize("length", [4, 5])
def test_native_pixels_are_replaced_without_being_copied(length: int) -> None:
    value = PixelValue([b"\1\2", memoryview(b"\3\4\5"[: length - 2])], encapsulated=False, vr=b"OB")
    new = read(under(make_small(), CLEAN, pixels=CleanedPixels(EXPLICIT, value)))
    assert new.PixelData == b"\1\2\3\4\5"[:length].ljust(length + length % 2, b"\0")


def test_encapsulated_pixels_bring_their_transfer_syntax_and_attributes() -> None:
    fragments = [struct.pack("<HHI", 0xFFFE, 0xE000, 0), struct.pack("<HHI", 0xFFFE, 0xE000, 4), b"JPEG", SEQUENCE_END]
    pixels = CleanedPixels(
        J2K,
        PixelValue(fragments, encapsulated=True, vr=b"OB"),
        attributes={0x00280004: b"RGB", 0x00280006: struct.pack("<H", 1)},
        removed=frozenset({0x00282110}),
    )
    source = meta(JPEG) + part10(element(0x00282110, "CS", b"01"))[len(meta()) :]
    new = read(under(source, CLEAN, pixels=pixels))
    assert new.file_meta.TransferSyntaxUID == J2K
    assert new.PhotometricInterpretation == "RGB" and new.PlanarConfiguration == 1
    assert "LossyImageCompression" not in new
    assert new.PixelData.endswith(b"JPEG" + SEQUENCE_END) or b"JPEG" in new.PixelData


def test_numbers_are_written_in_the_byte_order_of_the_data_set() -> None:
    elements = [(0x00080016, b"1.2.840.10008.5.1.4.1.1.7"), (0x00080018, b"1.2.3.4"), (0x0020000D, b"1.2.3")]
    body = b"".join(element(tag, "UI", uid, order=">") for tag, uid in [*elements, (0x0020000E, b"1.2.3.5")])
    pixels = CleanedPixels(
        BIG, PixelValue([b"\0\1"], encapsulated=False, vr=b"OW"), attributes={0x00280010: struct.pack("<H", 513)}
    )
    assert read(under(meta(BIG) + body, CLEAN, pixels=pixels)).Rows == 513
