"""Everything that a study consists of, in the order in which it comes; each part is made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import partial

from diana_mock.description import Reports
from diana_mock.documents import Document
from diana_mock.dose.document import dose_report
from diana_mock.encoding import Elements, encode, raw
from diana_mock.modalities.scan import Scan
from diana_mock.modalities.table import MAKERS
from diana_mock.modules import of_instance, of_series, of_study
from diana_mock.reports import Report
from diana_mock.studies import Plan, Study

_PIXEL_DATA = 0x7FE00010


class Kind(Enum):
    """What a part is."""

    IMAGE = "image"
    DOSE = "dose"
    REPORT = "report"
    TEXT = "text"
    """A report as plain text: no DICOM."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a study consists of."""

    kind: Kind
    time: datetime
    """When it is made; local to the scanner."""
    series_uid: str = ""
    instance_uid: str = ""
    sop_class_uid: str = ""
    elements: Callable[[], Elements] | None = None
    """What it holds, encoded, by tag; none for plain text."""
    text: str = ""


class Parts:
    """The parts of one study."""

    def __init__(self, study: Study) -> None:
        self._study = study
        series = MAKERS[study.device.service.modality](Scan.of(study))
        self._plans = [Plan(study, number, one) for number, one in enumerate(series, 1)]
        self._dose = dose_report(study, self._plans)
        self._reports = study.site.reports

    @property
    def count(self) -> int:
        """How many instances the study has; plain text is none."""
        reports = self._reports in (Reports.SR, Reports.BOTH)
        return sum(plan.series.count for plan in self._plans) + (self._dose is not None) + reports

    def __iter__(self) -> Iterator[Part]:
        for plan in self._plans:
            yield from _images(plan)
        if self._dose:
            yield _document(Kind.DOSE, self._dose)
        yield from self._reported()

    def _reported(self) -> Iterator[Part]:
        report = Report(self._study)
        if self._reports in (Reports.SR, Reports.BOTH):
            yield _document(Kind.REPORT, report.document())
        if self._reports in (Reports.TEXT, Reports.BOTH):
            yield Part(Kind.TEXT, report.time, text=report.text())


def _images(plan: Plan) -> Iterator[Part]:
    study, series = plan.study, plan.series
    charset = study.site.charset
    shared = encode({**of_study(study), **of_series(plan)}, charset)

    def elements(place: int) -> Elements:
        pixels = {_PIXEL_DATA: raw(_PIXEL_DATA, "OW", series.image(place))}
        return {**shared, **encode(of_instance(plan, place), charset), **pixels}

    for place in range(series.count):
        yield Part(
            Kind.IMAGE,
            plan.time(place),
            study.series_uid(plan.number),
            study.instance_uid(plan.number, place),
            series.sop_class_uid,
            partial(elements, place),
        )


def _document(kind: Kind, one: Document) -> Part:
    return Part(kind, one.time, one.series_uid, one.instance_uid, one.sop_class_uid, one.elements)
