"""Instances in other transfer syntaxes, on files that pydicom brings along and on synthetic ones."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID

from diana_common.errors import DianaError, Reason
from diana_dimse.adapters import transcoding
from diana_dimse.adapters.converting import convert
from diana_dimse.adapters.rewriting import NotConvertible
from diana_dimse.adapters.spool import DiskSpool
from diana_dimse.adapters.transcoding import FileTranscoder
from tests.support.dicom_files import make_small
from tests.support.kept_instances import BIG, CT, EXPLICIT, IMPLICIT, stored

PIXELS = frozenset({0x7FE00010, 0x00280004, 0x00280006, 0xFFFCFFFC})
PLAIN = [EXPLICIT, IMPLICIT]


def sample(name: str) -> Path:
    path = get_testdata_file(name)
    assert isinstance(path, str)
    return Path(path)


def converted(source: Path, target: Path, syntax: str) -> Dataset:
    """What an instance is converted to, as pydicom reads it."""
    convert(source, target, syntax)
    data_set = parsed(target.read_bytes(), syntax)
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = UID(syntax)
    return data_set


def parsed(data: bytes, syntax: str) -> Dataset:
    return read_dataset(BytesIO(data), UID(syntax).is_implicit_VR, UID(syntax).is_little_endian)


def values(data_set: Dataset, besides: frozenset[int] = frozenset()) -> dict[str, object]:
    """Every public value as DICOM JSON; without VRs, of which an encoding may know less, and without pixels."""
    found = data_set.to_json_dict(suppress_invalid_tags=True)
    return {
        tag: one.get("Value")
        for tag, one in found.items()
        if one["vr"] not in ("UN", "OB", "OW") and not int(tag, 16) & 0x10000 and int(tag, 16) not in besides
    }


@pytest.mark.parametrize("syntax", PLAIN)
@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "rtplan.dcm", "test-SR.dcm", "image_dfl.dcm", "liver_1frame.dcm", "nested_priv_SQ.dcm"],
)
def test_nothing_changes_between_uncompressed_syntaxes(name: str, syntax: str, tmp_path: Path) -> None:
    source, result = dcmread(sample(name)), converted(sample(name), tmp_path / "o", syntax)
    assert values(result) == values(source)
    if "PixelData" in source:
        assert result["PixelData"].value == source["PixelData"].value


@pytest.mark.parametrize("syntax", PLAIN)
def test_big_endian_comes_out_as_what_it_was(syntax: str, tmp_path: Path) -> None:
    result = converted(sample("MR_small_bigendian.dcm"), tmp_path / "o", syntax)
    assert np.array_equal(result.pixel_array, dcmread(sample("MR_small.dcm")).pixel_array)
    assert result.ImagePositionPatient == dcmread(sample("MR_small.dcm")).ImagePositionPatient


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small.dcm", "examples_palette.dcm", "test-SR.dcm", "examples_overlay.dcm", ""]
)
def test_explicit_to_implicit_and_back_is_every_byte_again(name: str, tmp_path: Path) -> None:
    """And every VR, those that Pixel Representation decides too; of private ones what is known."""
    whole = sample(name).read_bytes() if name else make_small()
    (tmp_path / "a").write_bytes(whole)
    convert(tmp_path / "a", tmp_path / "b", IMPLICIT)
    (tmp_path / "c").write_bytes(_meta(IMPLICIT) + (tmp_path / "b").read_bytes())
    convert(tmp_path / "c", tmp_path / "d", EXPLICIT)
    back, first = parsed((tmp_path / "d").read_bytes(), EXPLICIT), dcmread(BytesIO(whole))
    assert _raw(back) == _raw(first)
    assert _vrs(back) == _vrs(first)


def test_text_stays_the_bytes_it_was_whatever_it_says_it_is(tmp_path: Path) -> None:
    """Wrong character sets, numbers that are none and dates of another time are nobody's to mend on the way."""
    data = b"".join(
        struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value
        for tag, vr, value in (
            (0x00080005, b"CS", b"ISO_IR 6 "[:8]),
            (0x00080020, b"DA", b"20260230"),
            (0x00100010, b"PN", b"M\xfcller^\xff\xfe "),
            (0x00200011, b"IS", b"one "),
            (0x00280030, b"DS", b"0,5\\a\\ "),
        )
    )
    (tmp_path / "a").write_bytes(_meta(EXPLICIT) + data)
    convert(tmp_path / "a", tmp_path / "b", IMPLICIT)
    written = (tmp_path / "b").read_bytes()
    for value in (b"20260230", b"M\xfcller^\xff\xfe ", b"one ", b"0,5\\a\\ "):
        assert value in written


@pytest.mark.parametrize("syntax", PLAIN)
@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "SC_rgb_rle_16bit_2frame.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "examples_ybr_color.dcm",
        "SC_rgb_small_odd_jpeg.dcm",
    ],
)
def test_compressed_pixels_are_what_their_decoder_makes_of_them(name: str, syntax: str, tmp_path: Path) -> None:
    source, result = dcmread(sample(name)), converted(sample(name), tmp_path / "o", syntax)
    assert np.array_equal(result.pixel_array, source.pixel_array)
    assert values(result, PIXELS) == values(source, PIXELS)
    if int(source.SamplesPerPixel) > 1:
        assert (result.PhotometricInterpretation, result.PlanarConfiguration) == ("RGB", 0)
    assert not len(result["PixelData"].value) % 2


