"""Reports: searched by their words and by what they find, plain ones and structured ones."""

from __future__ import annotations

import json

import pytest

from diana_common.errors import DianaError, Reason
from diana_index.core.attributes import Level
from diana_index.core.reports import check_names, make_report
from diana_index.core.reports.words import MAX_WORDS
from diana_index.core.store import Damaged, PutReport, RemoveReport, Unstorable
from tests.contract.index.written_bench import WrittenBench
from tests.unit.index.fake_archive import header
from tests.unit.index.index_bench import feed_to_head

CODE = {"CodeValue": "121071", "CodingSchemeDesignator": "DCM", "CodeMeaning": "Finding"}


def structured(desk: WrittenBench, sop: str, text: str, study: str = "1") -> None:
    """Store a structured report with one text."""
    content = header(
        ValueType="TEXT", RelationshipType="CONTAINS", TextValue=text, ConceptNameCodeSequence=[header(**CODE)]
    )
    elements = header(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11",
        SOPInstanceUID=sop,
        StudyInstanceUID=study,
        SeriesInstanceUID=f"{study}.9",
        Modality="SR",
        ValueType="CONTAINER",
        ContentSequence=[content],
    )
    desk.archive.store_raw(sop, json.dumps(elements).encode(), study, f"{study}.9")


def studies(desk: WrittenBench, count: int = 2) -> None:
    """Studies 1, 2 and so on with accession numbers A1, A2 and so on."""
    for number in range(1, count + 1):
        desk.archive.store(f"{number}.1.1", str(number), f"{number}.1", AccessionNumber=f"A{number}")
    desk.catch_up()


def test_a_report_is_found_by_words_and_phrases_when_it_is_put(desk: WrittenBench) -> None:
    studies(desk)
    desk.put("r1", "Kein Pneumothorax. Gro\u00dfe Lungenembolie links.", study="1")
    assert desk.saying("lungenembolie") == ["1"]
    assert desk.saying('"GROSSE lungenembolie"') == ["1"]
    assert desk.saying('"lungenembolie grosse"') == []
    assert desk.saying("lungen*") == ["1"]
    assert desk.saying("NOT pneumothorax") == ["2"]
    assert desk.saying("pneumothorax", Level.INSTANCE) == ["1.1.1"]


def test_a_report_of_an_accession_number_belongs_to_studies_that_are_there_and_that_come_later(
    desk: WrittenBench,
) -> None:
    studies(desk, 1)
    desk.put("r1", "granuloma", accession=" A1 ")
    desk.put("r2", "granuloma", accession="A7")
    assert desk.saying("granuloma") == ["1"]
    desk.archive.store("7.1.1", "7", "7.1", AccessionNumber="A7")
    desk.archive.store("8.1.1", "8", "8.1", AccessionNumber="A7")
    desk.catch_up()
    assert desk.saying("granuloma") == ["1", "7", "8"]
    assert [one.report_id for one in desk.reports_of("8")] == ["r2"]
    desk.archive.store("7.1.2", "7", "7.1", AccessionNumber="A9")
    desk.catch_up()
    assert desk.saying("granuloma") == ["1", "8"]


def test_scores_are_asked_for_as_numbers_and_as_words(desk: WrittenBench) -> None:
    studies(desk, 4)
    desk.put("r1", "Impression: BI-RADS 4B. Current smoker, 30 pack-years.", study="1")
    desk.put("r2", "BI-RADS category 2. Never smoker.", study="2")
    desk.put("r3", "Nothing to report.", study="3")
    assert desk.saying("report.bi_rads >= 4") == ["1"]
    assert desk.saying("report.bi_rads = 4B") == ["1"]
    assert desk.saying("report.bi_rads = 4") == ["1"]
    assert desk.saying("report.bi_rads:*") == ["1", "2"]
    assert desk.saying("report.bi_rads != 2") == ["1"]
    assert desk.saying("report.smoking = current") == ["1"]
    assert desk.saying("report.smoking = Never") == ["2"]
    assert desk.saying("report.pack_years > 20 AND report.smoking = current") == ["1"]


