"""The last look at what was written: planted leaks are found wherever they lie, and what is no leak raises no alarm."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from diana_anon.core.planning.plan import compile_plan
from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Action, Override, TagPath
from diana_anon.core.proof.mend import mended_plan
from diana_anon.core.proof.self_scan import leaks
from diana_anon.core.proof.written import segments
from diana_anon.core.rewriting.engine import deidentify
from diana_anon.core.text.cleaner import TextCleaner
from diana_anon.core.text.identifiers import Identifiers, gathered
from diana_common.conditions import Step
from diana_common.errors import DianaError, Reason
from diana_common.header import check_complete, scan
from tests.support.corpus import CORPUS, needs_corpus
from tests.unit.anon.engine_files import PSEUDONYMS, Dates, identity, item, new_file, read, run, written
from tests.unit.common.builder import element, part10
from tests.unit.common.builder import item as nested_item

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

MINTED = ("NEWID234", "NEW^NAME", "19610203")
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)


def source(**values: object) -> Dataset:
    data_set = item(
        SpecificCharacterSet="ISO_IR 192",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7",
        SOPInstanceUID="1.2.826.0.1.99.1",
        StudyInstanceUID="1.2.826.0.1.99.2",
        SeriesInstanceUID="1.2.826.0.1.99.3",
        Modality="CT",
        Manufacturer="ACME",
        PatientName="Featherstone^Marigold",
        PatientID="QX774411",
        PatientBirthDate="19550617",
        StudyDate="20210304",
        StationName="AXIALROOM",
        InstitutionName="Thornbury General",
        SeriesDescription="AXIAL ROUTINE HEAD",
        BodyPartExamined="HEAD",
        ImageType=["DERIVED", "SECONDARY", "AXIAL"],
        Rows=2,
        Columns=2,
    )
    data_set.update(item(**values))
    return data_set


def known_of(data: bytes) -> Identifiers:
    return gathered(json.loads(scan(data).dicom_json), Dates.SHIFT.value)


def planted(plant: Callable[[Dataset], None], syntax: UID = ExplicitVRLittleEndian) -> tuple[str, ...]:
    """What is found in the engine's output after somebody put something into it."""
    data = written(source())
    made = read(new_file(data, Dates.SHIFT))
    plant(made)
    return leaks(known_of(data), [written(made, syntax)], MINTED)


def _put(**values: object) -> Callable[[Dataset], None]:
    return lambda made: made.update(item(**values))


def _nested(made: Dataset) -> None:
    made.RequestAttributesSequence = [Dataset(), item(RequestedProcedureDescription="for Featherstone")]


def _private(made: Dataset) -> None:
    made.private_block(0x0029, "ACME", create=True).add_new(1, "UN", b"\1\0x marigold\0\2")


def _private_wide(made: Dataset) -> None:
    made.private_block(0x0029, "ACME", create=True).add_new(1, "OB", "\1Featherstone\2".encode("utf-16-le"))


def _preamble(made: Dataset) -> None:
    made.preamble = b"/data/featherstone/1.dcm".ljust(128, b"\0")


def _document(made: Dataset) -> None:
    made.EncapsulatedDocument = b"<patient>Marigold</patient>\n"


PLANTS = {
    "name in a description": (_put(SeriesDescription="HEAD MARIGOLD"), "(0008,103E)"),
    "id in a comment": (_put(ImageComments="see qx774411."), "(0020,4000)"),
    "name kept": (_put(PatientName="FEATHERSTONE"), "(0010,0010)"),
    "institution in a nested item": (_nested, "(0040,0275)[1].(0032,1060)"),
    "birth date with hyphens": (_put(StudyDescription="born 1955-06-17"), "(0008,1030)"),
    "date not moved": (_put(StudyDate="20210304"), "(0008,0020)"),
    "old UID": (_put(FrameOfReferenceUID="1.2.826.0.1.99.2"), "(0020,0052)"),
    "UID in a text": (_put(SeriesDescription="of 1.2.826.0.1.99.2"), "(0008,103E)"),
    "id in a code string": (_put(BodyPartExamined="QX774411"), "(0018,0015)"),
    "institution": (_put(DerivationDescription="made in THORNBURY"), "(0008,2111)"),
    "name in bytes of a private attribute": (_private, "(0029,1001)"),
    "name in UTF-16": (_private_wide, "(0029,1001)"),
    "name in a document": (_document, "(0042,0011)"),
    "name in the preamble": (_preamble, "(0000,0000)"),
    "name in a kernel": (_put(ConvolutionKernel="B30 marigold"), "(0018,1210)"),
    "name in letters": (_put(ConvolutionKernel="B30 m a r i g o l d"), "(0018,1210)"),
    "name in letters apart": (_put(ConvolutionKernel="M. A - R_I//G.O.L.D"), "(0018,1210)"),
    "name in letters, in several values": (_put(ImageType=["DERIVED", *"MARIGOLD"]), "(0008,0008)"),
    "name in two pieces": (_put(ConvolutionKernel="MARI GOLD"), "(0018,1210)"),
    "name with a control": (_put(ConvolutionKernel="MARI\x01GOLD"), "(0018,1210)"),
    "name with a NUL": (_put(ConvolutionKernel="MARI\0GOLD"), "(0018,1210)"),
    "name with a soft hyphen": (_put(ConvolutionKernel="mari\u00adgold"), "(0018,1210)"),
    "name in circles": (_put(ConvolutionKernel="ⓜⓐⓡⓘⓖⓞⓛⓓ"), "(0018,1210)"),
    "name in a code that is none": (_put(ScanOptions="for Marigold"), "(0018,0022)"),
    "name far into a text": (_put(ImageComments="lung " * 20_000 + "marigold"), "(0020,4000)"),
}


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: UID(uid).name)
@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_identifier_is_found_with_its_place(name: str, syntax: UID) -> None:
    plant, path = PLANTS[name]
    assert planted(plant, syntax) == (path,)