def test_what_was_lossy_says_so_for_ever(tmp_path: Path) -> None:
    result = converted(sample("SC_rgb_jpeg_lossy_gdcm.dcm"), tmp_path / "o", EXPLICIT)
    assert result.LossyImageCompression == "01"


def test_jpeg_of_twelve_bits_is_decoded_too(tmp_path: Path) -> None:
    result = converted(sample("JPGExtended.dcm"), tmp_path / "o", EXPLICIT)
    pixels = result.pixel_array
    # What DCMTK's dcmdjpeg makes of it.
    assert (pixels.shape, int(pixels.max()), int(pixels.sum())) == ((1024, 256), 264, 3_767_007)
    assert result.LossyImageCompression == "01"


def test_a_frame_too_few_is_refused(tmp_path: Path) -> None:
    source = dcmread(sample("SC_rgb_rle_2frame.dcm"))
    source.NumberOfFrames = 3
    source.save_as(tmp_path / "a")
    with pytest.raises((NotConvertible, ValueError, RuntimeError)):
        convert(tmp_path / "a", tmp_path / "b", EXPLICIT)


def test_pixels_that_end_too_soon_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(make_small()[:-100])
    with pytest.raises(NotConvertible):
        convert(tmp_path / "a", tmp_path / "b", IMPLICIT)


def test_a_data_set_that_inflates_for_ever_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diana_dimse.adapters.converting._MOST_INFLATED_BYTES", 100_000)
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = deflater.compress(bytes(1_000_000)) + deflater.flush()
    (tmp_path / "a").write_bytes(_meta("1.2.840.10008.1.2.1.99") + bomb)
    with pytest.raises(NotConvertible):
        convert(tmp_path / "a", tmp_path / "b", IMPLICIT)


@pytest.fixture(scope="module")
def transcoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileTranscoder]:
    made = FileTranscoder(DiskSpool(tmp_path_factory.mktemp("converting")), at_once=1)
    yield made
    made.close()


def left_over(transcoder: FileTranscoder) -> list[Path]:
    return list(transcoder._spool.path("").iterdir())


def test_a_worker_converts_one_instance_after_the_other_and_leaves_nothing(transcoder: FileTranscoder) -> None:
    for _ in range(2):
        with transcoder.convert(stored("1.1"), [make_small()[:500], make_small()[500:]], IMPLICIT) as one:
            assert one.transfer_syntax == IMPLICIT
            assert parsed(b"".join(one), IMPLICIT).SOPClassUID == CT
    assert left_over(transcoder) == []


def test_what_cannot_be_converted_is_said_and_the_next_is_converted(transcoder: FileTranscoder) -> None:
    with pytest.raises(DianaError) as refused, transcoder.convert(stored("1.1"), [b"nothing"], IMPLICIT):
        pass
    assert refused.value.reason is Reason.PIXELS_UNREADABLE
    with transcoder.convert(stored("1.1"), [make_small()], BIG) as one:
        assert parsed(b"".join(one), BIG).Rows == 64
    assert left_over(transcoder) == []


@pytest.mark.parametrize("program", ["import time; time.sleep(60)", "raise SystemExit(1)"])
def test_a_worker_that_hangs_or_crashes_is_ended_and_made_anew(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcoder = FileTranscoder(DiskSpool(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(transcoding, "_COMMAND", (sys.executable, "-c", program))
        patched.setattr(transcoding, "_SECONDS", 0.1)
        with pytest.raises(DianaError) as refused, transcoder.convert(stored("1.1"), [make_small()], IMPLICIT):
            pass
    assert refused.value.reason is Reason.PIXELS_UNREADABLE
    with transcoder.convert(stored("1.1"), [make_small()], IMPLICIT) as one:
        assert len(b"".join(one)) > 8000
    transcoder.close()


def test_an_archive_that_breaks_off_is_told_of(transcoder: FileTranscoder) -> None:
    def pieces() -> Iterator[bytes]:
        yield make_small()[:500]
        raise DianaError(Reason.STORE_DAMAGED, "damaged")

    with pytest.raises(DianaError) as refused, transcoder.convert(stored("1.1"), pieces(), IMPLICIT):
        pass
    assert refused.value.reason is Reason.STORE_DAMAGED
    assert left_over(transcoder) == []


def test_what_is_too_large_is_not_begun(transcoder: FileTranscoder) -> None:
    with pytest.raises(DianaError) as refused, transcoder.convert(stored("1.1", size=1 << 40), [], IMPLICIT):
        pass
    assert refused.value.reason is Reason.INSTANCE_TOO_LARGE


def _meta(syntax: str) -> bytes:
    text = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM" + struct.pack("<HH2sH", 2, 0x10, b"UI", len(text)) + text


def _elements(data_set: Dataset) -> Iterator[tuple[int, RawDataElement]]:
    for tag in data_set.keys():  # noqa: SIM118 (iterating decodes)
        element = data_set.get_item(tag, keep_deferred=True)
        if isinstance(element, RawDataElement) and element.VR != "SQ" and tag & 0xFFFF:
            yield int(tag), element


def _raw(data_set: Dataset) -> dict[int, bytes]:
    """Values as they are encoded, of all but sequences and what pydicom has decoded."""
    return {tag: one.value or b"" for tag, one in _elements(data_set) if tag != 0x00080005}


def _vrs(data_set: Dataset) -> dict[int, str | None]:
    return {tag: one.VR for tag, one in _elements(data_set) if not tag & 0x10000 and tag != 0x00080005}
