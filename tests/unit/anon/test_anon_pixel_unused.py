"""Overlays in unused bits of the pixels' words go with their group 60xx; nothing else of the pixels changes."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from diana_anon.core.pixels import unused
from diana_anon.core.pixels.cleaner import PixelCleaner
from diana_anon.core.pixels.unused import holds_overlays
from diana_anon.core.planning.procedure import make_procedure
from diana_anon.core.profile import PixelPolicy, Profile
from diana_anon.core.proof.gates import Gates
from diana_anon.core.proof.quarantine import Why, Withheld
from diana_common.errors import DianaError, Reason
from tests.unit.anon import pixel_files as files
from tests.unit.anon.engine_files import profile, read, under

TWELVE: dict[str, Any] = {"BitsStored": 12, "HighBit": 11}
POLICY = PixelPolicy(read_text=False)


class _Codec(files.FakeReader):
    """Decodes nothing: these are native."""

    def decode(self, *_: object) -> Any:
        raise AssertionError

    encode = decode


CLEANER = PixelCleaner(_Codec(), files.Memory())


def overlaid(pixels: files.Pixels, syntax: str = files.EXPLICIT, bit: int = 13, **attributes: Any) -> bytes:
    """A file with an overlay in a bit of its words."""
    ds = dcmread(io.BytesIO(files.file_of(pixels, syntax, **{**TWELVE, **attributes})))
    for tag, vr, value in (
        (0x60000010, "US", 8),
        (0x60000011, "US", 8),
        (0x60000100, "US", 16),
        (0x60000102, "US", bit),
    ):
        ds.add_new(tag, vr, value)
    return files.written(ds, syntax)


def _values(signed: bool) -> files.Pixels:
    low, high = (-2048, 2048) if signed else (0, 4096)
    made = np.random.default_rng(1).integers(low, high, (2, 8, 8, 1))
    return made.astype(np.int16 if signed else np.uint16)


def _drawn_into(pixels: files.Pixels, bit: int = 13) -> files.Pixels:
    """A name in one bit of every other word."""
    flipped = pixels.view(np.uint16).copy()
    flipped[:, ::2] ^= 1 << bit
    return flipped.view(pixels.dtype)


@pytest.mark.parametrize("syntax", [files.EXPLICIT, files.IMPLICIT, files.BIG_ENDIAN, files.DEFLATED])
@pytest.mark.parametrize("signed", [False, True])
def test_an_overlay_in_unused_bits_goes_without_the_option_and_the_pixels_stay(syntax: str, signed: bool) -> None:
    pixels = _values(signed)
    data = overlaid(_drawn_into(pixels), syntax, PixelRepresentation=int(signed))
    header = files.header_of(data)
    assert holds_overlays(header)
    made = CLEANER.clear_overlays(data, header)
    assert made is not None and made.statement()["unused_bits"] == "cleared"
    after = files.decoded(files.result(data, made))
    assert (after == pixels).all()
    new = read(under(data, profile(), pixels=made))
    assert "BurnedInAnnotation" not in new and (0x6000, 0x0102) not in new and "DerivationDescription" not in new
    assert [code.CodeValue for code in new.DeidentificationMethodCodeSequence] == ["113100"]


def test_without_such_an_overlay_the_header_alone_decides() -> None:
    plain = files.file_of(_values(False), **TWELVE)
    assert not holds_overlays(files.header_of(plain))
    ds = dcmread(io.BytesIO(overlaid(_values(False))))
    ds.add_new(0x60003000, "OW", bytes(8))  # an overlay with data of its own, whatever the bit's number
    assert not holds_overlays(files.header_of(files.written(ds, files.EXPLICIT)))
    assert not holds_overlays(files.header_of(overlaid(_values(False), bit=0)))


def test_unused_bits_that_are_clear_leave_the_pixels_as_they_are() -> None:
    for signed in (False, True):
        data = overlaid(_values(signed), PixelRepresentation=int(signed))
        assert CLEANER.clear_overlays(data, files.header_of(data)) is None


def test_with_the_option_whatever_lies_in_unused_bits_of_a_searched_image_goes() -> None:
    pixels = _values(False)
    for data in (files.file_of(_drawn_into(pixels), **TWELVE), overlaid(_drawn_into(pixels), SOPClassUID=files.CT)):
        made = CLEANER.clean(data, files.header_of(data), replace(POLICY, read_text=True))
        assert made is not None and made.unused_bits_cleared and made.cleaned
        assert (files.decoded(files.result(data, made)) == pixels).all()


def test_bits_below_the_stored_ones_are_unused_too() -> None:
    pixels = _values(False) << 4
    data = overlaid(pixels | 1, bit=0, HighBit=15)
    made = CLEANER.clear_overlays(data, files.header_of(data))
    assert made is not None and made.value is not None
    assert b"".join(made.value.pieces) == pixels.tobytes()


@pytest.mark.parametrize("signed", [False, True])
def test_images_longer_than_what_is_worked_on_at_once_are_cleared_whole(signed: bool, monkeypatch: Any) -> None:
    monkeypatch.setattr(unused, "_PART", 48)
    pixels = _values(signed)
    data = overlaid(_drawn_into(pixels), PixelRepresentation=int(signed))
    made = CLEANER.clear_overlays(data, files.header_of(data))
    assert made is not None and (files.decoded(files.result(data, made)) == pixels).all()


class _Nobody:
    def released_by(self, source_sha256: str, profile_sha256: str, why: Why) -> str:
        return ""


def test_compressed_pixels_with_such_overlays_are_held_back() -> None:
    data = overlaid(_values(False), files.RLE)
    header = files.header_of(data)
    with pytest.raises(DianaError) as refused:
        CLEANER.clear_overlays(data, header)
    assert refused.value.reason is Reason.PIXELS_UNREADABLE
    with pytest.raises(Withheld) as held:
        Gates(_Nobody(), make_procedure(Profile("default"), "domain"), "00").clear_overlays(CLEANER, data, header)
    assert held.value.why is Why.PIXELS_UNREADABLE
