"""What is gathered from a header follows from Table E.1-1: its rows, VRs and option columns."""

from __future__ import annotations

import base64
from dataclasses import fields, replace
from datetime import date

import pytest

from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import Action, Override, Profile, TagPath
from diana_anon.core.text.attributes import Kind, Kinds, has_row
from diana_anon.core.text.identifiers import NOBODY, Identifiers, gathered, named
from diana_anon.core.text.words import folded, is_common, spellings, words
from diana_common.conditions import Header, Step
from diana_common.errors import DianaError, Reason
from diana_common.tags import tag_hex, tag_of

KINDS = {
    "PatientName": ("PN", Kind.PERSON),
    "OperatorsName": ("PN", Kind.PERSON),
    "PatientID": ("LO", Kind.ID),
    "AccessionNumber": ("SH", Kind.ID),
    "PatientTelephoneNumbers": ("SH", Kind.ID),
    "PatientAddress": ("LO", Kind.ID),
    "InstitutionName": ("LO", Kind.PLACE),
    "InstitutionAddress": ("ST", Kind.PLACE),
    "InstitutionCodeSequence": ("SQ", Kind.PLACE),
    "OtherPatientIDsSequence": ("SQ", Kind.ID),
    "StationName": ("SH", Kind.STATION),
    "PerformedStationAETitle": ("AE", Kind.STATION),
    "DeviceSerialNumber": ("LO", Kind.DEVICE),
    "StudyDate": ("DA", Kind.DATE),
    "AcquisitionDateTime": ("DT", Kind.DATE),
    "PatientBirthDate": ("DA", Kind.BIRTH),
    "StudyInstanceUID": ("UI", Kind.UID),
    "SeriesDescription": ("LO", None),
    "RequestAttributesSequence": ("SQ", None),
    "PatientAge": ("AS", None),
    "EthnicGroup": ("SH", None),
    "Manufacturer": ("LO", None),
    "BodyPartExamined": ("CS", None),
    "StudyTime": ("TM", None),
    "SOPClassUID": ("UI", None),
    "PatientComments": ("LT", None),
}


def _key(keyword: str) -> str:
    tag = tag_of(keyword)
    assert tag is not None
    return tag_hex(tag)


@pytest.mark.parametrize("keyword", KINDS)
def test_how_an_attribute_tells(keyword: str) -> None:
    vr, kind = KINDS[keyword]
    assert Kinds.of(None, None)[_key(keyword), vr] is kind


def test_a_name_tells_of_a_person_whatever_its_attribute_and_a_private_text_of_nobody() -> None:
    kinds = Kinds.of(None, None)
    assert kinds["00091001", "PN"] is Kind.PERSON
    assert kinds["00091001", "LO"] is None
    assert Kinds.of(Kind.PLACE, None)["00080104", "LO"] is Kind.PLACE  # Code Meaning in Institution Code Sequence
    assert Kinds.of(Kind.PLACE, None)["00080102", "SH"] is None  # Coding Scheme Designator
    assert has_row(0x00100010)
    assert not has_row(0x00080070)


def header(**values: object) -> Header:
    vrs = {"Name": "PN", "Date": "DA", "UID": "UI", "Sequence": "SQ"}
    found = {}
    for keyword, value in values.items():
        vr = next((vr for end, vr in vrs.items() if keyword.endswith(end) and keyword != "InstitutionName"), "LO")
        values_ = [{"Alphabetic": value}] if vr == "PN" else value if isinstance(value, list) else [value]
        found[_key(keyword)] = {"vr": vr, "Value": values_}
    return found


def test_the_words_of_names() -> None:
    known = gathered(header(PatientName="van der Berg^Jo^K", OperatorsName="KIM^Anna-Lena^^Dr^III"))
    assert known.people == {"berg", "kim", "anna", "lena"}
    assert {"van", "der", "jo", "k", "b", "j"} <= known.beside
    assert {"vanderberg", "vanderbergjo", "jovanderberg", "kimannalena", "annalenakim"} <= known.runs
    assert not {"dr", "iii"} & (known.people | known.beside)


def test_the_words_of_ids_and_places() -> None:
    known = gathered(
        header(PatientID="AB-2020-778899", StudyID="7", AdmissionID="4711", InstitutionName="General Hospital Quimby")
    )
    assert known.codes == {"778899", "4711"}
    assert known.places == {"quimby"}
    assert {"ab2020778899", "generalhospitalquimby"} <= known.runs


def test_dates_are_told_apart_by_whether_an_option_keeps_them() -> None:
    known = gathered(header(StudyDate="20200131", PatientBirthDate="19610203", StudyInstanceUID="1.2.826.0.1.99.2"))
    assert known.dates == {date(2020, 1, 31)}
    assert known.births == {date(1961, 2, 3)}
    assert known.uids == {"1.2.826.0.1.99.2"}
    assert known.stamps == {(0x00080020, "20200131"), (0x00100030, "19610203")}


