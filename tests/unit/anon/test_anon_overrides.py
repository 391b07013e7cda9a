"""A profile's overrides: what each action does, where they apply, for which objects, and what none may do."""

from __future__ import annotations

from typing import Any

import pytest

from diana_anon.core.planning.plan import compile_plan
from diana_anon.core.planning.rules import Kind
from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Action, BirthDate, Override, TagPath
from diana_common.conditions import Header, Step
from diana_common.errors import DianaError, Reason
from diana_common.uidmap import map_accession_number
from tests.support.dicom_files import make_small
from tests.unit.anon.engine_files import SUBKEY, new_uid, profile, read, under
from tests.unit.common.builder import element, item, part10

STUDY_DESCRIPTION, SERIES_DESCRIPTION, REQUEST = 0x00081030, 0x0008103E, 0x00400275
MODALITY, MANUFACTURER = 0x00080060, 0x00080070
CT = "1.2.840.10008.5.1.4.1.1.2"
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
OF_CT = frozenset({CT, "1.2.3.4"})
MODIFIED = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES


def override(action: Action, *tags: int, creator: str = "", anywhere: bool = False, **values: Any) -> Override:
    steps = tuple(Step(tag, creator if tag & 0x10000 else "") for tag in tags)
    return Override(TagPath(steps, anywhere), action, **values)


def made(data: bytes, *overrides: Override, options: tuple[Option, ...] = (), **values: Any) -> bytes:
    return under(data, profile(*options, overrides=overrides, **values))


def test_each_action_does_what_it_says() -> None:
    description = element(STUDY_DESCRIPTION, "LO", b"CT ZQPLANTED Thorax")
    outcomes = {
        Action.KEEP: "CT ZQPLANTED Thorax",
        Action.EMPTY: "",
        Action.DUMMY: "REMOVED",
        Action.CLEAN: "CT Thorax",
        Action.REPLACE: "STUDY",
    }
    for action, outcome in outcomes.items():
        new = read(made(part10(description), override(action, STUDY_DESCRIPTION, value="STUDY")))
        assert new.StudyDescription == outcome, action
    assert "SeriesDescription" not in read(made(make_small(), override(Action.REMOVE, SERIES_DESCRIPTION)))


def test_no_override_takes_from_an_object_what_its_iod_demands() -> None:
    removed = read(made(make_small(), *(override(Action.REMOVE, tag) for tag in (MANUFACTURER, MODALITY, 0x00100020))))
    assert (removed.Manufacturer, removed.Modality, removed.PatientID) == ("", "REMOVED", "")
    emptied = read(made(make_small(), *(override(Action.EMPTY, tag) for tag in (MANUFACTURER, MODALITY))))
    assert (emptied.Manufacturer, emptied.Modality) == ("", "REMOVED")


def test_what_an_item_of_a_sequence_needs_stays_in_it_too() -> None:
    uid = element(0x00081150, "UI", b"1.2.840.10008.5.1.4.1.1.2\0") + element(0x00081155, "UI", b"1.2.3.4\0")
    data = part10(element(0x00081140, "SQ", item(uid)))
    (image,) = read(made(data, override(Action.REMOVE, 0x00081155, anywhere=True))).ReferencedImageSequence
    assert image.ReferencedSOPInstanceUID == new_uid("1.2.3.4")


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        (MODALITY, Kind.DUMMY),  # type 1, and not in Table E.1-1
        (0x00180060, Kind.EMPTY),  # KVP, type 2
        (0x00080008, Kind.DUMMY),  # Image Type
        (0x00500010, Kind.WALK),  # Device Sequence, type 1, of which there is no dummy
        (0x00081090, Kind.REMOVE),  # Manufacturer's Model Name, type 3
        (0x00181210, Kind.REMOVE),  # Convolution Kernel, type 3, and not in Table E.1-1
    ],
)
def test_a_removal_goes_as_far_as_the_type_in_the_iod_lets_it(tag: int, kind: Kind) -> None:
    plan = compile_plan(profile(overrides=(override(Action.REMOVE, tag),)))
    assert plan.level(CT)[tag].kind is kind
    assert plan.level("1.2.3.4.5")[tag].kind is Kind.REMOVE, "of an unknown SOP Class nothing is demanded"


def test_an_accession_number_is_mapped_by_the_domains_key() -> None:
    new = read(made(make_small(), override(Action.MAP, 0x00080050)))
    assert new.AccessionNumber == map_accession_number(SUBKEY, "ACC0001")
    assert read(made(part10(element(0x00080050, "SH", b"")), override(Action.MAP, 0x00080050))).AccessionNumber == ""