def test_a_name_beside_the_pixels_of_a_compressed_image_is_found() -> None:
    comment = b"Marigold scan"
    frame = b"\xff\xd8\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + b"\xff\xd9"

    def plant(made: Dataset) -> None:
        made.PixelData = encapsulate([b"\xff\xd8\xff\xd9", frame])
        made["PixelData"].VR = "OB"
        made["PixelData"].is_undefined_length = True

    assert planted(plant, JPEGBaseline8Bit) == ("(7FE0,0010)",)


def test_what_follows_large_pixels_is_looked_at_too() -> None:
    def plant(made: Dataset) -> None:
        made.PixelData = b"marigold" * 200_000
        made["PixelData"].VR = "OW"
        made.DataSetTrailingPadding = b"\0\0 Marigold \0\0"

    assert planted(plant) == ("(FFFC,FFFC)",)


@pytest.mark.parametrize(
    ("charset", "name", "text"),
    [
        ("ISO_IR 100", "Müller^Jörg", "CT MÜLLER"),
        ("ISO_IR 192", "Müller^Jörg", "CT Muller"),
        ("ISO_IR 192", "Muller^Jorg", "CT Müller"),
        ("ISO_IR 144", "Иванов^Пётр", "МРТ ИВАНОВ"),
        ("ISO_IR 192", "Yamada^Tarou=山田^太郎", "胸部CT山田太郎"),
        ("ISO_IR 149", "Hong^Gildong=洪^吉洞=홍^길동", "홍길동 CT"),
    ],
)
def test_names_are_found_in_every_character_set(charset: str, name: str, text: str) -> None:
    charset = "\\ISO 2022 IR 149" if charset == "ISO_IR 149" else charset
    data = written(source(SpecificCharacterSet=charset, PatientName=name))
    made = read(new_file(data))
    made.SpecificCharacterSet = charset.split("\\")
    made.SeriesDescription = text
    assert leaks(known_of(data), [written(made)], MINTED) == ("(0008,103E)",)


@pytest.mark.parametrize("dates", Dates)
def test_descriptors_dummies_and_the_new_identity_are_no_leaks(dates: Dates) -> None:
    data = written(
        source(
            PatientID="NEWID234",
            OperatorsName="REMOVED",
            ProtocolName="HEAD AXIAL ACME",
            StudyID="512",
            AccessionNumber="1001",
            SeriesNumber="1001",
            PatientBirthDate="19610203",
            ReferringPhysicianName="Profile^Diana",
            ContentQualification="RESEARCH",
        )
    )
    assert leaks(known_of(data), run(data, dates).pieces, MINTED) == ()


def test_what_the_profile_retains_is_not_looked_for() -> None:
    data = written(source())
    profile = Dates.SHIFT.value
    made = read(new_file(data, Dates.SHIFT))
    made.InstitutionName = "Thornbury General"
    assert leaks(gathered(json.loads(scan(data).dicom_json), profile), [written(made)], MINTED) == ("(0008,0080)",)

    retaining = replace(profile, options=profile.options | {Option.RETAIN_INSTITUTION_IDENTITY})
    assert leaks(gathered(json.loads(scan(data).dicom_json), retaining), [written(made)], MINTED) == ()


def test_the_pieces_may_be_cut_anywhere() -> None:
    data = written(source())
    made = read(new_file(data))
    made.SeriesDescription = "Marigold"
    new = written(made)
    pieces = [new[at : at + 7] for at in range(0, len(new), 7)]
    assert leaks(known_of(data), pieces, MINTED) == ("(0008,103E)",)