def test_items_of_sequences_are_looked_into() -> None:
    item = header(PatientID="ZZ8811", PatientName="Hidden^Henry")
    known = gathered(header(OtherPatientIDsSequence=[item]))
    assert "zz8811" in known.codes
    assert {"hidden", "henry"} <= known.people


def test_what_a_profile_retains_or_keeps_is_not_gathered() -> None:
    found = header(InstitutionName="Quimby Clinic", StudyDate="20200131", PatientID="AB99123", PatientName="Roe^Jane")
    options = {Option.RETAIN_INSTITUTION_IDENTITY, Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES}
    keep = Override(TagPath((Step(0x00100020),)), Action.KEEP)
    profile = Profile("p", frozenset(options), overrides=(keep,))
    known = gathered(found, profile)
    assert (known.places, known.dates, known.codes) == (frozenset(), frozenset(), frozenset())
    assert "jane" in known.people
    assert gathered(found, replace(profile, overrides=())).codes == {"ab99123"}


def test_joining_adds_and_keeps_the_object_when_there_is_nothing_to_add() -> None:
    one, other = named(["Jane Roe"]), named(["K-90210"])
    both = one | other
    assert one <= both and other <= both
    assert both | one is both
    assert NOBODY | NOBODY is NOBODY
    assert all(getattr(both, each.name) >= getattr(one, each.name) for each in fields(Identifiers))


def test_identifiers_are_not_shown() -> None:
    assert "jane" not in repr(named(["Jane Roe"]))


def test_listed_birth_dates_and_dates() -> None:
    known = named(["20200131"], births=[date(1961, 2, 3)])
    assert known.dates == {date(2020, 1, 31)}
    assert known.births == {date(1961, 2, 3)}


def test_words_are_folded() -> None:
    assert folded("MÜLLER") == folded("Mu\u0308ller") == "muller"
    assert spellings("Jörg") == {"jorg", "joerg"}
    assert folded("Łódź") == "lodz"
    assert folded("ｽﾐｽ") == folded("スミス")
    assert [word.text for word in words("CT山田_x")] == ["ct", "山", "田", "x"]
    assert is_common("chest") and not is_common("featherstone")


def test_a_name_whose_element_has_a_wrong_vr_is_a_name() -> None:
    hidden = base64.b64encode(b"Abernathy^Quill").decode()
    for element in ({"vr": "OB", "InlineBinary": hidden}, {"vr": "UI", "Value": ["Abernathy^Quill"]}):
        assert gathered({"00100010": element}).people >= {"abernathy", "quill"}


def test_a_long_name_is_known_to_its_end() -> None:
    name = "Aberdeen Abernathy " * 4000 + "Quillfeather"
    known = gathered({"00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]}})
    assert "quillfeather" in known.people
    assert max(map(len, known.runs)) < 200


def test_a_name_is_known_as_it_stands_and_without_what_hides_it() -> None:
    known = gathered({"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Feather\u200bstone^Ma\ufffdry"}]}})
    assert known.people >= {"feather", "stone", "featherstone", "mary"}


def test_a_name_spelled_letter_by_letter_is_a_word() -> None:
    known = gathered({"00100010": {"vr": "PN", "Value": [{"Alphabetic": "M I L L E R^J R"}]}})
    assert known.people == {"miller"}


def test_a_value_that_the_header_only_refers_to_is_read_in_the_file() -> None:
    source = b"..." + "Quillfeather\\Müller ".encode() * 100_000
    header = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00100010": {"vr": "UN", "BulkDataURI": f"range:3-{len(source) - 3}"},
    }
    assert gathered(header).people == frozenset()
    assert gathered(header, source=source).people == {"quillfeather", "muller", "mueller"}


@pytest.mark.parametrize(
    "element",
    [
        {"vr": "UN", "BulkDataURI": "deflated-range:3-2000"},
        {"vr": "UN", "BulkDataURI": "range:3-5000000"},
        {"vr": "PN", "Value": [{"Alphabetic": "a" * 2_500_000}, {"Alphabetic": "b" * 2_500_000}]},
    ],
    ids=["deflated", "long", "several"],
)
def test_an_object_whose_names_cannot_all_be_read_is_refused(element: dict[str, object]) -> None:
    with pytest.raises(DianaError) as refused:
        gathered({"00100010": element}, source=b"")
    assert refused.value.reason is Reason.NOT_DEIDENTIFIABLE
    gathered({"00100010": element})  # of a sibling as much as can be had
