"""Clean Structured Content and Clean Graphics: content items by their concepts, words on images and curves."""

from __future__ import annotations

import pytest
from pydicom import Dataset

from diana_anon.core.planning.tables import Option
from diana_anon.core.rewriting.actions import ActionLog
from tests.unit.anon.engine_files import item as data_set
from tests.unit.anon.engine_files import new_uid, profile, read, under, written

CLEAN = Option.CLEAN_STRUCTURED_CONTENT
FULL = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_FULL_DATES
MODIFIED = Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES
SR, KO, PR, ECG = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("88.33", "88.59", "11.1", "9.1.1"))
FINDING, COMMENT = ("121071", "DCM", "Finding"), ("121106", "DCM", "Comment")


def code(value: str, scheme: str, meaning: str) -> Dataset:
    return data_set(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def content(concept: tuple[str, str, str], kind: str, **values: object) -> Dataset:
    return data_set(RelationshipType="CONTAINS", ValueType=kind, ConceptNameCodeSequence=[code(*concept)], **values)


def report(*items: Dataset, sop_class: str = SR, **values: object) -> bytes:
    return written(
        data_set(
            SOPClassUID=sop_class,
            SOPInstanceUID="1.2.3.4",
            StudyInstanceUID="1.2.3",
            SeriesInstanceUID="1.2.3.5",
            ContentSequence=list(items),
            **values,
        )
    )


def cleaned(*items: Dataset, options: tuple[Option, ...] = ()) -> list[Dataset]:
    return list(read(under(report(*items), profile(CLEAN, *options))).ContentSequence)


def test_text_is_cleaned_numbers_and_codes_stay() -> None:
    number = data_set(NumericValue="7", MeasurementUnitsCodeSequence=[code("mm", "UCUM", "mm")])
    text, coded, measured = cleaned(
        content(("99", "99T", "Remark on ZQA"), "TEXT", TextValue="seen by ZQPLANTED today"),
        content(FINDING, "CODE", ConceptCodeSequence=[code("1", "99T", "Nodule of ZQPLANTED")]),
        content(("410668003", "SCT", "Length"), "NUM", MeasuredValueSequence=[number]),
    )
    assert text.TextValue == "seen by today"
    assert text.ConceptNameCodeSequence[0].CodeMeaning == "Remark on"
    assert coded.ConceptCodeSequence[0].CodeMeaning == "Nodule of"
    assert measured.MeasuredValueSequence[0].NumericValue == 7


def test_what_the_table_removes_goes_with_all_it_contains() -> None:
    accession = content(("121022", "DCM", "Accession Number"), "TEXT", TextValue="7788")
    accession.ContentSequence = [content(("1", "99T", "inside"), "TEXT", TextValue="below")]
    log = ActionLog()
    new = under(report(accession, content(("1", "99T", "x"), "TEXT", TextValue="stays")), profile(CLEAN), log=log)
    assert b"7788" not in new and b"below" not in new and b"stays" in new
    assert ("(0040,A730)[0]", "remove") in log.actions


def test_an_item_stays_in_its_place_where_others_refer_to_positions() -> None:
    accession = content(("121022", "DCM", "Accession Number"), "TEXT", TextValue="7788")
    pointing = data_set(RelationshipType="SELECTED FROM", ReferencedContentItemIdentifier=[1, 2])
    first, second = cleaned(accession, pointing)
    assert first.TextValue == "REMOVED"
    assert second.ReferencedContentItemIdentifier == [1, 2]


def test_names_are_replaced_and_references_mapped() -> None:
    image = data_set(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID="1.2.3.9")
    name, uid, referred = cleaned(
        content(("1", "99T", "somebody"), "PNAME", PersonName="ZQ^PLANTED"),
        content(("2", "99T", "something"), "UIDREF", UID="1.2.3.8"),
        data_set(RelationshipType="CONTAINS", ValueType="IMAGE", ReferencedSOPSequence=[image]),
    )
    assert name.PersonName == "REMOVED"
    assert new_uid("1.2.3.8") == uid.UID
    assert referred.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == new_uid("1.2.3.9")


@pytest.mark.parametrize(
    ("options", "moment"),
    [((MODIFIED,), "20251025101112"), ((FULL,), "20260114101112"), ((), "19000101000000")],
    ids=["modified", "full", "none"],
)
def test_dates_go_by_the_option_for_dates(options: tuple[Option, ...], moment: str) -> None:
    unlisted = content(("1", "99T", "when"), "DATETIME", DateTime="20260114101112")
    (new,) = cleaned(unlisted, options=options)
    assert new.DateTime == moment


def test_a_listed_date_is_removed_without_an_option_for_dates() -> None:
    listed = content(("126201", "DCM", "Acquisition Date"), "DATE", Date="20260114")
    stays = content(("1", "99T", "x"), "TEXT", TextValue="stays")
    assert len(cleaned(listed, stays)) == 1
    assert cleaned(listed, stays, options=(MODIFIED,))[0].Date == "20251025"
    assert cleaned(listed, stays, options=(FULL,))[0].Date == "20260114"


@pytest.mark.parametrize(("years", "unit", "stays"), [("64", "a", True), ("92", "a", False), ("1100", "mo", False)])
def test_a_subjects_age_stays_unless_over_89(years: str, unit: str, stays: bool) -> None:
    value = data_set(NumericValue=years, MeasurementUnitsCodeSequence=[code(unit, "UCUM", unit)])
    age = content(("121033", "DCM", "Subject Age"), "NUM", MeasuredValueSequence=[value])
    (new,) = cleaned(age, options=(Option.RETAIN_PATIENT_CHARACTERISTICS,))
    assert bool(new.MeasuredValueSequence) is stays


def test_content_items_outside_of_reports_are_cleaned_alike() -> None:
    context = content(("1", "99T", "x"), "TEXT", TextValue="given by ZQPLANTED")
    data = report(AcquisitionContextSequence=[context], sop_class="1.2.840.10008.5.1.4.1.1.2.1")
    new = read(under(data, profile(CLEAN)))
    assert new.AcquisitionContextSequence[0].TextValue == "given by"
    assert not read(under(data, profile())).get("AcquisitionContextSequence")


def test_waveform_annotations_keep_their_measurements_and_cleaned_words() -> None:
    note = data_set(UnformattedTextValue="QRS seen by ZQPLANTED", ReferencedWaveformChannels=[1, 1])
    data = report(sop_class=ECG, WaveformAnnotationSequence=[note])
    (new,) = read(under(data, profile(CLEAN))).WaveformAnnotationSequence
    assert new.UnformattedTextValue == "QRS seen by" and new.ReferencedWaveformChannels == [1, 1]
    assert b"QRS" not in under(data, profile())


def test_words_on_graphics_are_cleaned() -> None:
    text = data_set(UnformattedTextValue="arrow of ZQPLANTED", AnchorPoint=[1.0, 2.0])
    drawn = data_set(GraphicData=[1.0, 2.0], GraphicType="POINT", NumberOfGraphicPoints=1)
    layer = data_set(GraphicLayer="L1", TextObjectSequence=[text], GraphicObjectSequence=[drawn])
    data = report(sop_class=PR, GraphicAnnotationSequence=[layer])
    (new,) = read(under(data, profile(Option.CLEAN_GRAPHICS))).GraphicAnnotationSequence
    assert new.TextObjectSequence[0].UnformattedTextValue == "arrow of"
    assert new.GraphicObjectSequence[0].GraphicType == "POINT"
    assert b"arrow" not in under(data, profile())


def test_a_key_object_still_leads_to_its_images_and_their_study() -> None:
    image = data_set(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID="1.2.3.9")
    chosen = data_set(RelationshipType="CONTAINS", ValueType="IMAGE", ReferencedSOPSequence=[image])
    new = read(under(report(chosen, sop_class=KO), profile(CLEAN)))
    assert new.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == new_uid("1.2.3.9")
