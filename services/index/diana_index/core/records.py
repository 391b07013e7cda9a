"""From a header to the records it stands for: what a patient, study, series or instance is known by."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diana_index.core.attributes import ATTRIBUTES, UNIQUE_KEYS, Attribute, Level
from diana_index.core.forms import Form, former, name_forms, text_form

Elements = dict[str, Any]
"""Elements of a DICOM JSON object by tag; as hostile as the file they came from."""

Gathered = Mapping[str, Sequence[Form]]
"""Values of the derived attributes by keyword."""

_Former = Callable[[Any], Form | None]


@dataclass(frozen=True, slots=True)
class Names:
    """Where an instance belongs."""

    study_uid: str
    series_uid: str
    sop_uid: str


@dataclass(frozen=True, slots=True)
class LevelRecord:
    """What a record is matched by and what it answers with."""

    forms: list[Form | None]
    """For each of the level's attributes the first form, None without any: to match and to sort by."""
    more: list[tuple[str, Form]]
    """Tag and form for all forms of an attribute with `many`, and for those after the first of the others."""
    elements: Elements
    """The level's attributes as DICOM JSON elements, with the unique keys of the levels above."""


def parse_header(dicom_json: bytes) -> Elements:
    """A header's elements. Raises ValueError if it is no JSON object, RecursionError if it nests too deep."""
    elements = json.loads(dicom_json)
    if not isinstance(elements, dict):
        raise ValueError("a header is a JSON object")
    return elements


def build_record(header: Elements, level: Level, names: Names, gathered: Gathered) -> LevelRecord:
    """The record at a level as this header has it, with what was `gathered` from the records below."""
    forms: list[Form | None] = []
    more: list[tuple[str, Form]] = []
    own = _own_elements(header, level, names, gathered)
    elements: Elements = {}
    for tag, form, many in _PLANS[level]:
        element = own.get(tag)
        if element.__class__ is not dict:
            forms.append(None)
            continue
        elements[tag] = element
        values = element.get("Value")
        if values.__class__ is not list or not values:
            forms.append(None)
        elif len(values) == 1 and not many:
            forms.append(form(values[0]))  # type: ignore[misc]
        else:
            _add_forms(tag, _all_forms(form, values), many, forms, more)
    for key in _KEYS_ABOVE[level]:
        if key.tag in own:
            elements[key.tag] = own[key.tag]
    return LevelRecord(forms, more, elements)


def patient_key(header: Elements, study_uid: str) -> str:
    """What a patient is, within a store: Patient ID and its issuer.

    An empty Patient ID names nobody, so that each study without one is a patient of its own.
    """
    patient_id, issuer = first_text(header, "00100020"), first_text(header, "00100021")
    return f"{patient_id}\n{issuer}" if patient_id else f"\n{issuer}\n{study_uid}"


def first_text(elements: Mapping[str, Any], tag: str) -> str:
    """The first value of an element as text; empty if there is none."""
    element = elements.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return (text_form(values[0]) if isinstance(values, list) and values else None) or ""


def _own_elements(header: Elements, level: Level, names: Names, gathered: Gathered) -> Elements:
    """The header with the UIDs that the archive knows the instance by, as far as the level has them.

    A header's own word on what is derived counts for nothing.
    """
    own = dict(header)
    uids = ("0020000D", names.study_uid), ("0020000E", names.series_uid), ("00080018", names.sop_uid)
    for tag, uid in uids[: level - Level.PATIENT]:
        own[tag] = {"vr": "UI", "Value": [uid]}
    for attribute in _DERIVED[level]:
        own[attribute.tag] = {"vr": attribute.vr, "Value": list(gathered.get(attribute.keyword, ()))}
    return own


def _add_forms(tag: str, found: list[Form], many: bool, forms: list[Form | None], more: list[tuple[str, Form]]) -> None:
    forms.append(found[0] if found else None)
    more += [(tag, form) for form in (found if many else found[1:])]


def _all_forms(form: _Former | None, values: list[Any]) -> list[Form]:
    found = [name_forms(value) if form is None else [form(value)] for value in values]
    return list(dict.fromkeys(one for forms in found for one in forms if one is not None))


def _plan(attribute: Attribute) -> tuple[str, _Former | None, bool]:
    return attribute.tag, None if attribute.vr == "PN" else former(attribute.vr), attribute.many


_PLANS = {level: [_plan(attribute) for attribute in attributes] for level, attributes in ATTRIBUTES.items()}
_DERIVED = {level: [one for one in attributes if one.derived] for level, attributes in ATTRIBUTES.items()}
_KEYS_ABOVE = {level: [UNIQUE_KEYS[above] for above in Level if above < level] for level in Level}
