"""Filters that cannot be answered, and hostile ones: what is wrong is said, and values are never more than values."""

from __future__ import annotations

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.filters.parser import MAX_DEPTH
from diana_index.core.attributes import Level
from diana_index.core.question import Asked, Key
from tests.unit.index.index_bench import NO_WAIT, IndexBench

SECRET = "Q7secret"


@pytest.mark.parametrize(
    ("text", "character", "why", "reason"),
    [
        (f"NoSuchName = {SECRET}", 1, "is no attribute that the index matches", Reason.KEY_UNSUPPORTED),
        (f"Modality = CT AND PixelData = {SECRET}", 19, "CreateSearchKey", Reason.KEY_UNSUPPORTED),
        (f"RequestAttributesSequence = {SECRET}", 1, "CreateSearchKey", Reason.KEY_UNSUPPORTED),
        (f"report.{SECRET} = 1", 1, "expected one of radcat", Reason.FILTER_INVALID),
        (f"StudyDate = {SECRET}", 13, "takes a date", Reason.FILTER_INVALID),
        (f"StudyDate > {SECRET}", 13, "takes a date", Reason.FILTER_INVALID),
        ("StudyDate > 20260101-20260131", 13, "takes a date", Reason.FILTER_INVALID),
        ('StudyDate > ""', 13, "takes a date", Reason.FILTER_INVALID),
        (f"StudyTime = {SECRET}", 13, "takes a time", Reason.FILTER_INVALID),
        (f"AcquisitionDateTime = {SECRET}", 23, "takes a date and time", Reason.FILTER_INVALID),
        (f"SeriesNumber = {SECRET}", 16, "takes a number", Reason.FILTER_INVALID),
        ("SeriesNumber = 1_0", 16, "takes a number", Reason.FILTER_INVALID),
        ("SeriesNumber = 1*", 16, "takes a number", Reason.FILTER_INVALID),
        (f"SeriesNumber = {'9' * 400}", 16, "takes a number", Reason.FILTER_INVALID),
        (f"SOPClassUID = {SECRET}", 15, "takes a UID", Reason.FILTER_INVALID),
        ("SOPClassUID = 1.2.*", 15, "wildcards do not work in UIDs", Reason.FILTER_INVALID),
        (f"PatientID = {'x' * 251}", 13, "none over 250", Reason.FILTER_INVALID),
        ('PatientID = "\\"\\""', 13, "stands for none", Reason.FILTER_INVALID),
        ('PatientName > ""', 15, "takes no empty value", Reason.FILTER_INVALID),
        (f"report.radcat > {SECRET}", 17, "takes a number", Reason.FILTER_INVALID),
        ('"..."', 1, "no letter or digit", Reason.FILTER_INVALID),
        (f"Modality = {SECRET} AND", 24, "found the end", Reason.FILTER_INVALID),
        (f"Modality {SECRET} =", 10, "", Reason.FILTER_INVALID),
        (f'Modality = "{SECRET}', 12, "must end with the quotation mark", Reason.FILTER_INVALID),
        (f"lower({SECRET})", 1, "functions are not supported", Reason.FILTER_INVALID),
        ("PatientID = a\0b", 14, "control character", Reason.FILTER_INVALID),
        ("PatientID = \ud800", 13, "surrogate", Reason.FILTER_INVALID),
    ],
)
def test_a_filter_is_refused_by_character_and_reason_without_its_values(
    bench: IndexBench, text: str, character: int, why: str, reason: Reason
) -> None:
    with pytest.raises(DianaError) as refused:
        bench.count(Level.STUDY, filter=text)
    assert refused.value.reason is reason
    (field,) = refused.value.fields
    assert field.field == "filter"
    assert field.description.startswith(f"at character {character}: ") or not why
    assert why in field.description
    assert SECRET not in str(refused.value) + refused.value.message + field.description


def test_the_field_of_a_question_within_a_request_is_named(bench: IndexBench) -> None:
    for asked in (
        Asked("default", Level.STUDY, filter="=", path="question."),
        Asked("default", Level.STUDY, [Key("StudyDate", ("x",))], path="question."),
    ):
        with pytest.raises(DianaError) as refused:
            bench.index.count(asked, NO_WAIT)
        assert refused.value.fields[0].field.startswith("question.")


