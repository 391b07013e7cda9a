"""Profiles as people write them: what is read, and all that is wrong with them at once."""

from __future__ import annotations

import json

import pytest

from diana_anon.core.planning.plan import compile_plan
from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Action, BirthDate, PixelPolicy, TagPath
from diana_anon.core.profiles import (
    NAMES,
    Fault,
    Origin,
    ReadProfile,
    check_profile,
    profile_digest,
    read_profile,
    shipped,
    shipped_profile,
    shipped_text,
)
from diana_common.conditions import Step
from diana_common.errors import DianaError, Reason

HEAD = "profile: mine\n"
MIB = 1024 * 1024


def read(text: str) -> ReadProfile:
    return read_profile(text.encode())


def faults(text: str | bytes) -> list[str]:
    """The faults of a text, as error details name them."""
    found = check_profile(text.encode() if isinstance(text, str) else text)
    assert isinstance(found, tuple)
    return [str(fault) for fault in found]


def one_fault(text: str) -> str:
    [fault] = faults(text)
    return fault


def override(text: str) -> str:
    """A profile of one override; its settings are on lines 3 and following."""
    return f"{HEAD}overrides:\n  - " + text.replace("\n", "\n    ")


def test_everything_that_a_profile_can_say() -> None:
    made = read("""
profile: mine
description: For the project
extends: trial
options: [clean-pixel-data, "113109", RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES]
birth_date: remove
pixels:
  read_text: false
  quarantine_below: 0.25
  regions: |
    rules:
      - {name: top, why: A name stands there., when: Modality = US, mask: [[0, 0, 0, 40]]}
overrides:
  - tag: StationName
    action: replace
    value: 0012
    iod: [CT Image Storage, MRImageStorage, 1.3.12.2.1107.5.9.1]
  - tag: "*.RequestAttributesSequence.(0040,0009)"
    action: keep
  - {tag: "(0019,xx0C){GEMS_X.01}", action: keep, modality: [CT, MR], station: "A*", when: 'Rows > 1'}
""")
    profile = made.profile
    assert (profile.name, profile.description, profile.birth_date) == ("mine", "For the project", BirthDate.REMOVE)
    assert {option.value for option in profile.options} == {"113101", "113105", "113107", "113109"}
    assert profile.pixels.regions.startswith("rules:\n")
    assert profile.pixels == PixelPolicy(False, 0.25, profile.pixels.regions)
    inherited, station, step, private = profile.overrides
    assert inherited == shipped_profile("trial").overrides[0]
    assert (station.action, station.value, station.condition) == (Action.REPLACE, "0012", None)
    assert station.sop_classes == {"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.3.12.2.1107.5.9.1"}
    assert step.path == TagPath((Step(0x00400275), Step(0x00400009)), anywhere=True)
    assert private.path == TagPath((Step(0x0019000C, "GEMS_X.01"),))
    condition = "(Modality = CT OR Modality = MR) AND StationName = A* AND Rows > 1"
    assert private.text == f"(0019,xx0C){{GEMS_X.01}} keep when {condition}"
    assert made.origins[1:] == (Origin("mine", 14), Origin("mine", 18), Origin("mine", 20, condition))
    assert made.origins[0].profile == "trial"
    assert compile_plan(profile).profile is profile


