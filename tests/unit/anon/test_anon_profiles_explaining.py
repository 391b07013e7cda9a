"""What a profile does to an attribute, and why; and where two profiles differ."""

from __future__ import annotations

import pytest

from diana_anon.core.planning.plan import compile_plan
from diana_anon.core.profiles import NAMES, read_profile, shipped
from diana_anon.core.profiles.comparing import Difference, differences, named_paths
from diana_anon.core.profiles.explaining import Conditional, Explainer, Explanation
from diana_anon.core.profiles.paths import parse_path

MR = "1.2.840.10008.5.1.4.1.1.4"
OWN = read_profile(b"""profile: own
extends: trial
options: [retain-patient-characteristics]
overrides:
  - {tag: StudyDescription, action: remove, modality: CT}
  - {tag: StudyDescription, action: keep}
  - {tag: StudyDescription, action: empty, modality: MR}
  - {tag: SeriesDescription, action: keep, iod: MR Image Storage}
  - {tag: "*.CodeMeaning", action: clean, when: 'Manufacturer : GE'}
  - {tag: "(0019,xx0D){ACME}", action: keep}
  - {tag: Manufacturer, action: remove}
  - {tag: Modality, action: empty, station: CT1}
""")


def explained(path: str, name: str = "basic", sop_class_uid: str = "") -> Explanation:
    read = OWN if name == "own" else shipped(name)
    return Explainer(read, compile_plan(read.profile), sop_class_uid).explain(parse_path(path))


@pytest.mark.parametrize(
    ("path", "profile", "action", "why"),
    [
        ("PatientName", "basic", "identity", "guid"),
        ("PatientBirthDate", "basic", "empty", "birth_date: remove"),
        ("PatientBirthDate", "trial", "identity", "near the true one"),
        ("StudyDate", "basic", "empty", "basic code Z; type 2 in CT Image Storage, so Z."),
        ("StudyDate", "trial", "shift", "Option retain-longitudinal-modified-dates (113107): C in Table E.1-1"),
        ("StationName", "basic", "remove", "basic code X/Z/D; type 3 in CT Image Storage, so X."),
        ("StudyDescription", "basic", "remove", "Table E.1-1 of PS3.15 2026c: basic code X."),
        ("AccessionNumber", "trial", "map", "Override on line"),
        ("RequestAttributesSequence.AccessionNumber", "trial", "map", "*.AccessionNumber map"),
        ("RequestAttributesSequence", "trial", "keep", "Option clean-descriptors (113105)"),
        (
            "RequestAttributesSequence.AccessionNumber",
            "basic",
            "remove",
            "Sequence, in which it stands, is not kept",
        ),
        ("TimezoneOffsetFromUTC", "trial", "remove", "basic code X"),
        ("SOPInstanceUID", "basic", "map", "basic code U."),
        ("ReferencedSOPClassUID", "basic", "keep", "names a kind of thing"),
        ("DimensionOrganizationUID", "basic", "map", "U"),
        ("ContentSequence.TextValue", "basic", "dummy", "In a content tree: its shape"),
        ("ContentSequence.TextValue", "public-release", "clean", "Table E.3.4-1"),
        ("(6000,3000)", "public-release", "remove", "overlays (60xx)"),
        ("Rows", "basic", "keep", "no row for it, and it is not known to tell"),
        ("ConvolutionKernel", "trial", "clean", "free text"),
        ("PixelData", "basic", "keep", "untouched"),
        ("PixelData", "public-release", "clean", "113101"),
        ("PatientAge", "public-release", "clean", "Option retain-patient-characteristics (113108): K"),
        ("PatientIdentityRemoved", "basic", "replace", "writes it anew"),
        ("TransferSyntaxUID", "basic", "replace", "writes it anew"),
        ("(0019,xx0C){SIEMENS MR HEADER}", "basic", "remove", "without the option retain-safe-private"),
        ("(0019,xx0C){SIEMENS MR HEADER}", "public-release", "keep", "Table E.3.10-1"),
        ("(0019,xx0C){ACME}", "public-release", "remove", "Private, and not in"),
        ("(0019,xx0D){ACME}", "own", "keep", "Override on line 10 of profile own"),
    ],
)
def test_the_strongest_reason_comes_first(path: str, profile: str, action: str, why: str) -> None:
    told = explained(path, profile)
    assert (told.action, why in told.reasons[0]) == (action, True), told.reasons


def test_the_path_is_told_in_tags() -> None:
    told = explained("RequestAttributesSequence.ScheduledProcedureStepID")
    assert (told.path, told.keyword) == ("(0040,0275).(0040,0009)", "ScheduledProcedureStepID")
    assert (explained("(0019,xx0c){ACME}").path, explained("(0019,xx0c){ACME}").keyword) == ("(0019,xx0C){ACME}", "")


def test_conditions_are_told_but_for_those_that_a_later_override_makes_void() -> None:
    told = explained("StudyDescription", "own")
    assert told.action == "keep"
    assert told.reasons[0] == "Override on line 6 of profile own: StudyDescription keep."
    assert told.conditional == (Conditional("Modality = MR", "empty", 7),)
    nested = explained("RequestedProcedureCodeSequence.CodeMeaning", "own")
    assert nested.conditional == (Conditional("Manufacturer : GE", "clean", 9),)


def test_what_an_object_must_have_is_told_not_to_go() -> None:
    told = explained("Manufacturer", "own")
    assert told.action == "empty"
    assert told.reasons[1] == "Type 2 in CT Image Storage, which needs it, so empty."
    assert explained("Modality", "own").conditional == (Conditional("StationName = CT1", "dummy", 12),)


def test_an_override_is_for_its_sop_classes() -> None:
    assert explained("SeriesDescription", "own").action == "clean"
    assert explained("SeriesDescription", "own", MR).action == "keep"


def compared(left: str, right: str) -> dict[str, Difference]:
    reads = [OWN if name == "own" else shipped(name) for name in (left, right)]
    one, other = (Explainer(read, compile_plan(read.profile)) for read in reads)
    return {found.path: found for found in differences(one, other, named_paths(*reads))}


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_does_not_differ_from_itself(name: str) -> None:
    assert not compared(name, name)


def test_two_profiles_differ_in_what_their_options_and_overrides_say() -> None:
    found = compared("trial", "own")
    assert set(found) >= {"(0008,1030)", "(0010,1010)", "(0019,xx0D){ACME}"}
    assert found["(0008,1030)"] == Difference(
        "(0008,1030)", "StudyDescription", "clean", "keep (empty if Modality = MR)"
    )
    assert found["(0019,xx0D){ACME}"] == Difference("(0019,xx0D){ACME}", "", "remove", "keep")
    assert "(0008,0050)" not in found
    assert list(compared("basic", "trial")) == sorted(compared("basic", "trial"))
