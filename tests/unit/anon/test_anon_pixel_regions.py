"""Known regions, the ultrasound attribute, and images that lie about themselves: what needs no worker."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rapidocr", reason="the extra diana-mesh[pixels] is not installed")

from pydicom import Dataset, dcmread

from diana_anon.core.pixels.blank import blanked, stretches
from diana_anon.core.pixels.cleaner import PixelCleaner
from diana_anon.core.pixels.codestream import stream_size
from diana_anon.core.pixels.judging import check_sizes, text_masks
from diana_anon.core.pixels.model import CleanedPixels, Finding, Mask, Region, Shape, Why
from diana_anon.core.pixels.regions import read_rules, shipped_rules
from diana_anon.core.pixels.selection import may_hold_text
from diana_anon.core.pixels.ultrasound import complement
from diana_anon.core.profile import PixelPolicy
from diana_common.errors import DianaError, Reason
from tests.unit.anon import pixel_files as files

UNREAD = PixelPolicy(read_text=False)
EVERYTHING = PixelPolicy(read_text=False, regions="rules:\n- {name: all, why: a test, when: Rows > 0, mask: all}\n")


class Refusing(files.FakeReader):
    """An engine that must not be asked to decode or encode."""

    def decode(self, frame: bytes | memoryview, transfer_syntax_uid: str, shape: Shape) -> tuple[bytes, Shape]:
        raise AssertionError("decoded")

    def encode(self, samples: bytes, transfer_syntax_uid: str, shape: Shape) -> bytes:
        raise AssertionError("encoded")


def clean(data: bytes, policy: PixelPolicy = EVERYTHING) -> CleanedPixels | None:
    return PixelCleaner(Refusing(), files.Memory()).clean(data, files.header_of(data), policy)


def refused(data: bytes, policy: PixelPolicy = EVERYTHING) -> Reason:
    with pytest.raises(DianaError) as error:
        clean(data, policy)
    return error.value.reason


def changed(data: bytes, **attributes: Any) -> bytes:
    ds = dcmread(io.BytesIO(data))
    for name, value in attributes.items():
        setattr(ds, name, value)
    return files.written(ds, ds.file_meta.TransferSyntaxUID)


def ultrasound(*edges: tuple[int, int, int, int]) -> bytes:
    items = []
    for left, top, right, bottom in edges:
        item = Dataset()
        item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
        item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
        items.append(item)
    return files.file_of(
        files.noise(2, 40, 48, 3),
        SOPClassUID=files.ULTRASOUND,
        Modality="US",
        SequenceOfUltrasoundRegions=items,
    )


def test_what_lies_outside_the_ultrasound_regions_is_blank() -> None:
    data = ultrasound((4, 10, 20, 39), (30, 12, 47, 30))
    made = clean(data, UNREAD)
    assert made and {mask.why for mask in made.masks} == {Why.OUTSIDE_ULTRASOUND_REGIONS}
    before, after = files.decoded(dcmread(io.BytesIO(data))), files.decoded(files.result(data, made))
    kept = np.zeros((40, 48), bool)
    kept[10:40, 4:21] = kept[12:31, 30:48] = True
    assert (after[:, kept] == before[:, kept]).all()
    assert not after[:, ~kept].any()


@pytest.mark.parametrize("edges", [(0, 0, 48, 39), (20, 10, 10, 20), (0, 0, 0xFFFFFFFF, 5)])
def test_ultrasound_regions_that_do_not_fit_the_image_are_not_believed(edges: tuple[int, int, int, int]) -> None:
    assert clean(ultrasound(edges), UNREAD) == CleanedPixels(files.EXPLICIT)


def test_rectangles_and_what_they_leave_cover_each_pixel_once() -> None:
    regions = [Region(3, 2, 9, 7), Region(5, 4, 14, 11), Region(0, 11, 2, 12), Region(3, 2, 4, 3)]
    count = np.zeros((13, 16), int)
    for region in complement(regions, 16, 13):
        count[region.top : region.bottom, region.left : region.right] += 1
    inside = np.zeros((13, 16), bool)
    for region in regions:
        inside[region.top : region.bottom, region.left : region.right] = True
    assert (count == ~inside).all()


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize("planes", [False, True])
def test_blanking_touches_the_region_only(photometric: str, planes: bool) -> None:
    samples = 1 if photometric.startswith("MONO") else 3
    planes = planes and photometric in ("RGB", "YBR_FULL")
    shape = Shape(8, 10, samples, 8, 8, False, photometric, planes)
    frame = bytes(np.random.default_rng(3).integers(1, 128, shape.frame_bytes, np.uint8))
    regions = [Region(2, 1, 6, 4), Region(4, 3, 10, 5), Region(0, 7, 10, 8), Region(-4, 60, 3, 70)]
    after = b"".join(blanked(memoryview(frame), stretches(shape, regions)))
    assert len(after) == len(frame)
    differing = sum(one != other for one, other in zip(frame, after))
    pixels = 12 + 12 + 10 - 2
    assert differing == pixels * (2 if photometric == "YBR_FULL_422" else samples)
    assert b"".join(blanked(memoryview(frame), [])) == frame


def test_faults_of_rules_are_named_by_line() -> None:
    text = (
        b"rules:\n"
        b"- name: one\n  why: a test\n  when: NoSuch = 1\n  mask: [[0, 0, 5, 5]]\n"
        b"- name: two\n  why: a test\n  when: Rows > 1\n  mask: [[9, 0, 5, 5], [0, 0, 1]]\n  colour: red\n"
    )
    with pytest.raises(DianaError) as error:
        read_rules(text)
    assert error.value.reason is Reason.PROFILE_INVALID
    assert [one.field for one in error.value.fields] == [
        "line 4: rules[0].when",
        "line 9: rules[1].mask[0]",
        "line 9: rules[1].mask[1]",
        "line 10: rules[1].colour",
    ]


def test_the_rules_that_come_with_the_service_are_sound() -> None:
    assert {rule.name for rule in shipped_rules().rules} == {"ge-ct-dose-report", "slide-label"}


def test_a_dose_screen_of_a_known_device_loses_its_head() -> None:
    data = files.file_of(
        files.noise(1, 512, 512),
        Modality="CT",
        Manufacturer="GE MEDICAL SYSTEMS",
        SeriesDescription="Dose Report",
    )
    made = clean(data, UNREAD)
    assert made and made.masks == (Mask(Region(0, 0, 512, 110), Why.KNOWN_REGION, rule="ge-ct-dose-report"),)
    assert made.statement()["masks"] == [
        {"region": [0, 0, 512, 110], "why": "known-region", "confidence": 1.0, "rule": "ge-ct-dose-report"}
    ]


@pytest.mark.parametrize(
    ("attributes", "read"),
    [
        ({}, False),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, True),
        ({"ImageType": None}, True),
        ({"BurnedInAnnotation": "YES"}, True),
        ({"BitsStored": 8}, True),
        ({"PhotometricInterpretation": "RGB"}, True),
        ({"SOPClassUID": files.SECONDARY_CAPTURE}, True),
        ({"SOPClassUID": files.SECONDARY_CAPTURE, "BurnedInAnnotation": "NO"}, True),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}, False),
    ],
)
def test_slices_as_the_scanner_made_them_are_not_searched_for_text(attributes: dict[str, Any], read: bool) -> None:
    slice_of_ct = {"SOPClassUID": files.CT, "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "BitsStored": 12}
    data = files.file_of(files.noise(1, 8, 8, bits=12), **{**slice_of_ct, **attributes})
    assert may_hold_text(files.header_of(data)) is read


@pytest.mark.parametrize(
    "attributes",
    [
        {"Rows": 65535, "Columns": 65535},
        {"Rows": 65535, "Columns": 65535, "SamplesPerPixel": 3, "BitsAllocated": 32, "BitsStored": 32},
        {"NumberOfFrames": 2147483647},
        {"NumberOfFrames": -1},
        {"Rows": 0},
        {"Columns": None},
        {"SamplesPerPixel": 4},
        {"BitsAllocated": 1, "BitsStored": 1},
        {"BitsStored": 9},
        {"Rows": 41},
    ],
)
@pytest.mark.parametrize("syntax", [files.EXPLICIT, files.RLE, files.JPEG_LS])
def test_headers_that_no_frame_can_be_decoded_by_are_refused_before_anything_is_allocated(
    syntax: str, attributes: dict[str, Any]
) -> None:
    if syntax == files.RLE and attributes.get("Rows") == 41:
        pytest.skip("a run length does not say how many rows there are")
    data = changed(files.file_of(files.noise(1, 40, 48), syntax), **attributes)
    reads = PixelPolicy(regions='rules:\n- {name: all, why: a test, when: Modality = "OT", mask: all}\n')
    assert refused(data, reads) is Reason.PIXELS_UNREADABLE


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_fragments_that_do_not_add_up_to_the_frames_are_refused(frames: int) -> None:
    data = files.with_offsets(files.file_of(files.noise(3, 40, 48), files.JPEG_LS), "none")
    assert refused(changed(data, NumberOfFrames=frames)) is Reason.PIXELS_UNREADABLE


@pytest.mark.parametrize(
    ("actual", "said"),
    [(files.RLE, files.EXPLICIT), (files.EXPLICIT, files.RLE), (files.EXPLICIT, "1.2.840.10008.1.2.9")],
)
def test_pixels_that_are_not_encoded_as_their_syntax_says_are_refused(actual: str, said: str) -> None:
    data = files.file_of(files.noise(1, 40, 48), actual)
    assert refused(data.replace(actual.encode() + b"\0", said.encode() + b"\0")) is Reason.PIXELS_UNREADABLE


def test_what_follows_the_last_frame_goes() -> None:
    ds = dcmread(io.BytesIO(files.file_of(files.noise(1, 8, 8), Modality="XA")))
    ds.PixelData += b"DOE^JANE"
    made = clean(files.written(ds, files.EXPLICIT), PixelPolicy())
    assert made and made.value and not made.masks
    assert b"".join(made.value.pieces) == ds.PixelData[:64]


def test_an_object_without_pixels_is_none_of_ours() -> None:
    ds = dcmread(io.BytesIO(files.file_of(files.noise(1, 8, 8))))
    del ds.PixelData
    assert clean(files.written(ds, files.EXPLICIT)) is None


def test_text_in_doubt_holds_an_image_back_and_single_letters_do_not() -> None:
    marker = Finding(0, Region(5, 5, 20, 25), 0.2, 1)
    name = Finding(0, Region(5, 5, 90, 25), 0.9, 8)
    assert [mask.region for mask in text_masks([marker, name], 0.5)] == [Region(0, 0, 96, 28)]
    smear = Finding(0, Region(5, 5, 90, 25), 0.2, 1)
    with pytest.raises(DianaError) as held:
        text_masks([name, smear], 0.5)
    assert held.value.reason is Reason.INSTANCE_QUARANTINED
    assert held.value.metadata["detail"] == "frame 1: columns 5-89, rows 5-24: confidence 0.20"


def test_the_outline_of_a_blank_is_no_text() -> None:
    class Outlined(Refusing):
        def read(self, samples: bytes | memoryview, shape: object, window: object) -> list[Finding]:
            text = Finding(0, Region(40, 20, 80, 36), 0.9, 4)
            return [replace(text, confidence=0.1, region=Region(32, 15, 88, 41))] if self.seen else [self.note(text)]

        def note(self, text: Finding) -> Finding:
            self.seen.append(b"")
            return text

    data = files.file_of(files.noise(1, 120, 200))
    made = PixelCleaner(Outlined(), files.Memory()).clean(data, files.header_of(data), PixelPolicy())
    assert made and [mask.region for mask in made.masks] == [Region(36, 16, 84, 40)]


def test_text_without_end_holds_an_image_back() -> None:
    class Ghost(Refusing):
        place = 0

        def read(self, samples: object, shape: object, window: object) -> list[Finding]:
            self.place += 40
            return [Finding(0, Region(self.place, 1, self.place + 20, 9), 0.9, 4)]

    data = files.file_of(files.noise(1, 16, 200))
    with pytest.raises(DianaError) as held:
        PixelCleaner(Ghost(), files.Memory()).clean(data, files.header_of(data), PixelPolicy())
    assert held.value.reason is Reason.INSTANCE_QUARANTINED


@pytest.mark.parametrize("syntax", [files.JPEG, files.JPEG_LS, files.JPEG_2000])
def test_a_stream_tells_its_size_and_any_part_of_it_tells_that_or_nothing(syntax: str) -> None:
    (stream,) = files.frames_of(files.file_of(files.noise(1, 40, 48), syntax))
    assert stream_size(stream) == (40, 48)
    assert {stream_size(stream[:end]) for end in range(200)} <= {(40, 48), None}


def test_offsets_that_point_nowhere_are_not_followed() -> None:
    data = files.file_of(files.noise(2, 40, 48), files.JPEG_LS)
    at = data.rindex(struct.pack("<HHI", 0xFFFE, 0xE000, 8)) + 8
    lost = data[: at + 4] + struct.pack("<I", 0x7FFFFFFE) + data[at + 8 :]
    cleaner = PixelCleaner(Refusing(), files.Memory())
    with pytest.raises(AssertionError, match="decoded"):  # one fragment a frame is beyond doubt
        cleaner.clean(lost, files.header_of(lost), EVERYTHING)


def test_what_covers_a_good_part_of_the_image_is_no_text() -> None:
    line = Finding(0, Region(0, 0, 512, 30), 0.9, 40)
    check_sizes([line], 512, 512)
    shoulder = Finding(0, Region(0, 100, 300, 400), 0.9, 3)
    with pytest.raises(DianaError) as held:
        check_sizes([line, shoulder], 512, 512)
    assert held.value.reason is Reason.INSTANCE_QUARANTINED