def test_all_faults_are_told_at_once_in_the_order_of_the_text() -> None:
    text = """profile: Trial X
optoins: []
extends: basik
options: [113102, clean-descriptors, retain-longitudinal-full-dates, "113107", retain-uid]
birth_date: far
pixels: {read_text: maybe, quarantine_below: 2, regions: rules.yaml}
overrides:
  - tag: AccesionNumber
    action: mapp
  - tag: StudyDate
    action: replace
    value: 2026
    iod: [CT Image Storage, CT Imag Storage]
    when: 'Manufactuer : "x"'
  - tag: StudyDescription
    tag: SeriesDescription
    action: clean
    value: x
  - 5
"""
    assert [fault.split(": ")[:2] for fault in faults(text)] == [
        ["line 1", "profile"],
        ["line 2", "optoins"],
        ["line 3", "extends"],
        ["line 4", "options[0]"],
        ["line 4", "options[4]"],
        ["line 4", "options"],
        ["line 5", "birth_date"],
        ["line 6", "pixels"],
        ["line 6", "pixels.read_text"],
        ["line 6", "pixels.quarantine_below"],
        ["line 6", "pixels.regions"],
        ["line 8", "overrides[0].tag"],
        ["line 9", "overrides[0].action"],
        ["line 12", "overrides[1].value"],
        ["line 13", "overrides[1].iod[1]"],
        ["line 14", "overrides[1].when"],
        ["line 16", "overrides[2].tag"],
        ["line 18", "overrides[2].value"],
        ["line 19", "overrides[3]"],
    ]
    with pytest.raises(DianaError) as caught:
        read_profile(text.encode(), "trial.yaml")
    assert caught.value.reason is Reason.PROFILE_INVALID
    assert caught.value.message.startswith("trial.yaml: line 1: profile: must be 1 to 63")
    assert caught.value.fields[1].field == "line 2: optoins"
    assert caught.value.fields[1].description == "is not a setting; did you mean 'options'?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: profile: is required"),
        ("[]", "line 1: must be a mapping of settings: profile"),
        (HEAD + "profile: yours", "line 2: profile: is said twice, first on line 1"),
        (HEAD + "description:", "line 2: description: is empty"),
        (HEAD + "description: [x]", "line 2: description: must be text"),
        (HEAD + "description: " + "x" * 5000, "line 2: description: has more than 4,096 characters"),
        (HEAD + "options: clean-descriptors", "line 2: options: must be a list"),
        *(
            (HEAD + f"overrides: [{{tag: PatientName, action: remove, {key}: []}}]", f"overrides[0].{key}: is empty")
            for key in ("iod", "modality", "station")
        ),
        (HEAD + "options: [clean-descriptor]", "did you mean 'clean-descriptors'?"),
        (HEAD + "options: [clean-recognizable-visual-features]", "113102, Clean Recognizable Visual Features, is not"),
        (HEAD + "extends: trial\noptions: [113106]", "full and modified dates exclude one another"),
        (HEAD + "extends: other", "is no profile that comes with the service; known: basic"),
        (HEAD + "birth_date: near\npixels: {}", "line 3: pixels: has no meaning without the option clean-pixel-data"),
        (HEAD + "overrides: {}", "line 2: overrides: must be a list"),
        (override("action: keep"), "line 3: overrides[0].tag: is required"),
        (override("tag: PatientSex"), "line 3: overrides[0].action: is required"),
        (override("tag: PatientSex\naction: replace"), "line 4: overrides[0].value: is required"),
        (override("tag: PatientSex\naction: replace\nvalue: male"), "1 to 16 capital letters"),
        (override("tag: PatientSex\naction: replace\nvalue: Ö"), "must be 1 to 16 capital letters"),
        (override("tag: PatientSex\naction: shift"), "only dates and times"),
        (override("tag: PatientSex\naction: replace\nvalue: M\\F"), "must be one value"),
        (override("tag: SeriesNumber\naction: replace\nvalue: 1.5"), "must be a whole number"),
        (override("tag: StudyTime\naction: replace\nvalue: 9:30"), "must be a time, as 093000 (VR TM)"),
        (override("tag: StudyDate\naction: replace\nvalue: 20260230"), "can't be read as DA"),
        (override("tag: Rows\naction: replace\nvalue: 5"), "can't be changed"),
        (override("tag: PatientAge\naction: map"), "only UIDs and accession numbers"),
        (override("tag: SOPInstanceUID\naction: remove"), "can be kept or mapped, nothing else"),
        (
            override("tag: Modality\naction: remove\niod: CT Image Storage"),
            "line 4: overrides[0].action: it is of type 1",
        ),
        (override("tag: PatientIdentityRemoved\naction: remove"), "the service writes this attribute itself"),
        (override("tag: PatientSex.PatientAge\naction: keep"), "PatientSex is no sequence: nothing stands within it"),
        (override("tag: (0019,1001)\naction: keep"), "is private: write the block as xx and name its creator"),
        (override('tag: "(0020,xx01){X}"\naction: keep'), "its group is even: it is not private"),
        (override("tag: (0008,ABCD)\naction: keep"), "is no attribute of PS3.6"),
        (override("tag: PatientAges\naction: keep"), "did you mean 'PatientAge'?"),
        (override("tag: 'a.b..'\naction: keep"), "'a' is no attribute; give a keyword"),
        (override("tag: *.PatientAge\naction: keep"), 'begins with "*", which is an alias in YAML'),
        (override("tag: PatientAge\naction: keep\niod: CTImageStorag"), "is no SOP Class; "),
        (override("tag: PatientAge\naction: keep\niod: 1.2.840.10008.5.1.4.1.1.999"), "no SOP Class that PS3.6 knows"),
        (override(f"tag: PatientAge\naction: keep\nmodality: {'x' * 65}"), "modality: has more than 64 characters"),
        (override("tag: PatientAge\naction: keep\nwhen: 'Modality'"), "at character 1: expected an attr"),
        (override("tag: PatientAge\naction: keep\nwhen: 'Rows > 1 AND'"), "when: at character 13: expected"),
        (override("tag: PatientAge\naction: keep\nwhen: 'Rows > many'"), "when: at character 8: expected a number"),
        (override("tag: PatientAge\naction: keep\nwhen: 'StudyDate = x'"), "expected a value of VR DA"),
        (override("tag: PatientAge\naction: keep\nwhen: 'Modality < CT'"), "a text has no order; use =, != or :"),
        (override("tag: PatientAge\naction: keep\nwhen: 'Modality.Rows = 1'"), "Modality is no sequence"),
        (override("tag: PatientAge\naction: keep\nwhen: 'PixelData = 1'"), 'is only there or not: write ":*"'),
        (override("tag: PatientAge\naction: keep\nwhen: 'SOPClassUID = CT'"), "expected a UID"),
        (override(f"tag: PatientAge\naction: keep\nwhen: 'Modality = {'*a' * 200}'"), "256 characters at most"),
    ],
)
def test_a_fault_says_where_it_is_and_what_would_be_right(text: str, said: str) -> None:
    assert said in one_fault(text)


