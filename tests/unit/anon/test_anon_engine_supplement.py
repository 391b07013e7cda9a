"""What the table has no row for, and values that are not what their attribute says, do not carry anybody out."""

from __future__ import annotations

import pytest
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence

from diana_anon.core.planning.tables import Option
from tests.support.dicom_files import make_small
from tests.unit.anon.engine_files import (
    Dates,
    item,
    new_data_set,
    new_file,
    new_uid,
    profile,
    read,
    under,
    written,
)
from tests.unit.common.builder import part10

UNSUPPORTED = {
    Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES,
    Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES,
}
"""Not at all, and not beside modified dates."""

SECRET = "PLANTED"


def with_(*elements: DataElement) -> bytes:
    """A small file with these elements."""
    data_set = read(make_small())
    for element in elements:
        data_set.add(element)
    return written(data_set)


@pytest.mark.parametrize("dates", list(Dates))
@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (0x00100033, "LO"),
        (0x00100034, "LO"),
        (0x00401006, "SH"),
        (0x00402007, "SH"),
        (0x0040E001, "ST"),
        (0x00081190, "UR"),
        (0x00142006, "PN"),
        (0x00400400, "LT"),
        (0x30040006, "LO"),
        (0x00041130, "CS"),
        (0x00620020, "UT"),
    ],
)
def test_what_may_tell_and_has_no_row_is_removed(tag: int, vr: str, dates: Dates) -> None:
    hidden = Sequence([item()])
    hidden[0].add(DataElement(tag, vr, SECRET))
    data = with_(
        DataElement(tag, vr, SECRET), DataElement(0x00082112, "SQ", hidden), DataElement(0x0040A730, "SQ", hidden)
    )
    assert SECRET.encode() not in new_file(data, dates)


def test_dates_without_a_row_go_unless_they_are_shifted() -> None:
    data = with_(DataElement(0x00440104, "DT", "20240102030405"))
    assert b"20240102" not in new_file(data)
    assert b"20231013" in new_file(data, Dates.SHIFT)  # 81 days before


def test_words_of_content_items_go_outside_content_trees_too() -> None:
    said = item(ValueType="TEXT", TextValue=SECRET)
    context = item(ContentItemModifierSequence=[said], ValueType="TEXT", TextValue=SECRET)
    data_set = read(make_small())
    data_set.ProtocolContextSequence = [context]
    assert SECRET.encode() not in new_file(written(data_set))


def test_only_registered_uids_are_well_known() -> None:
    study, instance = "1.2.840.10008.20200101.4711", "1.2.840.10008.5.1.4.1.1.2.20200101.4711"
    new = new_data_set(make_small(study_uid=study, sop_uid=instance))
    assert (new.StudyInstanceUID, new.SOPInstanceUID) == (new_uid(study), new_uid(instance))
    assert new.SOPClassUID == read(make_small()).SOPClassUID


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00280010, "US", b"\x10\x00\x10\x00PN\x08\x00PLANTED "),
        (0x00280010, "OB", b"PLANTED "),
        (0x00180050, "DS", b"PLANTED "),
        (0x00200013, "IS", b"PLANTED "),
        (0x00081150, "UI", b"PLANTED^JOHN"),
    ],
)
def test_a_value_that_its_attribute_cannot_have_is_not_kept(tag: int, vr: str, value: bytes) -> None:
    length = b"\0\0" + len(value).to_bytes(4, "little") if vr == "OB" else len(value).to_bytes(2, "little")
    element = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr.encode() + length + value
    assert b"PLANTED" not in new_file(part10(element))


def test_pixels_within_an_item_are_not_kept() -> None:
    inner = Dataset()
    inner.add(DataElement(0x7FE00010, "OB", b"PLANTED "))
    data = with_(DataElement(0x00082112, "SQ", Sequence([inner])), DataElement(0x00400440, "SQ", Sequence([inner])))
    assert b"PLANTED" not in new_file(data)


@pytest.mark.parametrize("options", [set(), set(Option) - UNSUPPORTED], ids=["basic", "every option"])
def test_no_option_keeps_a_document_an_icon_or_an_overlay(options: set[Option]) -> None:
    icon = Dataset()
    icon.add(DataElement(0x7FE00010, "OB", b"PLANTED "))
    overlay = Dataset()
    overlay.add(DataElement(0x60003000, "OW", b"PLANTED "))
    data = with_(
        DataElement(0x00420011, "OB", b"%PDF-1.7 PLANTED"),
        DataElement(0x00420015, "UL", 16),
        DataElement(0x00880200, "SQ", Sequence([icon])),
        DataElement(0x00082112, "SQ", Sequence([overlay])),
        DataElement(0x50003000, "OW", b"PLANTED "),
        DataElement(0x60003000, "OW", b"PLANTED "),
    )
    made = under(data, profile(*options))
    assert b"PLANTED" not in made
    new = read(made)
    assert new.EncapsulatedDocument == b"\0\0"
    assert "EncapsulatedDocumentLength" not in new and "IconImageSequence" not in new
