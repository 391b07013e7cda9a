"""The Clean Descriptors Option: text in any character set, what is struck and what stays the very same bytes."""

from __future__ import annotations

import pytest

from diana_anon.core.planning.tables import Option
from diana_anon.core.rewriting.retext import cleaned, encoded
from diana_common.dicom.charset import repertoire
from tests.unit.anon.engine_files import Striker, profile, read, under
from tests.unit.common.builder import element, item, part10

CLEAN = profile(Option.CLEAN_DESCRIPTORS)
DESCRIPTION = 0x00081030


def described(raw: bytes, charset: bytes = b"", vr: str = "LO") -> bytes:
    declared = [element(0x00080005, "CS", charset)] if charset else []
    return under(part10(*declared, element(DESCRIPTION, vr, raw)), CLEAN)


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("ISO_IR 100", "Schädel ZQPLANTED nativ"),
        ("ISO_IR 144", "Голова ZQPLANTED ноги"),
        ("ISO_IR 192", "頭部 ZQPLANTED ñandú"),
        ("GB18030", "头部 ZQPLANTED 胸部"),
        ("GBK", "头部 ZQPLANTED 胸部"),
        ("\\ISO 2022 IR 87", "頭部 ZQPLANTED 胸"),
        ("ISO 2022 IR 100\\ISO 2022 IR 144", "Голова ZQPLANTED"),
        ("\\ISO 2022 IR 149", "머리 ZQPLANTED"),
        ("\\ISO 2022 IR 58", "头部 ZQPLANTED"),
    ],
)
def test_text_is_cleaned_in_its_own_character_set(charset: str, text: str) -> None:
    raw = encoded(text, charset.encode())
    assert raw is not None
    new = cleaned(raw, "LO", charset.encode(), Striker())
    assert new is not None and b"ZQ" not in new
    assert repertoire(charset.encode()).decode(new) == Striker().clean(text)


@pytest.mark.parametrize("charset", [b"", b"ISO_IR 100", b"ISO_IR 192", b"\\ISO 2022 IR 87"])
def test_text_without_identifiers_stays_the_very_same_bytes(charset: bytes) -> None:
    for raw in (b"  CT  Thorax ", b"A\\\\B \\", b"\x1b$BF,\x1b(B plain"):
        if charset.startswith(b"\\") or b"\x1b" not in raw:
            assert cleaned(raw, "LO", charset, Striker()) is raw


def test_each_value_is_cleaned_by_itself() -> None:
    assert cleaned(b"one ZQA\\ZQB\\three", "LO", b"", Striker()) == b"one\\\\three"
    assert cleaned(b"C:\\ZQA\\x", "LT", b"", Striker()) == b"C:\\\\x"


@pytest.mark.parametrize("raw", [b"ZQPLANTED", b"ZQA\\ZQB", b"Sch\xe4del ZQA"], ids=["word", "words", "unreadable"])
def test_where_nothing_is_left_or_can_be_read_the_basic_profile_has_its_way(raw: bytes) -> None:
    new = described(raw, b"ISO_IR 192")
    assert b"ZQ" not in new and b"del" not in new
    assert element(DESCRIPTION, "LO", b"") not in new  # X, type 3


def test_without_a_cleaner_the_basic_profile_has_its_way() -> None:
    data = part10(element(DESCRIPTION, "LO", b"CT Thorax "))
    assert b"Thorax" not in under(data, CLEAN, cleaner=None)


def test_an_item_may_have_a_character_set_of_its_own() -> None:
    greek = element(0x00080005, "CS", b"ISO_IR 126") + element(DESCRIPTION, "LO", "ΖΗ ZQA μηρός".encode("iso8859_7"))
    plain = element(DESCRIPTION, "LO", "Größe ZQA".encode())
    data = part10(element(0x00080005, "CS", b"ISO_IR 192"), element(0x00081115, "SQ", item(greek) + item(plain)))
    new = under(data, CLEAN)
    assert "ΖΗ μηρός".encode("iso8859_7") in new and "Größe".encode() in new and b"ZQ" not in new


def test_text_without_a_row_is_cleaned_too_and_comments_stay() -> None:
    data = part10(
        element(0x00081090, "LO", b"Model ZQPLANTED "),
        element(0x00181400, "LO", b"Acquired by ZQPLANTED "),
        element(0x00209158, "LT", b"Frame ZQPLANTED comment"),
    )
    new = read(under(data, CLEAN))
    assert new.ManufacturerModelName == "Model"
    assert new.AcquisitionDeviceProcessingDescription == "Acquired by"
    assert new.FrameComments == "Frame comment"


def test_the_meanings_of_codes_are_cleaned_in_the_sequences_that_are() -> None:
    code = element(0x00080100, "SH", b"A1") + element(0x00080104, "LO", b"Visit of ZQPLANTED ")
    new = under(part10(element(0x00321067, "SQ", item(code))), CLEAN)
    assert b"Visit of" in new and b"ZQ" not in new and b"A1" in new


def test_names_are_never_cleaned_but_replaced() -> None:
    new = under(part10(element(0x00081050, "PN", b"Smith^ZQPLANTED ")), CLEAN)
    assert b"Smith" not in new


def test_what_is_too_long_after_cleaning_is_cut() -> None:
    class Longer:
        def clean(self, text: str) -> str:
            return text + "!" * 60

    assert len(cleaned(b"CT Thorax", "LO", b"", Longer()) or b"") == 64
    assert len(cleaned(b"CT Thorax", "SH", b"", Longer()) or b"") == 16