def test_a_report_that_is_put_again_takes_the_place_of_the_one_before(desk: WrittenBench) -> None:
    studies(desk)
    desk.put("r1", "BI-RADS 4", study="1")
    desk.put("r1", "BI-RADS 2", study="2")
    assert desk.saying("report.bi_rads = 4") == []
    assert desk.saying("report.bi_rads = 2") == ["2"]
    kept = desk.index.report("default", "r1", lambda: True)
    assert kept is not None
    assert (kept.text, kept.study_uid, kept.findings[0].text) == ("BI-RADS 2", "2", "2")
    assert desk.reports_of("1") == []


def test_a_report_that_is_deleted_is_found_no_more(desk: WrittenBench) -> None:
    studies(desk)
    desk.put("r1", "granuloma", study="1")
    desk.written.delete_report("default", "r1")
    desk.written.delete_report("default", "r1")
    desk.written.delete_report("default", "unheard-of")
    assert desk.saying("granuloma") == []
    assert desk.index.report("default", "r1", lambda: True) is None
    desk.put("r1", "granuloma", study="2")
    assert desk.saying("granuloma") == ["2"]


def test_reports_are_of_one_store(desk: WrittenBench) -> None:
    studies(desk, 1)
    desk.archive.store("1.1.1", "1", "1.1", "research", AccessionNumber="A1")
    desk.catch_up()
    desk.put("r1", "granuloma", accession="A1", store="research")
    assert (desk.saying("granuloma"), desk.saying("granuloma", store="research")) == ([], ["1"])


def test_a_structured_report_is_searched_and_goes_with_its_instance(desk: WrittenBench) -> None:
    studies(desk, 1)
    structured(desk, "1.9.1", "Lung-RADS 4A in the left upper lobe")
    desk.catch_up()
    assert desk.saying('"left upper lobe"') == ["1"]
    assert desk.saying("report.lung_rads >= 4") == ["1"]
    (listed,) = desk.reports_of("1")
    assert (listed.report_id, listed.structured, listed.text) == ("1.9.1", True, "")
    desk.archive.delete("1.9.1")
    desk.catch_up()
    assert desk.saying('"left upper lobe"') == desk.saying("report.lung_rads >= 4") == []
    desk.archive.restore("1.9.1")
    desk.catch_up()
    assert desk.saying("report.lung_rads >= 4") == ["1"]


def test_a_plain_report_and_a_structured_one_of_the_same_id_keep_apart(desk: WrittenBench) -> None:
    studies(desk, 1)
    desk.put("1.9.1", "granuloma", study="1")
    structured(desk, "1.9.1", "atelectasis")
    desk.catch_up()
    desk.rebuild()
    assert desk.saying("granuloma atelectasis") == ["1"]
    report = desk.index.report("default", "1.9.1", lambda: True)
    assert report is not None and not report.structured
    desk.written.delete_report("default", "1.9.1")
    assert desk.saying("granuloma") == []
    report = desk.index.report("default", "1.9.1", lambda: True)
    assert report is not None and report.structured


def test_a_rebuild_keeps_reports_and_takes_those_that_come_meanwhile(desk: WrittenBench) -> None:
    studies(desk)
    for number in range(250):
        desk.put(f"r{number}", f"number{number}", study="1")
    desk.written.delete_report("default", "r7")
    made = desk.generations.create()
    desk.written.prepare(made)
    feed_to_head(desk.archive, made, desk.listener)
    desk.put("r8", "changed", study="2")
    desk.written.delete_report("default", "r9")
    with desk.written.settled(made):
        desk.generations.adopt(made)
    assert desk.saying("changed") == ["2"]
    assert desk.saying("number7 OR number8 OR number9") == []
    assert desk.saying("number249") == ["1"]
    assert len(desk.reports_of("1")) == 247


def test_what_a_crash_kept_from_the_records_is_brought_to_them_once(desk: WrittenBench) -> None:
    studies(desk)
    desk.put("r1", "granuloma", study="1")
    # As if the process had ended right after what was written had been kept.
    desk.store.put_reports("default", [make_report("r2", "2", "", "granuloma")])
    assert desk.saying("granuloma") == ["1"]
    with desk.generations.active() as active:
        desk.written.keep(active)
        desk.written.keep(active)
        assert active.written() == 2
    assert desk.saying("granuloma") == ["1", "2"]
    assert len(desk.reports_of("2")) == 1