NESTED = [
    "NOT ({0})",
    "({0} {1} {2})",
    "({2} {1} {0})",
    "NOT ({2} {1} {0})",
    "({2} AND {2} OR NOT ({0}))",
    "({2} {2} OR -({0}))",
]


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize(
    "restriction",
    ["Modality = CT", "SOPInstanceUID != 1", "StudyDescription:x", "PatientID = a*", "word", "report.radcat = 3"],
)
def test_the_longest_and_the_deepest_filters_are_answered(bench: IndexBench, level: Level, restriction: str) -> None:
    bench.archive.store("1.1.1", PatientID="P1", Modality="CT")
    bench.catch_up()
    for word in ("AND", "OR"):
        assert bench.count(level, filter=f" {word} ".join([restriction] * 256)) in (0, 1)
        for pattern in NESTED:
            nested = restriction
            for _ in range(MAX_DEPTH // pattern.count("(")):
                nested = pattern.format(nested, word, restriction)
            assert bench.count(level, filter=nested) in (0, 1)
            assert bench.count(level, {"PatientID": "P1", "Modality": "CT"}, filter=nested) in (0, 1)
        with pytest.raises(DianaError):
            bench.count(level, filter=f" {word} ".join([restriction] * 257))


HOSTILE = [
    "' OR '1'='1", "'; DROP TABLE study; --", '" OR 1=1 --', "\\", "\\'", "%", "_", "[a-z]", "[^x]", "?1", ":name",
    "$1", "NEAR(a b)", "a AND b", "^a", "col:word", "a & b | !c", "a <-> b", "'a':*", "{}", "\u2028", "\U0010ffff",
    "e\u0301",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_match_themselves_and_nothing_else(bench: IndexBench, value: str) -> None:
    bench.archive.store("1.1.1", "1", "1.1", StudyDescription=value, ImageType=[value, "x"])
    bench.archive.store("2.1.1", "2", "2.1", StudyDescription="other words", ImageType=["a", "b"])
    bench.catch_up()
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    found = ["1", "2"] if value == "?" else ["1"]
    assert bench.uids(Level.STUDY, {"StudyDescription": value}) == found
    assert bench.uids(Level.STUDY, {"StudyDescription": f"*{value}*"}) == found
    assert bench.uids(Level.INSTANCE, {"ImageType": value}) == ["1.1.1"]
    for text in (f'StudyDescription = "{escaped}"', f'StudyDescription:"{escaped}"', f'ImageType = "{escaped}"'):
        assert bench.uids(Level.STUDY, filter=text) == found, text
    assert bench.count(Level.STUDY, filter=f'PatientName = "{escaped}"') == 0
    assert bench.count(Level.STUDY, {"PatientName": value}, fuzzy_names=True) in (0, 2)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_phrases_are_only_their_words(bench: IndexBench, value: str) -> None:
    bench.archive.store("1.1.1", StudyDescription="other words")
    bench.catch_up()
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    for text in (f'"{escaped}"', f'"{escaped}*"', f'"other {escaped}"'):
        try:
            assert bench.count(Level.STUDY, filter=text) in (0, 1)
        except DianaError as error:
            assert error.reason is Reason.FILTER_INVALID


@pytest.mark.parametrize("name", ["StudyDescription", "PatientName", "ImageType", "SOPInstanceUID", "OtherPatientIDs"])
def test_thousands_of_values_fit_in_one_key_of_any_kind(bench: IndexBench, name: str) -> None:
    bench.archive.store("1.1.7777", **({} if name == "SOPInstanceUID" else {name: "1.1.7777"}))
    bench.catch_up()
    values = [f"1.1.{number}" for number in range(10_000)]
    assert [bench.count(level, {name: values}) for level in Level] == [1] * 4


def test_thousands_of_names_by_sound_are_refused(bench: IndexBench) -> None:
    names = [f"Smith{number}^John" for number in range(101)]
    assert bench.count(Level.STUDY, {"PatientName": names[:100]}, fuzzy_names=True) == 0
    with pytest.raises(DianaError) as refused:
        bench.count(Level.STUDY, {"PatientName": names[:60], "OperatorsName": names[60:]}, fuzzy_names=True)
    assert refused.value.fields[0].field == "matches[1].values"
