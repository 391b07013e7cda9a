"""The options: which go together, what an object says of them, and what those keep that retain."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydicom import Dataset

from diana_anon.core.planning.plan import compile_plan
from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import BirthDate
from diana_common.errors import DianaError, Reason
from tests.support.dicom_files import make_small
from tests.unit.anon.engine_files import profile, read, under
from tests.unit.common.builder import element, item, part10

FULL = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES
MODIFIED = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES
SUPPORTED = [option for option in Option if option is not Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES]


def made(data: bytes, *options: Option, **values: object) -> Dataset:
    return read(under(data, profile(*options, **values)))


@pytest.mark.parametrize(
    ("options", "named"),
    [([Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES], "113102"), ([FULL, MODIFIED], "113107")],
    ids=["faces", "both dates"],
)
def test_what_cannot_be_had_is_refused_by_name(options: list[Option], named: str) -> None:
    with pytest.raises(DianaError) as refused:
        compile_plan(profile(*options))
    assert refused.value.reason is Reason.PROFILE_INVALID
    assert named in str(refused.value) and refused.value.fields[0].field == "options"


@pytest.mark.parametrize("option", [one for one in SUPPORTED if one is not Option.CLEAN_PIXEL_DATA])
def test_every_option_is_declared_by_its_code_and_name(option: Option) -> None:
    new = made(make_small(), option)
    codes = [code.CodeValue for code in new.DeidentificationMethodCodeSequence]
    assert codes == ["113100", option.value]
    assert len(new.DeidentificationMethod) == 2
    assert all(len(text) <= 64 for text in new.DeidentificationMethod)


@pytest.mark.parametrize(
    ("options", "said"),
    [([], "REMOVED"), ([MODIFIED], "MODIFIED"), ([FULL], "UNMODIFIED")],
    ids=["no", "moved", "full"],
)
def test_the_object_says_what_became_of_its_dates(options: list[Option], said: str) -> None:
    assert made(make_small(), *options).LongitudinalTemporalInformationModified == said


def test_full_dates_stay_as_they_are_unlisted_ones_too() -> None:
    old, new = read(make_small()), made(make_small(), FULL)
    for keyword in ("StudyDate", "StudyTime", "ContentTime", "AcquisitionDate", "DateOfLastCalibration"):
        assert new[keyword].value == old[keyword].value
    zone = element(0x00080201, "SH", b"+0200")
    unlisted = element(0x00540038, "TM", b"101112")
    kept = under(part10(zone, unlisted), profile(FULL))
    assert b"+0200" in kept and b"101112" in kept


def test_the_patients_birth_date_is_no_longitudinal_date() -> None:
    assert made(make_small(), FULL).PatientBirthDate == ""


def test_uids_are_retained_everywhere() -> None:
    old, new = read(make_small()), made(make_small(), Option.RETAIN_UIDS)
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert new[keyword].value == old[keyword].value
    assert new.file_meta.MediaStorageSOPInstanceUID == old.SOPInstanceUID
    unlisted = element(0x00200242, "UI", b"1.2.3.99")
    assert b"1.2.3.99" in under(part10(unlisted), profile(Option.RETAIN_UIDS))


def test_a_device_keeps_its_identity_and_its_true_dates() -> None:
    old, new = read(make_small()), made(make_small(), Option.RETAIN_DEVICE_IDENTITY)
    for keyword in ("StationName", "DeviceSerialNumber", "DateOfLastCalibration", "TimeOfLastCalibration"):
        assert new[keyword].value == old[keyword].value
    assert "StudyDate" not in new or new.StudyDate == ""


def test_beside_moved_dates_a_devices_dates_move_as_well() -> None:
    new = made(make_small(), Option.RETAIN_DEVICE_IDENTITY, MODIFIED)
    assert new.StudyDate == "20251025" and new.DateOfLastCalibration == "20251024"


def test_an_institution_keeps_its_identity() -> None:
    old, new = read(make_small()), made(make_small(), Option.RETAIN_INSTITUTION_IDENTITY)
    assert new.InstitutionName == old.InstitutionName
    assert new.InstitutionalDepartmentName == old.InstitutionalDepartmentName


def test_a_patients_characteristics_stay() -> None:
    old, new = read(make_small()), made(make_small(), Option.RETAIN_PATIENT_CHARACTERISTICS)
    for keyword in ("PatientSex", "PatientAge", "PatientSize", "PatientWeight"):
        assert new[keyword].value == old[keyword].value


@pytest.mark.parametrize(
    ("age", "kept"),
    [
        ("089Y", "089Y"),
        ("090Y", "090Y"),
        ("091Y", "090Y"),
        ("104Y", "090Y"),
        ("000D", "000D"),
        ("006M", "006M"),
        ("old", None),
        ("091Y\\089Y", "090Y\\089Y"),
    ],
)
def test_an_age_over_89_is_090y_wherever_it_stands(age: str, kept: str | None) -> None:
    value = element(0x00101010, "AS", age.encode())
    data = part10(value, element(0x00081115, "SQ", item(value)))
    new = under(data, profile(Option.RETAIN_PATIENT_CHARACTERISTICS))
    expected = element(0x00101010, "AS", (kept or "").encode())
    assert new.count(expected) == (2 if kept else 0)
    assert kept == age or age.encode() not in new


@pytest.mark.parametrize("text", ["099", "1200M ", "100 Y", "-91Y", "091Y 1"])
def test_what_is_no_age_is_removed_and_not_guessed(text: str) -> None:
    """An AS is three digits and D, W, M or Y (PS3.5 table 6.2-1): 099 may be days or years, and 1200M anything.

    To keep a guess, or to write 090Y for it, would say what the source does not. No IOD needs the attribute.
    """
    data = part10(element(0x00101010, "AS", text.encode()))
    assert "PatientAge" not in read(under(data, profile(Option.RETAIN_PATIENT_CHARACTERISTICS)))


@pytest.mark.parametrize("study", ["20200615", "20260114"])
def test_a_birth_date_beside_an_age_over_89_tells_no_more_than_90(study: str) -> None:
    data = part10(
        element(0x00080020, "DA", study.encode()),
        element(0x00100030, "DA", b"19200301"),
        element(0x00101010, "AS", b"100Y"),
    )
    chosen = profile(MODIFIED, Option.RETAIN_PATIENT_CHARACTERISTICS, birth_date=BirthDate.NEAR)
    new = read(under(data, chosen))
    assert new.PatientAge == "090Y"
    assert new.PatientBirthDate == f"{int(new.StudyDate[:4]) - 90}0101"


def test_where_dates_are_removed_no_birth_date_agrees_with_an_age_over_89() -> None:
    data = part10(element(0x00080020, "DA", b"20200101"), element(0x00100030, "DA", b"19200301"))
    assert read(under(data, profile(birth_date=BirthDate.NEAR))).PatientBirthDate == ""


def test_a_near_birth_date_that_makes_somebody_90_agrees_too() -> None:
    data = part10(element(0x00080020, "DA", b"20520101"), element(0x00101010, "AS", b"089Y"))
    new = read(under(data, profile(MODIFIED, birth_date=BirthDate.NEAR), offset=timedelta(0)))
    assert new.PatientBirthDate == "19620101"  # minted: 1961-02-03, by which they are 90
    young = part10(element(0x00080020, "DA", b"20500101"))
    assert read(under(young, profile(MODIFIED, birth_date=BirthDate.NEAR))).PatientBirthDate == "19610203"


def test_pixels_are_declared_clean_only_when_they_were_handed_in_clean() -> None:
    new = made(make_small(), Option.CLEAN_PIXEL_DATA)
    assert [code.CodeValue for code in new.DeidentificationMethodCodeSequence] == ["113100"]
