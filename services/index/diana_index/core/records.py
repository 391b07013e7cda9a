"""From a header to the records it stands for: what a patient, study, series or instance is known by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from diana_common.values import parse_date
from diana_index.core.attributes import AGE, ATTRIBUTES, UNIQUE_KEYS, Attribute, Level
from diana_index.core.forms import MOST_CHARACTERS, Form, former, name_forms, text_form
from diana_index.core.names import name_sounds
from diana_index.core.paths import values_at
from diana_index.core.reports.words import words

Elements = dict[str, Any]
"""Elements of a DICOM JSON object by tag; as hostile as the file they came from."""

Gathered = Mapping[str, Sequence[Form]]
"""Values of the derived attributes by keyword."""

_Former = Callable[[Any], Form | None]

SOUNDS = "~"
"""Ends the tag below which a name's sounds are kept."""
_DESCRIPTIONS = [
    one.tag
    for level in (Level.STUDY, Level.SERIES)
    for one in ATTRIBUTES[level]
    if one.vr in ("LT", "ST", "UT") or one.keyword.endswith(("Description", "ProtocolName", "BodyPartExamined"))
]
"""The attributes whose words are searched."""
_DAYS_IN_YEAR = 365.2425
_AGES = {"D": _DAYS_IN_YEAR, "W": _DAYS_IN_YEAR / 7, "M": 12.0, "Y": 1.0}
"""Units of an age string (AS, PS3.5 section 6.2): how many make a year."""


@dataclass(frozen=True, slots=True)
class Names:
    """Where an instance belongs."""

    study_uid: str
    series_uid: str
    sop_uid: str


@dataclass(frozen=True, slots=True)
class FormRow:
    """A matching form that is kept apart from its record."""

    tag: str
    """The attribute's."""
    number: int
    """Which of the attribute's forms it is, from 0."""
    item: str
    """Where, within sequences: see `paths.values_at`."""
    form: Form


@dataclass(frozen=True, slots=True)
class LevelRecord:
    """What a record is matched by and what it answers with."""

    forms: list[Form | None]
    """For each of the level's attributes with a column the first form, None without any: to match and to sort by.

    Of an instance's attribute with `many`: all of its forms, as a JSON array.
    """
    more: list[FormRow]
    """All forms of the other levels' attributes with `many` and of those without a column, the forms after the first
    of the rest, and sounds of names."""
    elements: Elements
    """The level's attributes as DICOM JSON elements, with the unique keys of the levels above."""

    @property
    def words(self) -> list[str]:
        """The words of its descriptions."""
        texts = (_texts(self.elements.get(tag)) for tag in _DESCRIPTIONS)
        return words(" ".join(text for found in texts for text in found))


def parse_header(dicom_json: bytes) -> Elements:
    """A header's elements. Raises ValueError if it is no JSON object, RecursionError if it nests too deep."""
    try:
        elements = orjson.loads(dicom_json)
    except orjson.JSONDecodeError:  # stricter than the other, with NaN and with half a surrogate pair
        elements = json.loads(dicom_json)
    if not isinstance(elements, dict):
        raise ValueError("a header is a JSON object")
    return elements


def json_bytes(elements: Elements) -> bytes:
    """Elements as JSON, UTF-8."""
    try:
        return orjson.dumps(elements)
    except (TypeError, orjson.JSONEncodeError):  # numbers beyond 64 bits, text that is no Unicode
        return json.dumps(elements, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def build_record(
    header: Elements, level: Level, names: Names, gathered: Gathered, keyed: Sequence[Attribute] = ()
) -> LevelRecord:
    """The record at a level as this header has it, with what was `gathered` from the records below.

    `keyed`: the level's attributes without a column.
    """
    forms: list[Form | None] = []
    more: list[FormRow] = []
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
            found = _all_forms(form, values)
            if many and level is Level.INSTANCE:
                forms.append(json.dumps(found, ensure_ascii=False, separators=(",", ":")) if found else None)
                continue
            forms.append(found[0] if found else None)
            more += [FormRow(tag, n, "", one) for n, one in enumerate(found) if many or n]
            if form is None:
                more += _sound_rows(tag, values)
    for attribute in keyed:
        more += keyed_rows(header, attribute)
    for key in _KEYS_ABOVE[level]:
        if key.tag in own:
            elements[key.tag] = own[key.tag]
    return LevelRecord(forms, more, elements)


def keyed_rows(header: Elements, attribute: Attribute) -> list[FormRow]:
    """The forms of an attribute without a column."""
    form = None if attribute.vr == "PN" else former(attribute.vr)
    found: dict[tuple[str, Form], None] = {}
    values = []
    for item, _, value in values_at(header, attribute.steps):
        values.append(value)
        for one in name_forms(value) if form is None else [form(value)]:
            if one is not None:
                found[item, one] = None
    rows = [FormRow(attribute.tag, n, item, one) for n, (item, one) in enumerate(found)]
    return rows + (_sound_rows(attribute.tag, values) if form is None else [])


def age_years(header: Elements) -> float | None:
    """The patient's age at the study in years, to a hundredth; None if neither ages nor dates tell."""
    text = first_text(header, "00101010")
    if len(text) == 4 and text[:3].isascii() and text[:3].isdigit() and text[3] in _AGES:
        return round(int(text[:3]) / _AGES[text[3]], 2)
    birth, study = (parse_date(first_text(header, tag)) for tag in ("00100030", "00080020"))
    if birth is None or study is None or study < birth:
        return None
    return round((study - birth).days / _DAYS_IN_YEAR, 2)


def patient_key(header: Elements, study_uid: str) -> str:
    """What a patient is, within a store: Patient ID and its issuer.

    An empty Patient ID names nobody, so that each study without one is a patient of its own.
    """
    patient_id, issuer = (_key_part(first_text(header, tag)) for tag in ("00100020", "00100021"))
    return f"{patient_id}\n{issuer}" if patient_id else f"\n{issuer}\n{study_uid}"


def _key_part(text: str) -> str:
    """What stands for a text in a key: itself, unless it is far longer than its VR allows."""
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]}#{hashlib.sha256(text.encode()).hexdigest()}"


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
    if level is AGE.level:
        age = age_years(header)
        gathered = {**gathered, AGE.keyword: [] if age is None else [age]}
    for attribute in _DERIVED[level]:
        own[attribute.tag] = {"vr": attribute.vr, "Value": list(gathered.get(attribute.keyword, ()))}
    return own


def _texts(element: Any) -> Iterable[str]:
    values = element.get("Value") if element.__class__ is dict else None
    return (value for value in values if value.__class__ is str) if values.__class__ is list else ()


def _sound_rows(tag: str, values: list[Any]) -> list[FormRow]:
    sounds = dict.fromkeys(sound for value in values for sound in name_sounds(value))
    return [FormRow(tag + SOUNDS, n, "", sound) for n, sound in enumerate(sounds)]


def _all_forms(form: _Former | None, values: list[Any]) -> list[Form]:
    found = [name_forms(value) if form is None else [form(value)] for value in values]
    return list(dict.fromkeys(one for forms in found for one in forms if one is not None))


def _plan(attribute: Attribute) -> tuple[str, _Former | None, bool]:
    return attribute.tag, None if attribute.vr == "PN" else former(attribute.vr), attribute.many


_PLANS = {level: [_plan(attribute) for attribute in attributes] for level, attributes in ATTRIBUTES.items()}
_DERIVED = {level: [one for one in attributes if one.derived] for level, attributes in ATTRIBUTES.items()}
_KEYS_ABOVE = {level: [UNIQUE_KEYS[above] for above in Level if above < level] for level in Level}