def test_a_file_that_cannot_be_read_again_is_refused() -> None:
    for broken in (b"", bytes(200), new_file(written(source()))[:-3]):
        with pytest.raises(DianaError) as refused:
            leaks(Identifiers(people=frozenset({"marigold"})), [broken])
        assert refused.value.reason is Reason.NOT_DEIDENTIFIABLE


def test_segments_end_where_the_image_starts() -> None:
    assert list(segments(b"\xff\xd8\xff\xe0\0\6JFIF\xff\xda\0\4xxyy\xff\0zz\xff\xfe\0\6Mary")) == [
        b"JFIF",
        b"Mary",
        b"",
    ]
    assert list(segments(b"\xff\x4f\xff\x51\0\4ab\xff\x64\0\6Mary\xff\x90..\xff\xd9Anna")) == [b"Mary", b"Anna"]
    assert list(segments(b"RIFF\xff\xfe\0\6Mary")) == [b"RIFF\xff\xfe\0\6Mary"]
    assert list(segments(b"\xff\xd8\xff\xfe\0\0\xff")) == [b"", b""]


VRS = ("AS", "AT", "CS", "DA", "DS", "FD", "IS", "LO", "OV", "OW", "SS", "TM", "UI", "UN", "US")


@pytest.mark.parametrize("vr", VRS)
@pytest.mark.parametrize("tag", [0x00080032, 0x00080070, 0x00280106, 0x00283006])
def test_no_vr_hides_a_name(tag: int, vr: str) -> None:
    known = known_of(written(source()))
    path = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    assert leaks(known, [part10(element(tag, vr, b"Marigold"))], MINTED) == (path,)
    nested = element(0x00081140, "SQ", nested_item(element(tag, vr, b"Marigold")))
    assert leaks(known, [part10(nested)], MINTED) == (f"(0008,1140)[0].{path}",)


def test_an_item_is_read_in_its_own_character_set() -> None:
    known = known_of(written(source(PatientName="Иванова^Ольга")))
    own = element(0x00080005, "CS", b"ISO_IR 144")
    inner = nested_item(own + element(0x00080104, "LO", "Иванова".encode("iso8859_5") + b" "))
    after = element(0x00321032, "LO", b"Nobody")
    made = part10(element(0x00080005, "CS", b"ISO_IR 192"), element(0x00081140, "SQ", inner), after)
    assert leaks(known, [made], MINTED) == ("(0008,1140)[0].(0008,0104)",)


@pytest.mark.parametrize("name", [b"", b"Marigold Featherstone "])
def test_what_follows_the_last_frame_is_no_pixel(name: bytes) -> None:
    sizes = {0x00280002: 1, 0x00280010: 2, 0x00280011: 2, 0x00280100: 16}
    image = [element(tag, "US", struct.pack("<H", size)) for tag, size in sizes.items()]
    image += [element(0x00280008, "IS", b"2 "), element(0x7FE00010, "OW", b"QX774411" * 2 + name)]
    found = leaks(known_of(written(source())), [part10(*image)], MINTED)
    assert found == (("(7FE0,0010)",) if name else ())


@pytest.mark.parametrize(
    "fragments",
    [
        (b"Marigold", b"\xff\xd8\xff\xd9"),
        (b"", b"\xff\xd8\xff\xe0\x70\0" + bytes(0x6FFE) + b"\xff\xfe\0\x0aMarigold\xff\xda\0\4xx\xff\xd9"),
        (b"", b"\xff\xd8\xff\xda\0\4xx\x12\xff\0\x34\xff\xfe\0\x0aMarigold\xff\xd9"),
        (b"", b"\xff\xd8\xff\xd9Marigold"),
        (b"", b"\xff\xd8\xff\xd9", b"Marigold"),
    ],
    ids=["offset table", "far comment", "between scans", "behind the image", "a fragment of its own"],
)
def test_what_a_compressed_image_has_beside_its_pixels_is_read(fragments: tuple[bytes, ...]) -> None:
    value = b"".join(nested_item(one + b"\0" * (len(one) % 2)) for one in fragments)
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + value + b"\xfe\xff\xdd\xe0\0\0\0\0"
    assert leaks(known_of(written(source())), [part10(pixels)], MINTED) == ("(7FE0,0010)",)


def test_text_that_the_standard_keeps_is_cleaned_in_a_second_try() -> None:
    data = written(source(ConvolutionKernel="B30 marigold"))
    found = leaks(known_of(data), run(data).pieces, MINTED)
    assert found == ("(0018,1210)",)
    plan = mended_plan(Dates.REMOVE.value, found, {})
    assert plan is not None
    made = deidentify(data, plan, identity(), PSEUDONYMS, cleaner=TextCleaner(known_of(data)))
    assert read(b"".join(made.pieces)).ConvolutionKernel == "B30"
    assert leaks(known_of(data), made.pieces, MINTED) == ()


