"""Radiologists' reports: what is said of a study goes with what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from pydicom.uid import BasicTextSRStorage

from diana_mock.chance import chance
from diana_mock.codes import Code, coded, container, dcm, person, text
from diana_mock.documents import Document
from diana_mock.studies import Study

SERIES = 601
"""Series Number of reports."""

_TITLE = Code("18748-4", "LN", "Diagnostic Imaging Report")
_SECTIONS = {
    "EXAM": Code("55111-9", "LN", "Current imaging procedure descriptions"),
    "INDICATION": dcm("121109", "Indications for Procedure"),
    "COMPARISON": Code("18834-2", "LN", "Radiology Comparison study"),
    "FINDINGS": dcm("121070", "Findings"),
    "IMPRESSION": dcm("121072", "Impressions"),
}
_TEXTS = {"FINDINGS": dcm("121071", "Finding"), "IMPRESSION": dcm("121073", "Impression")}


@dataclass(frozen=True)
class Report:
    """The report of a study."""

    study: Study

    @cached_property
    def time(self) -> datetime:
        """When it is signed: 10 to 50 minutes after the study began."""
        return self.study.start + timedelta(seconds=round(chance(*self.study.key, "read").uniform(600, 3000)))

    @property
    def reader(self) -> str:
        """Who signed it; their name as DICOM writes it."""
        return self.study.doctor("reading")

    def sections(self) -> dict[str, str]:
        """What it says, by heading."""
        study, region = self.study, self.study.procedure.region
        found = region.finding.format(size=study.lesion_mm) if study.lesion_mm else ""
        prior = study.prior
        return {
            "EXAM": f"{study.procedure.description}, {study.start:%Y-%m-%d %H:%M}",
            "INDICATION": f"{study.procedure.reason}.",
            "COMPARISON": f"{prior.procedure.description}, {prior.start:%Y-%m-%d}." if prior else "None.",
            "FINDINGS": " ".join([*region.normal[1:], found] if found else region.normal),
            "IMPRESSION": region.impression if found else "No acute abnormality.",
        }

    def text(self) -> str:
        """As plain text."""
        person = self.study.patient
        head = [
            f"Patient: {person.name}",
            f"Patient ID: {person.patient_id}",
            f"Date of birth: {person.born:%Y-%m-%d}  Sex: {person.sex}",
            f"Accession number: {self.study.accession_number}",
            f"Referring physician: {self.study.doctor('referring')}",
        ]
        body = [f"{heading}:\n{said}" for heading, said in self.sections().items()]
        signed = f"Electronically signed by {self.reader}, {self.time:%Y-%m-%d %H:%M}"
        return "\n\n".join(["\n".join(head), *body, signed]) + "\n"

    def document(self) -> Document:
        """As a Basic Text SR (PS3.3 A.35.1)."""
        english = coded(
            dcm("121049", "Language of Content Item and Descendants"),
            Code("en", "RFC5646", "English"),
            relation="HAS CONCEPT MOD",
        )
        observer = [
            coded(dcm("121005", "Observer Type"), dcm("121006", "Person"), relation="HAS OBS CONTEXT"),
            person(dcm("121008", "Person Observer Name"), self.reader),
        ]
        said = self.sections().items()
        parts = [container(_SECTIONS[name], text(_TEXTS.get(name, _SECTIONS[name]), words)) for name, words in said]
        tree = [english, *observer, *parts]
        return Document(self.study, SERIES, "Report", BasicTextSRStorage, self.time, _TITLE, "2000", tree, self.reader)