def test_dates_are_moved_and_uids_mapped_where_an_override_says_so() -> None:
    shifted = read(made(make_small(), override(Action.SHIFT, 0x00080020)))
    assert shifted.StudyDate == "20251025" and shifted.LongitudinalTemporalInformationModified == "MODIFIED"
    uids = (Option.RETAIN_UIDS,)
    old, new = read(make_small()), read(made(make_small(), override(Action.MAP, 0x0020000D), options=uids))
    assert new.StudyInstanceUID == new_uid(old.StudyInstanceUID)
    assert new.SeriesInstanceUID == old.SeriesInstanceUID


def test_the_last_override_that_fits_wins() -> None:
    both = [override(Action.KEEP, STUDY_DESCRIPTION), override(Action.EMPTY, STUDY_DESCRIPTION)]
    assert read(made(make_small(), *both)).StudyDescription == ""
    assert read(made(make_small(), *reversed(both))).StudyDescription == read(make_small()).StudyDescription


def test_a_path_is_for_its_place_and_anywhere_for_all() -> None:
    text = element(STUDY_DESCRIPTION, "LO", b"WORDS ")
    data = part10(text, element(0x00081115, "SQ", item(text)))
    assert made(data, override(Action.KEEP, STUDY_DESCRIPTION)).count(b"WORDS") == 1
    assert made(data, override(Action.KEEP, 0x00081115, STUDY_DESCRIPTION)).count(b"WORDS") == 1
    assert made(data, override(Action.KEEP, STUDY_DESCRIPTION, anywhere=True)).count(b"WORDS") == 2
    assert b"WORDS" not in made(data, override(Action.KEEP, REQUEST, STUDY_DESCRIPTION))


def test_a_sequence_that_is_kept_or_cleaned_is_walked_all_the_same() -> None:
    inside = element(0x00080050, "SH", b"ZQ123") + element(0x00400007, "LO", b"CT ZQ123 Head")
    data = part10(element(REQUEST, "SQ", item(inside)))
    kept = made(data, override(Action.KEEP, REQUEST))
    assert b"ZQ123" not in kept and element(REQUEST, "SQ", b"")[:6] in kept
    cleaned = made(data, override(Action.CLEAN, REQUEST), override(Action.CLEAN, REQUEST, 0x00400007))
    assert b"ZQ123" not in cleaned and b"CT Head" in cleaned


def test_a_private_attribute_is_kept_by_its_creator() -> None:
    keep = override(Action.KEEP, 0x00190077, creator="ACME 1")
    data = part10(
        element(0x00190010, "LO", b"OTHER "),
        element(0x00190011, "LO", b"ACME 1"),
        element(0x00191077, "LO", b"gone"),
        element(0x00191177, "LO", b"kept"),
        element(0x00191178, "LO", b"also gone "),
    )
    new = made(data, keep)
    assert b"kept" in new and b"ACME 1" in new
    assert b"gone" not in new and b"OTHER" not in new


def test_inside_a_private_sequence_paths_go_on() -> None:
    keep = [
        override(Action.KEEP, 0x00190070, creator="ACME 1"),
        override(Action.KEEP, 0x00190070, STUDY_DESCRIPTION, creator="ACME 1"),
    ]
    words = element(STUDY_DESCRIPTION, "LO", b"WORDS ") + element(0x00100010, "PN", b"ZQPLANTED")
    data = part10(element(0x00190010, "LO", b"ACME 1"), element(0x00191070, "SQ", item(words)))
    assert b"WORDS" in made(data, *keep) and b"ZQPLANTED" not in made(data, *keep)
    assert b"WORDS" not in made(data, keep[0])


def test_an_override_is_for_its_sop_classes() -> None:
    secondary = "1.2.840.10008.5.1.4.1.1.7"
    text = element(STUDY_DESCRIPTION, "LO", b"WORDS ")
    assert b"WORDS" in made(part10(text), override(Action.KEEP, STUDY_DESCRIPTION, sop_classes=frozenset({secondary})))
    assert b"WORDS" not in made(part10(text), override(Action.KEEP, STUDY_DESCRIPTION, sop_classes=frozenset({CT})))


def test_an_override_waits_for_its_condition() -> None:
    def of_station(header: Header) -> bool:
        return bool(header.get("00081010", {}).get("Value", [""])[0] == "CT01")

    keep = override(Action.KEEP, STUDY_DESCRIPTION, condition=of_station)
    assert read(made(make_small(), keep)).StudyDescription == "CT Thorax/Abdomen"
    assert b"WORDS" not in made(part10(element(STUDY_DESCRIPTION, "LO", b"WORDS ")), keep)
    plan = compile_plan(profile(overrides=(keep,)))
    assert plan.for_object({}) is plan.for_object({})
    assert compile_plan(profile()).for_object({}).overrides == ()


