"""Images of instances: what a viewer would show, bounded, and typed where there is nothing to show."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, SecondaryCaptureImageStorage, generate_uid

from diana_common.errors import DianaError
from diana_endpoints.decoding import Frames
from diana_endpoints.decoding_worker import Worker
from diana_endpoints.items import BytesContent, FileContent, Item
from diana_endpoints.rendering import frame_count, pngs_of

Array = np.ndarray[Any, Any]


def _bundled(name: str) -> Item:
    path = Path(str(get_testdata_file(name)))
    return Item(content=FileContent(path, path.stat().st_size))


def _png_of(item: Item, frame: int = 0, window: str = "") -> bytes:
    return next(pngs_of(item, [frame], window))


def _pixels(png: bytes) -> Array:
    return np.asarray(Image.open(io.BytesIO(png)))


def _made(values: Array, change: Callable[[Dataset], None] | None = None, syntax: UID = ExplicitVRLittleEndian) -> Item:
    """A grey image of a list of rows; `change` sets what else its header says."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.Rows, ds.Columns = values.shape[-2:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = values.dtype.itemsize * 8
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(values.dtype.kind == "i")
    ds.PixelData = values.tobytes()
    if change:
        change(ds)
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return Item(content=BytesContent(out.getvalue()))


def _ramp() -> Array:
    return np.array([[0, 10, 20, 30, 40]], np.uint16)


def test_a_colour_image_is_shown_as_it_is() -> None:
    for name in ("SC_rgb_rle.dcm", "SC_rgb_small_odd_big_endian.dcm", "examples_rgb_color.dcm"):
        assert np.array_equal(_pixels(_png_of(_bundled(name))), dcmread(str(get_testdata_file(name))).pixel_array)


def test_luminance_and_palettes_become_rgb() -> None:
    for name in ("examples_ybr_color.dcm", "examples_palette.dcm", "SC_ybr_full_422_uncompressed.dcm"):
        shown = _pixels(_png_of(_bundled(name)))
        assert shown.ndim == 3
        assert shown.dtype == np.uint8
        assert shown.max() > 150


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"])
def test_an_image_looks_the_same_however_it_is_compressed(name: str) -> None:
    assert _png_of(_bundled(name)) == _png_of(_bundled("MR_small.dcm"))


def test_every_frame_is_shown_in_order_and_one_alone_is_the_same() -> None:
    item = _bundled("rtdose_rle.dcm")
    pngs = list(pngs_of(item))
    assert len(pngs) == frame_count(item) == 15
    assert [_png_of(item, 7), _png_of(item, 2)] == [pngs[7], pngs[2]]
    assert list(pngs_of(item, [9, 3])) == [pngs[9], pngs[3]]
    assert len(set(pngs)) > 1


def test_the_headers_window_goes_from_black_to_white_as_the_standard_says() -> None:
    def window(ds: Dataset) -> None:
        ds.WindowCenter, ds.WindowWidth = [20.5, 1], [21, 1]

    assert _pixels(_png_of(_made(_ramp(), window))).tolist() == [[0, 0, 128, 255, 255]]


def test_values_are_rescaled_before_a_window_that_is_asked_for() -> None:
    def rescaled(ds: Dataset) -> None:
        ds.RescaleSlope, ds.RescaleIntercept = 2, -1000
        ds.WindowCenter, ds.WindowWidth = 0, 1

    item = _made(_ramp(), rescaled)
    assert _pixels(_png_of(item, window="-959.5/81")).tolist() == [[0, 64, 128, 191, 255]]
    assert _pixels(_png_of(item, window="full")).tolist() == [[0, 64, 128, 191, 255]]
    assert _pixels(_png_of(item, window="bone")).tolist() == [[0, 0, 0, 0, 0]]


def test_without_a_window_all_values_are_shown_but_for_padding() -> None:
    def padded(ds: Dataset) -> None:
        ds.PixelPaddingValue = 0

    assert _pixels(_png_of(_made(_ramp()))).tolist() == [[0, 64, 128, 191, 255]]
    assert _pixels(_png_of(_made(_ramp(), padded))).tolist() == [[0, 0, 85, 170, 255]]


def test_eight_bits_without_a_window_are_not_stretched_and_a_blank_frame_is_black() -> None:
    assert _pixels(_png_of(_made(np.array([[5, 9]], np.uint8)))).tolist() == [[5, 9]]
    assert _pixels(_png_of(_made(np.array([[7, 7]], np.uint16)))).tolist() == [[0, 0]]


def test_monochrome1_is_inverted() -> None:
    def inverted(ds: Dataset) -> None:
        ds.PhotometricInterpretation = "MONOCHROME1"

    assert _pixels(_png_of(_made(_ramp(), inverted))).tolist() == [[255, 191, 127, 64, 0]]


def test_lookup_tables_are_followed_and_hold_at_their_ends() -> None:
    def tables(ds: Dataset) -> None:
        modality, voi = Dataset(), Dataset()
        modality.LUTDescriptor, modality.ModalityLUTType = [3, 10, 16], "US"
        modality.LUTData = np.array([0, 1, 2], np.uint16).tobytes()
        voi.LUTDescriptor, voi.LUTData = [3, 0, 8], bytes([0, 51, 255, 0])
        ds.ModalityLUTSequence, ds.VOILUTSequence = [modality], [voi]

    item = _made(np.array([[0, 10, 11, 12, 900]], np.uint16), tables)
    assert _pixels(_png_of(item)).tolist() == [[0, 0, 51, 255, 255]]