def test_what_should_never_have_come_so_far_is_not_mended() -> None:
    assert mended_plan(Dates.REMOVE.value, (), {}) is None
    assert mended_plan(Dates.REMOVE.value, ("(0018,1210)", "(0008,103E)"), {}) is None
    assert mended_plan(Dates.REMOVE.value, ("(0029,1001)",), {}) is None
    assert mended_plan(Dates.REMOVE.value, ("(0008,1140)[0].(0008,1155)",), {}) is None


def _storable(path: Path) -> bytes | None:
    data = path.read_bytes()
    try:
        check_complete(data, scan(data))
    except DianaError:
        return None
    return data


@needs_corpus
@pytest.mark.parametrize("dates", Dates)
def test_no_alarm_is_raised_over_real_files(dates: Dates) -> None:
    """What is found is the patient's name in a text that the standard keeps, and goes in a second try."""
    profile = dates.value
    files = sorted(path for path in CORPUS.rglob("*") if path.is_file() and path.suffix != ".csv")
    for path in files[:: 1 if dates is Dates.REMOVE else 5]:
        data = _storable(path)
        if data is None:
            continue
        known = gathered(json.loads(scan(data).dicom_json), profile)
        found = leaks(known, run(data, dates).pieces, MINTED)
        if found:
            plan = mended_plan(profile, found, {})
            assert plan is not None, (path.name, found)
            made = deidentify(data, plan, identity(), PSEUDONYMS, cleaner=TextCleaner(known))
            assert leaks(known, made.pieces, MINTED) == (), path.name


@pytest.mark.parametrize(
    ("tag", "creator", "left"), [(0x00090002, "GEMS_IDEN_01", "seq"), (0x20010007, "Philips Imaging DD 001", None)]
)
def test_a_safe_private_attribute_with_a_name_is_cleaned_or_goes_in_a_second_try(
    tag: int, creator: str, left: str | None
) -> None:
    group, number = tag >> 16, tag & 0xFF
    original = source()
    original.private_block(group, creator, create=True).add_new(number, "LO", "seq MARIGOLD")
    data = written(original)
    header = json.loads(scan(data).dicom_json)
    keep = Override(TagPath((Step(tag, creator),)), Action.KEEP)
    profile = replace(Dates.REMOVE.value, overrides=(keep,))
    made = deidentify(data, compile_plan(profile), identity(), PSEUDONYMS)
    found = leaks(gathered(header, profile), made.pieces, MINTED)
    assert found == (f"({group:04X},{0x1000 + number:04X})",)
    plan = mended_plan(profile, found, header)
    assert plan is not None
    made = deidentify(data, plan, identity(), PSEUDONYMS, cleaner=TextCleaner(gathered(header)))
    assert leaks(gathered(header, profile), made.pieces, MINTED) == ()
    element = read(b"".join(made.pieces)).get((group, 0x1000 + number))
    assert (element and element.value) == left


@pytest.mark.parametrize("raw", [b"B30 \x1b", b"B\x1b(B30", b"\x1b$B;3ED\x1b(B", b"B30\x1b[31m"])
@pytest.mark.parametrize("charset", [b"ISO_IR 192", b"\\ISO 2022 IR 149"])
def test_an_escape_that_no_declared_character_set_explains_holds_an_object_back(charset: bytes, raw: bytes) -> None:
    declared = element(0x00080005, "CS", charset)
    made = part10(declared, element(0x00181210, "SH", raw))
    explained = b"\x1b(B" in raw and b"$B" not in raw and b"149" in charset
    assert leaks(known_of(written(source())), [made], MINTED) == (() if explained else ("(0018,1210)",))


def test_text_with_declared_escapes_is_no_alarm_but_for_a_name_in_its_bytes() -> None:
    known, declared = known_of(written(source())), element(0x00080005, "CS", b"\\ISO 2022 IR 87")
    for raw, found in ((b"\x1b$B;3ED\x1b(B B30", ()), (b"\x1b$BMARI\x1b(B\x1b$BGOLD\x1b(B", ("(0018,1210)",))):
        assert leaks(known, [part10(declared, element(0x00181210, "SH", raw))], MINTED) == found


@pytest.mark.parametrize("text", ["T 1 W", "L 4 / L 5", "C A D", "a b c d e f", "gold mari", "MAR GOLD", "m a r i"])
def test_letters_and_pieces_that_spell_no_name_are_no_leaks(text: str) -> None:
    assert planted(_put(ConvolutionKernel=text)) == ()


def test_a_name_that_two_common_words_make_is_no_leak_where_they_stand_apart() -> None:
    known = known_of(written(source(PatientName="Headband^X")))
    for text, found in (("head band", ()), ("he adband", ("(0018,1210)",))):
        assert leaks(known, [part10(element(0x00181210, "SH", text.encode()))], MINTED) == found