def test_identity_stays_where_a_profile_says_so_and_the_object_says_so_too() -> None:
    new = read(made(make_small(), override(Action.KEEP, 0x00100010)))
    assert str(new.PatientName) == "Phantom^Petra" and new.PatientID == "NEWID234"
    assert new.PatientIdentityRemoved == "NO"
    replaced = read(made(make_small(), override(Action.REPLACE, 0x00100020, value="TRIAL-7")))
    assert replaced.PatientID == "TRIAL-7" and replaced.PatientIdentityRemoved == "YES"


def test_a_true_birth_date_stays_unless_it_tells_an_age_over_89() -> None:
    keep = override(Action.KEEP, 0x00100030)
    assert read(made(make_small(), keep)).PatientBirthDate == "19610404"
    old = part10(element(0x00080020, "DA", b"20200101"), element(0x00100030, "DA", b"19200301"))
    assert read(made(old, keep)).PatientBirthDate == ""
    assert read(made(old, keep, options=(MODIFIED,), birth_date=BirthDate.NEAR)).PatientBirthDate == "19290101"


def test_what_an_overlay_says_stays_only_by_an_override() -> None:
    data = part10(element(0x60003000, "OW", b"BITS"), element(0x60000022, "LO", b"LABEL "))
    assert b"BITS" not in made(data) and b"LABEL" not in made(data)
    new = made(data, override(Action.KEEP, 0x60003000))
    assert b"BITS" in new and b"LABEL" not in new


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (override(Action.REMOVE, 0x00080016), "what the object is"),
        (override(Action.EMPTY, 0x7FE00010), "what the object is"),
        (override(Action.REPLACE, 0x00280010, value="1"), "what the object is"),
        (override(Action.EMPTY, 0x00080018), "kept or mapped"),
        (override(Action.REPLACE, 0x0020000D, value="1.2.3"), "kept or mapped"),
        (override(Action.KEEP, 0x00020016), "the service writes"),
        (override(Action.KEEP, 0x00120063), "the service writes"),
        (override(Action.SHIFT, STUDY_DESCRIPTION), "only dates and times"),
        (override(Action.CLEAN, 0x00100010), "can't be cleaned"),
        (override(Action.CLEAN, 0x00420011), "can't be cleaned"),
        (override(Action.MAP, 0x00080060), "only UIDs and accession numbers"),
        (override(Action.REPLACE, 0x00080020, value="tomorrow"), "can't be read"),
        (override(Action.REPLACE, 0x00080050, value="A" * 17), "longer"),
        (override(Action.REPLACE, STUDY_DESCRIPTION, value="Größe"), "ASCII"),
        (override(Action.REPLACE, 0x00081115, value="x"), "only text"),
        (override(Action.REMOVE, MANUFACTURER, sop_classes=OF_CT), "type 2 in CT Image Storage"),
        (override(Action.REMOVE, MODALITY, sop_classes=OF_CT), "type 1 in CT Image Storage"),
        (override(Action.EMPTY, MODALITY, anywhere=True, sop_classes=OF_CT), "type 1 in CT Image Storage"),
        (override(Action.REMOVE, 0x00081115, 0x00081140, sop_classes=frozenset({GSPS})), "type 1 in Grayscale Soft"),
        (override(Action.KEEP, 0x00190010), "creator"),
        (Override(TagPath(()), Action.KEEP), "no attribute"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_override_that_cannot_be_followed_is_refused_by_its_number(wrong: Override, told: str) -> None:
    with pytest.raises(DianaError) as refused:
        compile_plan(profile(overrides=(override(Action.KEEP, STUDY_DESCRIPTION), wrong)))
    assert refused.value.reason is Reason.PROFILE_INVALID
    assert [violation.field for violation in refused.value.fields] == ["overrides[1]"]
    assert told in refused.value.fields[0].description


def test_what_the_named_sop_classes_can_do_without_may_go() -> None:
    may = [
        override(Action.EMPTY, MANUFACTURER, sop_classes=OF_CT),
        override(Action.REMOVE, STUDY_DESCRIPTION, sop_classes=OF_CT),
        override(Action.REMOVE, 0x00200052, sop_classes=frozenset({"1.2.840.10008.5.1.4.1.1.7"})),
    ]
    assert compile_plan(profile(overrides=tuple(may))).overrides == tuple(may)