def test_findings_are_found_anew_by_a_program_that_finds_others(
    desk: WrittenBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    studies(desk)
    with monkeypatch.context() as older:
        older.setattr("diana_index.core.reports.report.findings", lambda text: [])
        older.setattr("diana_index.stores.written.VERSION", 0)
        desk.put("r1", "BI-RADS 4", study="1")
        assert desk.saying("report.bi_rads = 4") == []
    desk.rebuild()
    assert desk.saying("report.bi_rads = 4") == ["1"]


def test_a_change_that_another_process_has_made_is_not_made_again(desk: WrittenBench) -> None:
    studies(desk)
    newer = PutReport(6, "default", make_report("r1", "1", "", "newer"))
    older = PutReport(5, "default", make_report("r1", "1", "", "older"))
    with desk.generations.active() as active:
        active.write([newer], 6)
        active.write([older, RemoveReport(6, "default", "r1")], 6)
        assert active.written() == 6
    assert (desk.saying("newer"), desk.saying("older")) == (["1"], [])


def test_records_that_know_of_more_than_there_is_are_made_anew(desk: WrittenBench) -> None:
    with desk.generations.active() as active:
        active.write([PutReport(9, "default", make_report("r1", "1", "", "from another database"))], 9)
        with pytest.raises(Damaged):
            desk.written.keep(active)


def test_a_report_that_cannot_be_searched_does_not_keep_the_others(
    desk: WrittenBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    studies(desk)
    with desk.generations.active() as active:
        write = active.write

        def failing(changes: list[PutReport | RemoveReport], written: int) -> None:
            if any(isinstance(one, PutReport) and one.report.text == "poison" for one in changes):
                raise Unstorable
            write(changes, written)

        monkeypatch.setattr(active, "write", failing)
        reports = [make_report(f"r{text}", "1", "", text) for text in ("first", "poison", "last")]
        desk.written.put_reports("default", reports)
    assert desk.saying("first last") == ["1"]
    assert len(desk.listener.skips) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0\x01\x1b[31m\x7f\u2028 granuloma \ufffe",
        "granuloma " + "a" * 1_048_000,
        "granuloma " + "\u00e4 " * 500_000,
        "granuloma " + "BI-RADS 4 " * 100_000,
        "granuloma " + " ".join(str(number) for number in range(150_000)),
        "granuloma '& | ! <-> :* \\ \"%_",
    ],
    ids=["empty", "controls", "one word", "accents", "scores", "numbers", "operators"],
)
def test_a_text_of_any_kind_does_no_harm(desk: WrittenBench, text: str) -> None:
    studies(desk, 1)
    desk.put("r1", text, study="1")
    kept = desk.index.report("default", "r1", lambda: True)
    assert kept is not None and kept.text == text
    assert len(kept.findings) <= 96
    assert desk.saying("granuloma") == (["1"] if text else [])


def test_a_phrase_is_found_wherever_it_stands_in_a_long_text(desk: WrittenBench) -> None:
    studies(desk, 1)
    filler = "no lesion seen " * ((MAX_WORDS - 3) // 3)
    desk.put("r1", f"{filler}no lesion left", study="1")
    assert desk.saying('"no lesion left"') == ["1"]
    assert desk.saying('"no lesion le*"') == ["1"]
    assert desk.saying('"seen no lesion seen"') == ["1"]
    assert desk.saying('"lesion no"') == []
    assert desk.saying('"lesion left no"') == []


@pytest.mark.parametrize(
    ("report_id", "study", "accession", "field"),
    [
        ("a\nb", "1", "", "here.report_id"),
        ("a", "", "A\x021", "here.accession_number"),
        ("a", "", "  ", "here.study_uid"),
    ],
)
def test_a_report_that_says_not_what_it_is_of_is_refused(
    report_id: str, study: str, accession: str, field: str
) -> None:
    with pytest.raises(DianaError) as refused:
        check_names(make_report(report_id, study, accession, "text"), "here")
    assert (refused.value.reason, refused.value.fields[0].field) == (Reason.INVALID_FIELD, field)
