"""Reports without identifiers: the mesh's anon cleans them, told whom each is about."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from diana_client import AnonClient, subject
from diana_common.dicomjson import texts, walk
from diana_common.errors import DianaError, Reason
from diana_endpoints.headers import data_of
from diana_endpoints.items import Item
from diana_endpoints.mesh import MeshEndpoint, MeshSettings

_PEOPLE = ("name", "physician", "operator", "patientid", "accessionnumber", "studyid", "address", "telephone", "mother")
"""What the names of attributes contain, folded, that tell of people."""
_MOST = 1000
_LONGEST = 1024


@dataclass(frozen=True)
class AnonAddress(MeshSettings):
    """Where anon is."""

    profile: str = ""
    """The profile; "default" when empty."""

    store: str = ""
    """The store of the archive where anon asks a report's study who it is about; it is not asked when empty."""


class CleanedTexts(MeshEndpoint):
    """Texts by way of anon. Raises MeshError when it refuses or cannot be reached."""

    def __init__(self, settings: AnonAddress) -> None:
        super().__init__(settings)
        self._settings = settings

    def cleaned(self, text: str, item: Item) -> str:
        """The text of an item without identifiers.

        Raises DianaError NOT_DEIDENTIFIABLE if nothing says whom it is about: then names could not be told.
        """
        words = _words(item)
        study_uid = str(item.meta.get("study_uid") or "") if self._settings.store else ""
        if not study_uid and not any(words.get(key) for key in ("patientname", "patientid")):
            raise DianaError(
                Reason.NOT_DEIDENTIFIABLE,
                "nothing says whom the report is about: give study_uid and the anon's `store`, or PatientName and"
                " PatientID in its metadata",
            )
        about = subject(words.get("patientid", ""), name=words.get("patientname", ""), birth_date=_born(words))
        identifiers = {value for key, value in words.items() if any(word in key for word in _PEOPLE)}
        identifiers |= _names(item.header or {})
        answer = self._client.anonymize_text(
            text,
            subject=about if about.patient_id or about.name else None,
            identifiers=sorted(one for one in identifiers if len(one.encode()) <= _LONGEST)[:_MOST],
            study_uid=study_uid,
            store=self._settings.store,
            profile=self._settings.profile,
        )
        return answer.text

    @cached_property
    def _client(self) -> AnonClient:
        return AnonClient(self._channel)


def _words(item: Item) -> dict[str, str]:
    """What the item says of itself, by folded name: PatientName and patient_name are one."""
    said: dict[str, Any] = {**item.meta, **data_of(Item(header=item.header)), **(item.data or {})}
    found: dict[str, str] = {}
    for name, value in said.items():
        values = value if isinstance(value, list) else [value]
        for number, one in enumerate(values):
            if isinstance(one, (str, int)) and str(one):
                found[name.replace("_", "").lower() + (f"#{number}" if number else "")] = str(one)
    return found


def _names(header: dict[str, Any]) -> set[str]:
    """Every person that a header names, at any depth."""
    people = (element for _, element in walk(header) if element.get("vr") == "PN")
    return {name for element in people for name in texts({"": element}, "") if name}


def _born(words: dict[str, str]) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(words.get("patientbirthdate", ""))
    except ValueError:
        return None
