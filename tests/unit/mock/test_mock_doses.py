"""Dose reports say what the images say, and their totals are the sums of their events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import cast

import pytest
from pydicom import Dataset
from pydicom.sr._concepts_dict import concepts

from diana_mock.parts import Kind
from tests.unit.mock.mock_bench import made, read, site

EVENT_UID = "113769"


def items(tree: Dataset, code: str) -> Iterator[Dataset]:
    """Content items of a concept, anywhere below."""
    for one in tree.get("ContentSequence", []):
        if one.ConceptNameCodeSequence[0].CodeValue == code:
            yield one
        yield from items(one, code)


def value(tree: Dataset, code: str) -> float:
    """The number of the only item of a concept."""
    [one] = items(tree, code)
    return float(one.MeasuredValueSequence[0].NumericValue)


def values(tree: Dataset, code: str) -> list[float]:
    """The numbers of the items of a concept."""
    return [float(one.MeasuredValueSequence[0].NumericValue) for one in items(tree, code)]


def studies(modality: str, count: int = 8) -> Iterator[tuple[Dataset, list[Dataset]]]:
    """The dose report of each study, with its images."""
    images: dict[str, list[Dataset]] = defaultdict(list)
    reports = []
    for one in made(site(modality, service={"instances": 3}), studies=count):
        if one.part.kind is Kind.DOSE:
            reports.append(read(one))
        else:
            images[one.study.uid].append(read(one))
    assert len(reports) == count
    for report in reports:
        yield report, images[report.StudyInstanceUID]


def test_a_ct_report_has_an_event_for_each_scan_and_the_images_doses() -> None:
    for report, images in studies("CT"):
        told = {one.IrradiationEventUID: float(one.CTDIvol) for one in images}
        scans = list(items(report, "113819"))
        assert {next(items(one, EVENT_UID)).UID: value(one, "113830") for one in scans} == told
        assert value(report, "113812") == len(scans)
        dlp = [value(one, "113830") * value(one, "113825") / 10 for one in scans]
        assert values(report, "113838") == pytest.approx(dlp, abs=0.01)
        assert value(report, "113813") == pytest.approx(sum(dlp), abs=0.02)
        assert {value(one, "113733") for one in scans} == {float(one.KVP) for one in images}
        assert all(1 < dose < 90 for dose in told.values())


def test_dose_goes_by_the_size_of_who_is_scanned() -> None:
    chests = [
        (float(one.PatientWeight) / float(one.PatientSize) ** 2, value(report, "113830"))
        for report, (one, *_) in studies("CT", 80)
        if one.BodyPartExamined == "ABDOMEN" and one.SeriesNumber == 1 and len(list(items(report, "113819"))) == 1
    ]
    chests.sort()
    half = len(chests) // 2
    assert half > 3
    assert sum(dose for _, dose in chests[:half]) / half < sum(dose for _, dose in chests[-half:]) / half


@pytest.mark.parametrize("modality", ["CR", "DX"])
def test_a_radiography_report_has_the_area_product_of_each_image(modality: str) -> None:
    for report, images in studies(modality):
        told = {one.IrradiationEventUID: float(one.ImageAndFluoroscopyAreaDoseProduct) / 1e5 for one in images}
        events = {next(items(one, EVENT_UID)).UID: value(one, "122130") for one in items(report, "113706")}
        assert events == pytest.approx(told, rel=1e-4)
        assert value(report, "113722") == pytest.approx(sum(told.values()), rel=1e-4)
        named = {one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in items(report, "113795")}
        assert named == {one.SOPInstanceUID for one in images}


def test_a_mammography_report_has_the_glandular_dose_of_each_breast() -> None:
    for report, images in studies("MG"):
        for place, side in enumerate("LR"):
            told = sum(float(one.OrganDose) * 100 for one in images if one.ImageLaterality == side)
            assert values(report, "111637")[place] == pytest.approx(told, abs=0.01)


@pytest.mark.parametrize("modality", ["XA", "RF"])
def test_a_fluoroscopy_report_adds_up_runs_and_what_was_only_looked_at(modality: str) -> None:
    for report, images in studies(modality, 3):
        runs, looked = value(report, "113727"), value(report, "113726")
        assert value(report, "113722") == pytest.approx(runs + looked)
        assert value(report, "113725") == pytest.approx(value(report, "113729") + value(report, "113728"))
        assert runs == pytest.approx(
            sum(float(one.ImageAndFluoroscopyAreaDoseProduct) for one in images) / 1e5, rel=1e-4
        )
        assert 60 < value(report, "113730") < 900 and len(list(items(report, "113706"))) == len(images) + 1


@pytest.mark.parametrize("modality", ["CT", "DX", "MG", "XA"])
def test_codes_mean_what_the_standard_says(modality: str) -> None:
    known = cast(dict[str, dict[str, tuple[str, list[int]]]], concepts["DCM"])
    meanings = {code: named[0] for codes in known.values() for code, named in codes.items()}
    for report, _ in studies(modality, 2):
        for element in report.iterall():
            for one in element.value if element.VR == "SQ" else ():
                if one.get("CodingSchemeDesignator") == "DCM":
                    said = meanings[one.CodeValue].removesuffix(" (mammo)")
                    assert said.casefold() == one.CodeMeaning.casefold(), one.CodeValue


def test_no_report_where_none_is_wanted() -> None:
    kinds = {one.part.kind for one in made(site("CT", service={"rdsr": False}), studies=2)}
    assert kinds == {Kind.IMAGE}
