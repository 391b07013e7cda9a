"""Radiologists' reports go with their studies."""

from __future__ import annotations

from diana_mock.parts import Kind
from tests.unit.mock.mock_bench import made, read, site


def test_text_and_structured_report_say_the_same_of_the_study() -> None:
    reports = [
        one
        for one in made(site("CT", reports="both", service={"instances": 1}), studies=12)
        if one.part.kind in (Kind.REPORT, Kind.TEXT)
    ]
    texts = {one.study.uid: one.data.decode() for one in reports if one.part.kind is Kind.TEXT}
    assert len(texts) == 12
    for one in reports:
        if one.part.kind is Kind.REPORT:
            found, text = read(one), texts[one.study.uid]
            assert found.AccessionNumber in text and str(found.PatientName) in text and found.PatientID in text
            assert found.StudyDescription in text and found.VerificationFlag == "VERIFIED"
            for part in found.ContentSequence:
                for line in part.get("ContentSequence", []):
                    assert line.TextValue in text


def test_what_a_picture_shows_is_found_and_nothing_else() -> None:
    lesions = set()
    for one in made(site("MG", reports="text", service={"instances": 1}), studies=30):
        if one.part.kind is Kind.TEXT:
            lesions.add(bool(one.study.lesion_mm))
            assert (f"{one.study.lesion_mm} mm mass" in one.data.decode()) == bool(one.study.lesion_mm)
            assert ("No acute abnormality." in one.data.decode()) != bool(one.study.lesion_mm)
    assert lesions == {True, False}


def test_a_prior_is_the_same_patients_older_and_compared_with() -> None:
    everything = list(made(site("US", reports="text", priors=0.5, service={"instances": 1}), studies=20))
    studies = {one.study.uid: one.study for one in everything}
    priors = [one for one in studies.values() if one.years_back]
    assert 4 < len(priors) < 16
    texts = {one.study.uid: one.data.decode() for one in everything if one.part.kind is Kind.TEXT}
    for study in studies.values():
        if study.prior:
            before = studies[study.prior.uid]
            assert before.patient == study.patient and before.procedure == study.procedure
            assert 30 <= (study.start - before.start).days <= 1500
            assert before.accession_number != study.accession_number
            assert f"{before.start:%Y-%m-%d}." in texts[study.uid]