def test_faults_in_the_rules_for_pixels_are_told_by_the_profile_s_lines() -> None:
    text = HEAD + "options: [clean-pixel-data]\npixels:\n  regions: |\n    rules:\n      - {name: x}\n"
    assert {fault.split(": ")[0] for fault in faults(text)} == {"line 6"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: &x [1]\nb: *x", "line 1: has an anchor (&)"),
        (b"a: *x", "line 1: begins with"),
        (b"profile: mine\ndescription: !!python/name:os.system x", "line 2: has a YAML tag (!)"),
        (b"profile: mine\n---\nprofile: yours", "line 2: begins a second document"),
        (b"profile: \x00", "line 1: has a control character"),
        (b"profile: mine\ndescription: \xff", "line 2: is not UTF-8 text"),
        (b"profile: [", "is not YAML at column"),
        (b"? [a]\n: b", "line 1: is a list or a mapping where a setting's name is expected"),
        (b"[" * MIB, "line 1: is too much"),
        (b"{a: " * 200_000, "line 1: is too much"),
        (b"- x\n" * 200_000, "line 100000: is too much"),
        (b"%TAG !a! x\n" * 90_000, "line 1: begins with %, a YAML directive"),
        (HEAD.encode() + b"overrides:\n  - {tag: Rows, action: keep, iod: [" + b"x," * 90_000 + b"]}", "more than 256"),
        (b"#" * (MIB + 1), "has more than 1,048,576 bytes"),
        (HEAD.encode() + b"overrides:\n" + b"  - {}\n" * 1_001, "line 1003: overrides: are more than 1,000"),
    ],
)
def test_hostile_yaml_is_refused_at_once(text: bytes, said: str) -> None:
    assert said in faults(text)[0]


