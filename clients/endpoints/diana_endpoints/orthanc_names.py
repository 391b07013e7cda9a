"""From what an item names to what Orthanc calls it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.http import Server, bounded_text, not_found, refused, segment
from diana_endpoints.items import Item
from diana_endpoints.levels import BY_UID, INSTANCE, PATIENT, SERIES, STUDY, Level, level_of

_TRIED = (STUDY, SERIES, INSTANCE, PATIENT)
"""Levels in the order in which a name is looked for where none is said."""
_ANY = "patient, study, series or instance"
_ORTHANC_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")


@dataclass(frozen=True, slots=True)
class Resource:
    """A patient, study, series or instance of an Orthanc."""

    level: Level
    id: str

    @property
    def path(self) -> str:
        """Where REST has it."""
        return f"/{self.level.plural}/{segment(self.id, 'id')}"


def resources(server: Server, wanted: Item) -> list[Resource]:
    """What `wanted.meta` names: by Orthanc's id, else by UIDs, else by UID or accession number in "id".

    Raises DianaError: INVALID_FIELD if it names nothing, ITEM_NOT_FOUND for what is not there.
    """
    level = level_of(wanted.meta.get("level"))
    named = str(wanted.meta.get("id") or "")
    if _ORTHANC_ID.fullmatch(named):
        return [_by_id(server, named, level)]
    uid_level, uid = _uid(wanted.meta, level)
    if uid:
        return _looked_up(server, uid, uid_level)
    if not named:
        raise invalid_field("id", "is required: Orthanc's id, a UID, or an accession number")
    return _looked_up(server, bounded_text(named, "id"), level)


def resource(server: Server, wanted: Item) -> Resource:
    """The only one that `wanted.meta` names; DianaError as `resources`, INVALID_FIELD if there are several."""
    found = resources(server, wanted)
    if len(found) > 1:
        raise invalid_field("id", "names several: give Orthanc's id")
    return found[0]


def level_said(text: object) -> Level:
    """The level that Orthanc says something is of. Raises DianaError ENDPOINT_REFUSED."""
    try:
        found = level_of(text)
    except DianaError:
        found = None
    if found is None:
        raise refused("does not answer as Orthanc does")
    return found


def as_mapping(answer: Any) -> dict[str, Any]:
    """An answer that must be a JSON object. Raises DianaError ENDPOINT_REFUSED."""
    if not isinstance(answer, dict):
        raise refused("does not answer as Orthanc does")
    return answer


def as_list(answer: Any) -> list[Any]:
    """An answer that must be a JSON list. Raises DianaError ENDPOINT_REFUSED."""
    if not isinstance(answer, list):
        raise refused("does not answer as Orthanc does")
    return answer


def as_mappings(answer: Any) -> Iterator[dict[str, Any]]:
    """An answer that must be a JSON list of objects. Raises DianaError ENDPOINT_REFUSED."""
    return map(as_mapping, as_list(answer))


def _by_id(server: Server, named: str, level: Level | None) -> Resource:
    for tried in [level] if level else _TRIED:
        found = Resource(tried, named)
        try:
            server.ask("GET", found.path)
        except DianaError as error:
            if error.reason is not Reason.ITEM_NOT_FOUND:
                raise
        else:
            return found
    raise not_found(level.name if level else _ANY)


def _uid(meta: Mapping[str, Any], level: Level | None) -> tuple[Level | None, str]:
    """The level and UID that are meant: of the level that is named, else the deepest."""
    for tried in [level] if level in BY_UID else reversed(BY_UID):
        if uid := str(meta.get(tried.key) or ""):
            return tried, bounded_text(uid, tried.key)
    return None, ""


def _looked_up(server: Server, name: str, level: Level | None) -> list[Resource]:
    """What has an identifier: a UID, else an accession number (of studies), else a Patient ID."""
    if set(name) & set("*?\\"):
        raise invalid_field("id", "must be without * ? and backslash, which would match others too")
    answer = server.ask("POST", "/tools/lookup", body=name.encode(), again=True).json()
    found = [Resource(level_said(one.get("Type")), str(one.get("ID"))) for one in as_mappings(answer)]
    if level in (None, STUDY) and not any(one.level == STUDY for one in found):
        found += [Resource(STUDY, study) for study in _of_accession(server, name)]
    for tried in [level] if level else _TRIED:
        if some := [one for one in found if one.level == tried]:
            return some
    raise not_found(level.name if level else _ANY)


def _of_accession(server: Server, number: str) -> list[str]:
    question = {"Level": "Study", "Query": {"AccessionNumber": number}, "CaseSensitive": True}
    return [str(one) for one in as_list(server.ask("POST", "/tools/find", body=as_body(question), again=True).json())]


def as_body(tree: Any) -> bytes:
    """A request's JSON."""
    return json.dumps(tree).encode()
