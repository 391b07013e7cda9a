"""Coded concepts (PS3.3 section 8), and the content items of a structured report that bear them (PS3.3 C.17.3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple


class Code(NamedTuple):
    """A concept of a coding scheme."""

    value: str
    scheme: str
    meaning: str

    def item(self) -> dict[str, str]:
        """As an item of a code sequence."""
        return {"CodeValue": self.value, "CodingSchemeDesignator": self.scheme, "CodeMeaning": self.meaning}


def dcm(value: str, meaning: str) -> Code:
    """A code of PS3.16 annex D."""
    return Code(value, "DCM", meaning)


def sct(value: str, meaning: str) -> Code:
    """A code of SNOMED CT."""
    return Code(value, "SCT", meaning)


def ucum(value: str, meaning: str = "") -> Code:
    """A unit."""
    return Code(value, "UCUM", meaning or value)


Content = dict[str, Any]
"""A content item: an item of Content Sequence."""


def coded(name: Code, value: Code, *below: Content, relation: str = "CONTAINS") -> Content:
    """CODE."""
    return _content("CODE", name, below, relation, ConceptCodeSequence=[value.item()])


def text(name: Code, value: str, relation: str = "CONTAINS") -> Content:
    """TEXT."""
    return _content("TEXT", name, (), relation, TextValue=value)


def person(name: Code, value: str, relation: str = "HAS OBS CONTEXT") -> Content:
    """PNAME."""
    return _content("PNAME", name, (), relation, PersonName=value)


def reference(name: Code, value: str, relation: str = "CONTAINS") -> Content:
    """UIDREF."""
    return _content("UIDREF", name, (), relation, UID=value)


def moment(name: Code, value: datetime, relation: str = "CONTAINS") -> Content:
    """DATETIME; local to the scanner."""
    return _content("DATETIME", name, (), relation, DateTime=f"{value:%Y%m%d%H%M%S}")


def number(name: Code, value: float, unit: Code, *below: Content) -> Content:
    """NUM; a Decimal String has 16 characters at most."""
    measured = {"NumericValue": f"{value:.8g}", "MeasurementUnitsCodeSequence": [unit.item()]}
    return _content("NUM", name, below, "CONTAINS", MeasuredValueSequence=[measured])


def image(name: Code, sop_class_uid: str, sop_instance_uid: str) -> Content:
    """IMAGE."""
    referenced = {"ReferencedSOPClassUID": sop_class_uid, "ReferencedSOPInstanceUID": sop_instance_uid}
    return _content("IMAGE", name, (), "CONTAINS", ReferencedSOPSequence=[referenced])


def container(name: Code, *below: Content) -> Content:
    """CONTAINER."""
    return _content("CONTAINER", name, below, "CONTAINS", ContinuityOfContent="SEPARATE")


def _content(kind: str, name: Code, below: tuple[Content, ...], relation: str, **value: Any) -> Content:
    nested: Mapping[str, Any] = {"ContentSequence": list(below)} if below else {}
    return {
        "RelationshipType": relation,
        "ValueType": kind,
        "ConceptNameCodeSequence": [name.item()],
        **value,
        **nested,
    }
