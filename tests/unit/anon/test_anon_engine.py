"""One object through the engine: what goes, what stays, what is new."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

import pytest

from diana_anon.core.planning import tables
from diana_anon.core.rewriting.dummies import dummy
from diana_common.dicom.vr import implicit_vr
from diana_common.errors import DianaError, Reason
from diana_common.header import check_complete, scan
from diana_common.implementation import IMPLEMENTATION_CLASS_UID
from tests.support.dicom_files import make_ct, make_small
from tests.unit.anon.engine_files import Dates, new_data_set, new_file, new_uid, read, run
from tests.unit.common.builder import UIDS, data_set, element, item, meta, part10

PLANTED = b"ZQPLANTED"
TAGS_OF_NO_PLACE = (0x00080000, 0x50003000, 0x60003000, 0x60020022, 0x60FE4000, 0x7FE10010, 0xFFFCFFFC, 0xFFFAFFFA)


def test_patient_is_the_new_one_and_pixels_are_the_old_ones() -> None:
    source = make_ct()
    old, new = read(source), new_data_set(source)
    assert (new.PatientID, str(new.PatientName), new.PatientBirthDate) == ("NEWID234", "NEW^NAME", "")
    assert new.PixelData == old.PixelData
    assert new.Rows == old.Rows and new.PixelSpacing == old.PixelSpacing
    assert not any(tag.is_private for tag in new)


def test_untouched_bytes_are_views_of_the_source() -> None:
    source = make_ct()
    result = run(source)
    views = [piece for piece in result.pieces if isinstance(piece, memoryview)]
    assert all(view.obj is source for view in views)
    assert sum(map(len, views)) > 512 * 512 * 2


def test_a_mapped_file_gives_what_its_bytes_give(tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(make_small())
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        assert new_file(mapped) == new_file(make_small())


def test_result_names_the_new_uids() -> None:
    source = make_small()
    old, result = scan(source), run(source)
    new = scan(b"".join(result.pieces))
    assert result.study_uid == new_uid(old.study_uid) == new.study_uid
    assert result.series_uid == new_uid(old.series_uid) == new.series_uid
    assert result.sop_instance_uid == new_uid(old.sop_instance_uid) == new.sop_instance_uid
    assert result.sop_class_uid == old.sop_class_uid
    assert result.transfer_syntax_uid == old.transfer_syntax_uid


@pytest.mark.parametrize("tag", TAGS_OF_NO_PLACE, ids=lambda tag: f"{tag:08X}")
def test_what_has_no_place_is_dropped(tag: int) -> None:
    planted = PLANTED.ljust(12)
    value = item(element(0x00080100, "SH", planted)) if tag == 0xFFFAFFFA else planted
    vr = {0x00080000: "UL", 0xFFFAFFFA: "SQ"}.get(tag, "OB")
    assert PLANTED not in new_file(part10(element(tag, vr, value)))


def test_file_meta_and_preamble_are_made_anew() -> None:
    elements = (
        element(0x00020001, "OB", b"\0\1")
        + element(0x00020002, "UI", b"1.2.840.10008.5.1.4.1.1.7")
        + element(0x00020003, "UI", b"1.2.3.4")
        + element(0x00020010, "UI", b"1.2.840.10008.1.2.1")
        + element(0x00020016, "AE", PLANTED)
        + element(0x00020102, "OB", PLANTED)
    )
    new = new_file(PLANTED.ljust(128) + b"DICM" + elements + data_set())
    assert PLANTED not in new
    assert new[:132] == bytes(128) + b"DICM"
    header = read(new)
    assert header.file_meta.MediaStorageSOPInstanceUID == header.SOPInstanceUID == new_uid("1.2.3.4")
    assert header.file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert header.file_meta.FileMetaInformationGroupLength == new.index(b"\x08\0\x16\0UI") - 144


def test_private_elements_go_also_inside_sequences_and_with_undefined_length() -> None:
    private = element(0x00091001, "LO", PLANTED)
    hidden = (
        element(0x00091010, "SQ", item(private, delimited=True), length=0xFFFFFFFF) + b"\xfe\xff\xdd\xe0" + bytes(4)
    )
    kept = element(0x00081150, "UI", b"1.2.840.10008.5.1.4.1.1.2")
    nested = element(0x00081115, "SQ", item(kept + element(0x00090010, "LO", b"MAKER") + private + hidden))
    new = new_file(part10(nested, element(0x00090010, "LO", b"MAKER"), private, hidden))
    assert PLANTED not in new and b"MAKER" not in new
    assert b"1.2.840.10008.5.1.4.1.1.2\0" in new


def test_an_attribute_nobody_knows_is_dropped() -> None:
    assert PLANTED not in new_file(part10(element(0x00081FFE, "LO", PLANTED)))


def test_elements_out_of_order_come_out_in_order_and_once() -> None:
    named = element(0x00100010, "PN", PLANTED) + element(0x00080060, "CS", b"CT")
    late = element(0x7FE00010, "OW", b"\1\2") + named
    new = new_file(meta() + late + data_set())
    tags = [int(element.tag) for element in read(new)]
    assert PLANTED not in new
    assert tags == sorted(set(tags))
    assert new.count(b"NEW^NAME") == 1
    assert tags[-1] == 0x7FE00010


def test_identity_is_added_where_the_source_had_none() -> None:
    new = new_data_set(part10())
    assert [new.PatientID, str(new.PatientName)] == ["NEWID234", "NEW^NAME"]
    assert new.PatientIdentityRemoved == "YES"


def test_a_sequence_by_its_tag_only_does_not_carry_its_bytes_through() -> None:
    assert PLANTED not in new_file(part10(element(0x00081115, "OB", PLANTED)))
    assert PLANTED not in new_file(part10(element(0x00081115, "UN", PLANTED)))


def test_the_method_says_what_was_done() -> None:
    new = new_data_set(make_small(), Dates.SHIFT)
    codes = [(code.CodeValue, code.CodingSchemeDesignator) for code in new.DeidentificationMethodCodeSequence]
    assert codes == [("113100", "DCM"), ("113107", "DCM")]
    assert new.LongitudinalTemporalInformationModified == "MODIFIED"
    assert new_data_set(make_small()).LongitudinalTemporalInformationModified == "REMOVED"


def test_codes_of_an_earlier_method_stay_and_ours_come_once() -> None:
    once = new_file(make_small())
    again = new_data_set(new_file(once, Dates.SHIFT), Dates.SHIFT)
    assert [code.CodeValue for code in again.DeidentificationMethodCodeSequence] == ["113100", "113107"]


def test_the_same_input_gives_the_same_bytes() -> None:
    assert new_file(make_small()) == new_file(make_small())


@pytest.mark.parametrize("uid", [b"", b"1.2.3\\1.2.4", b"not a uid", PLANTED], ids=["empty", "two", "text", "word"])
def test_a_bad_sop_instance_uid_is_refused_by_name(uid: bytes) -> None:
    with pytest.raises(DianaError) as refused:
        new_file(meta() + data_set(uids={**UIDS, 0x00080018: uid}))
    assert refused.value.reason is (Reason.UID_INVALID if uid else Reason.UID_MISSING)
    assert refused.value.metadata == {"tag": "00080018"}
    assert PLANTED.decode() not in str(refused.value)


def test_a_sop_class_in_a_wrong_vr_is_put_right() -> None:
    uids = {tag: uid for tag, uid in UIDS.items() if tag != 0x00080016}
    new = new_data_set(meta() + element(0x00080016, "OB", UIDS[0x00080016] + b"\0") + data_set(uids=uids))
    assert new.SOPClassUID == UIDS[0x00080016].decode()


def test_many_uids_in_one_element_are_mapped_each_and_bad_ones_become_good_ones() -> None:
    values = b"1.2.3\\1.2.840.10008.1.2\\ZQPLANTED\\\\1.2.4"
    new = new_file(part10(element(0x00080058, "UI", values)))
    assert len(read(new).FailedSOPInstanceUIDList) == 5
    assert PLANTED not in new
    assert new_uid("1.2.3").encode() in new and new_uid("1.2.4").encode() in new and b"1.2.840.10008.1.2\\" in new


def test_uids_of_kinds_are_kept_and_others_outside_the_table_are_mapped() -> None:
    private_kind, concatenation = b"1.3.12.2.1107.5.9.1", b"1.2.3.99"
    new = new_file(part10(element(0x0008001A, "UI", private_kind), element(0x00200242, "UI", concatenation)))
    assert private_kind in new
    assert new_uid("1.2.3.99").encode() in new


def test_the_new_file_is_complete() -> None:
    new = new_file(make_small())
    check_complete(new, scan(new))


def test_zero_bytes_after_the_data_set_are_padding_and_others_are_refused() -> None:
    assert new_file(part10() + bytes(100)) == new_file(part10()) == new_file(part10() + bytes(3))
    with pytest.raises(DianaError) as refused:
        new_file(part10() + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
    assert refused.value.reason is Reason.DATA_SET_INVALID


def test_text_in_an_attribute_of_numbers_goes_and_numbers_in_one_of_text() -> None:
    assert PLANTED not in new_file(part10(element(0x00280010, "LO", PLANTED)))
    assert PLANTED not in new_file(part10(element(0x00081030, "OB", PLANTED), element(0x00080070, "OB", PLANTED)))


@pytest.mark.parametrize("attribute_type", ["1", "2", "3", None])
def test_every_row_of_the_table_has_an_action_that_leaves_nothing(attribute_type: str | None) -> None:
    for rule in tables.rules():
        if "x" in rule.pattern or rule.pattern == "private":
            continue
        tag = int(rule.pattern, 16)
        if tables.chosen_action(rule.basic, attribute_type) == "D" and implicit_vr(tag) != "UI":
            value = dummy(tag, implicit_vr(tag))
            assert value
            assert isinstance(value, bytes) == (implicit_vr(tag) != "SQ")