def test_a_text_of_nothing_but_faults_is_read_no_further_than_anyone_would() -> None:
    text = HEAD + "options:\n" + "  - nonsense\n" * 50_000
    assert len(faults(text)) == 200
    with pytest.raises(DianaError) as caught:
        read(text)
    assert len(caught.value.fields) == 20
    assert caught.value.message.endswith("(and 199 more faults)")


def test_faults_repeat_no_more_of_a_text_than_a_short_word() -> None:
    assert len(one_fault(f"{HEAD}{'y' * 100}: 1")) < 200
    assert "\x1b" not in one_fault(override('tag: "x\\e[31m"\naction: keep'))


def test_a_fault_without_a_line_or_a_setting_says_what_it_has() -> None:
    assert [str(Fault(0, "", "x")), str(Fault(3, "", "x")), str(Fault(0, "a", "x"))] == [
        "document: x",
        "line 3: x",
        "a: x",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_with_the_service_can_be_used(name: str) -> None:
    made = shipped(name)
    assert made == read_profile(shipped_text(name))
    assert (made.profile.name, bool(made.profile.description)) == (name, True)
    compile_plan(made.profile)


def test_what_comes_with_the_service_is_what_it_says() -> None:
    assert not shipped_profile("basic").options
    assert shipped_profile("trial").birth_date is BirthDate.NEAR
    assert [one.cleans_pixels for one in map(shipped_profile, NAMES)] == [False, False, False, True]
    assert [one.shifts_dates for one in map(shipped_profile, NAMES)] == [False, True, True, True]
    public = shipped_profile("public-release").options
    assert Option.RETAIN_DEVICE_IDENTITY not in public
    for unknown in ("", "other"):
        with pytest.raises(KeyError):
            shipped_profile(unknown)


def test_the_digest_is_of_what_a_profile_means() -> None:
    text = "options: [113105, retain-uids]\nbirth_date: near\noverrides:\n  - {tag: PatientAge, action: keep}\n"
    meant = profile_digest(read(HEAD + text).profile)
    same = [
        "profile: yours # a comment\n" + text,
        HEAD + "description: told\n" + text,
        HEAD + 'birth_date: "near"\noverrides: [{action: keep, tag: "(0010,1010)"}]\noptions: ["113110", 113105]',
    ]
    other = [
        HEAD + text.replace("near", "remove"),
        HEAD + text.replace("retain-uids", "retain-device-identity"),
        HEAD + text.replace("keep", "remove"),
        HEAD + text.replace("PatientAge", '"*.PatientAge"'),
        HEAD + text.replace("keep", "keep, modality: CT"),
        HEAD + text.replace("keep", "keep, iod: CT Image Storage"),
    ]
    assert {profile_digest(read(one).profile) for one in same} == {meant}
    digests = {profile_digest(read(one).profile) for one in other}
    assert len(digests) == len(other) and meant not in digests


def test_digests_stay_what_they_are() -> None:
    """Receipts name profiles by them, on any machine and for good."""
    basic = "32f2b70b7cbec42ac5ba21a60c433e910701cdc4a0024b241d165538dfadc27d"
    assert profile_digest(shipped_profile("basic")) == basic
    text = HEAD + "options: [113101]\npixels: {quarantine_below: 1}\noverrides: "
    text += "[{tag: Rows, action: keep, when: Rows > 1}]"
    assert profile_digest(read(text).profile) == "9adfe4bb947b1e51538e8384bcfd82494a21146828cfb7303f2b52cf517d65c6"
    assert json.dumps(read(text).profile.overrides[0].text) == '"Rows keep when Rows > 1"'
