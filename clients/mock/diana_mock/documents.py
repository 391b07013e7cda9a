"""Structured reports: what dose reports and radiologists' reports have in common (PS3.3 C.17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from diana_mock.codes import Code, Content
from diana_mock.encoding import Attributes, Elements, encode
from diana_mock.modules import moments, of_study
from diana_mock.studies import Study


@dataclass(frozen=True)
class Document:
    """A structured report of a study: the only instance of its series."""

    study: Study
    series_number: int
    description: str
    sop_class_uid: str
    time: datetime
    title: Code
    template: str
    """Template Identifier of PS3.16; empty for none."""
    content: list[Content]
    reader: str = ""
    """Who verified it; nobody when empty."""
    evidence: tuple[tuple[str, str], ...] = ()
    """SOP Class and Instance UID of the images that it names, all of the study's first series."""

    @property
    def series_uid(self) -> str:
        """Series Instance UID."""
        return self.study.series_uid(self.series_number)

    @property
    def instance_uid(self) -> str:
        """SOP Instance UID."""
        return self.study.instance_uid(self.series_number, 0)

    def elements(self) -> Elements:
        """Encoded, by tag."""
        made = {name: value for name, value in moments(self.time).items() if not name.startswith("Acquisition")}
        attributes = {
            **of_study(self.study),
            "Modality": "SR",
            "SOPClassUID": self.sop_class_uid,
            "SOPInstanceUID": self.instance_uid,
            "SeriesInstanceUID": self.series_uid,
            "SeriesNumber": self.series_number,
            "SeriesDescription": self.description,
            "InstanceNumber": 1,
            **made,
            "SeriesDate": made["ContentDate"],
            "SeriesTime": made["ContentTime"],
            "ReferencedPerformedProcedureStepSequence": [],
            "PerformedProcedureCodeSequence": [],
            **self._evidence(),
            "CompletionFlag": "COMPLETE",
            **self._verification(),
            "ValueType": "CONTAINER",
            "ConceptNameCodeSequence": [self.title.item()],
            "ContinuityOfContent": "SEPARATE",
            "ContentSequence": self.content,
            **self._template(),
        }
        return encode(attributes, self.study.site.charset)

    def _evidence(self) -> Attributes:
        if not self.evidence:
            return {}
        named = [{"ReferencedSOPClassUID": kind, "ReferencedSOPInstanceUID": one} for kind, one in self.evidence]
        series = {"SeriesInstanceUID": self.study.series_uid(1), "ReferencedSOPSequence": named}
        study = {"StudyInstanceUID": self.study.uid, "ReferencedSeriesSequence": [series]}
        return {"CurrentRequestedProcedureEvidenceSequence": [study]}

    def _verification(self) -> Attributes:
        if not self.reader:
            return {"VerificationFlag": "UNVERIFIED"}
        observer = {
            "VerifyingOrganization": self.study.site.institution or self.study.site.name,
            "VerificationDateTime": f"{self.time:%Y%m%d%H%M%S}",
            "VerifyingObserverName": self.reader,
            "VerifyingObserverIdentificationCodeSequence": [],
        }
        return {"VerificationFlag": "VERIFIED", "VerifyingObserverSequence": [observer]}

    def _template(self) -> Attributes:
        if not self.template:
            return {}
        return {"ContentTemplateSequence": [{"MappingResource": "DCMR", "TemplateIdentifier": self.template}]}
