"""The log of actions: where, what, never a value; and the same bytes with and without it."""

from __future__ import annotations

from dataclasses import replace

from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import BirthDate, Profile
from diana_anon.core.rewriting.actions import ActionLog
from tests.support.dicom_files import make_small
from tests.unit.anon.engine_files import profile, under
from tests.unit.common.builder import element, item, part10

MODIFIED = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES
EVERY = profile(MODIFIED, Option.CLEAN_DESCRIPTORS, Option.RETAIN_SAFE_PRIVATE, Option.CLEAN_STRUCTURED_CONTENT)


def actions(data: bytes, chosen: Profile) -> dict[str, str]:
    log = ActionLog()
    under(data, chosen, log=log)
    return dict(log.actions)


def test_the_log_costs_no_byte() -> None:
    assert under(make_small(), EVERY, log=ActionLog()) == under(make_small(), EVERY)


def test_every_kind_of_action_is_named_as_profiles_name_it() -> None:
    found = actions(make_small(), EVERY)
    assert found["(0010,0010)"] == found["(0010,0020)"] == "identity"
    assert found["(0010,0030)"] == "empty"
    near = replace(EVERY, birth_date=BirthDate.NEAR)
    assert actions(make_small(PatientBirthDate="19610404"), near)["(0010,0030)"] == "identity"
    assert found["(0008,0018)"] == "map"
    assert found["(0008,0020)"] == "shift"
    assert found["(0008,0050)"] == "empty"
    assert found["(0008,1010)"] == "remove"
    assert found["(0019,0010)"] == found["(0019,1001)"] == "remove"
    assert "(0028,0010)" not in found and "(7FE0,0010)" not in found


def test_text_that_stays_as_it_is_is_no_action() -> None:
    text = element(0x00081030, "LO", b"CT Thorax ")
    assert "(0008,1030)" not in actions(part10(text), EVERY)
    planted = element(0x00081030, "LO", b"CT ZQPLANTED")
    assert actions(part10(planted), EVERY)["(0008,1030)"] == "clean"


def test_paths_lead_through_items() -> None:
    requests = item(element(0x00080050, "SH", b"A1")) + item(element(0x00080050, "SH", b"A2"))
    nested = element(0x00081115, "SQ", item(element(0x00081140, "SQ", item(b"") + requests)))
    found = actions(part10(nested, element(0x00100020, "LO", b"X1")), profile())
    assert found["(0008,1115)[0].(0008,1140)[1].(0008,0050)"] == "empty"
    assert found["(0008,1115)[0].(0008,1140)[2].(0008,0050)"] == "empty"
    assert found["(0010,0020)"] == "identity"


def test_a_sequence_that_goes_is_one_action() -> None:
    gone = element(0x00081120, "SQ", item(element(0x00080050, "SH", b"A1")))
    found = [path for path in actions(part10(gone), profile()) if path.startswith("(0008,1120)")]
    assert found == ["(0008,1120)"]


def test_what_is_dropped_for_being_unsound_is_logged() -> None:
    assert actions(part10(element(0x00280010, "LO", b"ZQ")), profile())["(0028,0010)"] == "remove"


def test_what_the_engine_writes_anew_is_not_said_to_be_removed() -> None:
    earlier = element(0x00120062, "CS", b"NO"), element(0x00120063, "LO", b"by hand ")
    found = actions(part10(*earlier), profile())
    assert found["(0012,0062)"] == found["(0012,0063)"] == "replace"
    assert (found["(0010,0020)"], found["(0010,0030)"]) == ("identity", "empty")  # which the source did not have


def test_a_dummy_item_in_an_empty_sequence_is_an_action() -> None:
    assert actions(part10(element(0x0040A730, "SQ", b"")), profile())["(0040,A730)"] == "dummy"


def test_numbers_and_moments_that_hold_text_are_not_kept() -> None:
    full = profile(Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES)
    planted = element(0x00080032, "TM", b"ZQNAME"), element(0x00280106, "US", b"ZQNAME")
    found = actions(part10(*planted), full)
    assert found["(0008,0032)"] == found["(0028,0106)"] == "remove"
    assert "(0008,0032)" not in actions(part10(element(0x00080032, "TM", b"101112.5")), full)