def test_a_sigmoid_and_an_exact_window_follow_their_own_curves() -> None:
    def curve(name: str) -> Callable[[Dataset], None]:
        def change(ds: Dataset) -> None:
            ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = 20, 40, name

        return change

    assert _pixels(_png_of(_made(_ramp(), curve("LINEAR_EXACT")))).tolist() == [[0, 64, 128, 191, 255]]
    assert _pixels(_png_of(_made(_ramp(), curve("SIGMOID")))).tolist() == [[30, 69, 128, 186, 225]]


def test_frames_of_an_enhanced_object_have_windows_of_their_own() -> None:
    def enhanced(ds: Dataset) -> None:
        ds.NumberOfFrames = 2
        shared, first, second = Dataset(), Dataset(), Dataset()
        transformation, window = Dataset(), Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept = 1, 100
        shared.PixelValueTransformationSequence = [transformation]
        window.WindowCenter, window.WindowWidth = 120.5, 41
        second.FrameVOILUTSequence = [window]
        ds.SharedFunctionalGroupsSequence = [shared]
        ds.PerFrameFunctionalGroupsSequence = [first, second]

    first, second = pngs_of(_made(np.stack([_ramp() * 0, _ramp()]), enhanced))
    assert _pixels(first).max() == 0
    assert _pixels(second).tolist() == [[0, 64, 128, 191, 255]]


def test_what_the_header_says_wrongly_of_its_window_does_no_harm() -> None:
    def wrong(ds: Dataset) -> None:
        ds.WindowCenter, ds.WindowWidth = 20, 0

    assert _pixels(_png_of(_made(_ramp(), wrong))).tolist() == [[0, 64, 128, 191, 255]]


@pytest.mark.parametrize("name", ["reportsi.dcm", "rtplan.dcm", "waveform_ecg.dcm", "MR_truncated.dcm"])
def test_an_object_without_whole_pixels_says_so(name: str) -> None:
    with pytest.raises(DianaError, match="makes no image") as refused:
        _png_of(_bundled(name))
    assert refused.value.reason.name == "NOT_AN_IMAGE"


def test_a_window_or_frame_that_is_none_is_refused_by_name() -> None:
    for window in ("brian", "40", "40/0", "nan/5", "a/b"):
        with pytest.raises(DianaError, match="window: "):
            _png_of(_bundled("MR_small.dcm"), window=window)
    for frame in (1, -1):
        with pytest.raises(DianaError, match="frame: "):
            _png_of(_bundled("MR_small.dcm"), frame)
    with pytest.raises(DianaError, match="content: "):
        _png_of(Item())


def test_sizes_are_held_against_limits_before_anything_is_decoded() -> None:
    def vast(ds: Dataset) -> None:
        ds.Rows = ds.Columns = 65535

    def long(ds: Dataset) -> None:
        ds.NumberOfFrames = 2_000_000_000

    for change in (vast, long):
        with pytest.raises(DianaError, match="limits"):
            frame_count(_made(_ramp(), change))


def test_a_codestream_that_would_unpack_to_another_size_is_never_decoded() -> None:
    stream = bytearray(dcmread(str(get_testdata_file("MR_small_jp2klossless.dcm"))).PixelData)
    at = stream.index(b"\xff\x4f\xff\x51")
    stream[at + 8 : at + 16] = b"\x00\x01\x00\x00" * 2

    def bomb(ds: Dataset) -> None:
        ds.Rows = ds.Columns = 64
        ds.PixelData = encapsulate([bytes(stream[at:])])

    with pytest.raises(DianaError, match="not of the size"):
        _png_of(_made(_ramp(), bomb, JPEG2000Lossless))


def test_a_decoder_that_ends_its_process_costs_the_frame_and_no_more() -> None:
    worker = Worker()
    frame, syntax = b"\0" * 64, "1.2.840.10008.1.2.5"
    with pytest.raises(DianaError, match="cannot be decoded"):
        worker.decode(frame, syntax, {})
    process = worker._process
    assert process
    process.kill()
    process.wait(30)
    for _ in range(2):
        with pytest.raises(DianaError, match="cannot be decoded"):
            worker.decode(frame, syntax, {})
    assert worker._process is not process
    worker.close()
    assert _png_of(_bundled("MR_small_RLE.dcm"))


def test_content_that_cannot_be_sought_in_is_rendered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    item = _bundled("MR_small.dcm")

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    class Once:
        size = 0

        def open(self) -> BinaryIO:
            assert item.content
            with item.content.open() as stream:
                return Pipe(stream.read())

    assert _png_of(Item(content=Once())) == _png_of(item)


def test_without_the_extra_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DianaError, match=r"diana-mesh\[pixels\]") as refused:
        _png_of(_bundled("MR_small.dcm"))
    assert refused.value.reason.name == "EXTRA_MISSING"
    monkeypatch.setitem(sys.modules, "numpy", None)
    content = _bundled("MR_small.dcm").content
    assert content
    with pytest.raises(DianaError, match="numpy is not installed"):
        Frames(content)
