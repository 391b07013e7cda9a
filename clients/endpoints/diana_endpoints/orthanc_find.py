"""Questions to an Orthanc about what it holds (/tools/find)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.tags import keyword_of, parse_tag, tag_hex
from diana_endpoints.headers import uids_in
from diana_endpoints.http import Server
from diana_endpoints.items import Item
from diana_endpoints.level_keys import keys_at
from diana_endpoints.levels import INSTANCE, PATIENT, SERIES, STUDY, Level, level_of
from diana_endpoints.orthanc_headers import header_of, orthanc_name, texts_of
from diana_endpoints.orthanc_names import Resource, as_body, as_list, as_mapping, as_mappings
from diana_endpoints.protocol.query import Query, refuse_unasked

_PAGE = 500
_PARENTS = {INSTANCE: ("ParentSeries", SERIES), SERIES: ("ParentStudy", STUDY)}
_BELOW = {PATIENT: (STUDY, "Studies"), STUDY: (SERIES, "Series"), SERIES: (INSTANCE, "Instances")}
_PATTERN = set("*?\\")


def find(server: Server, query: Query) -> Iterator[Item]:
    """What matches, level by level, pages as they are needed. Raises DianaError."""
    asked, level = question(query), level_asked(query)
    answers = _Answers(server, [tag_hex(parse_tag(key, key)) for key in query.return_keys])
    since = 0
    while True:
        page = as_list(_ask(server, {**asked, "Expand": True, "Since": since, "Limit": _PAGE}))
        for number, found in enumerate(as_mappings(page), since + 1):
            yield answers.item(level, found, number)
        since += len(page)
        if len(page) < _PAGE:
            return


def question(query: Query) -> dict[str, Any]:
    """The question as Orthanc takes it. Raises DianaError for what it cannot be asked."""
    refuse_unasked(query, levels=[query.level])  # which levels there are, `level_asked` says
    level = level_asked(query)
    asked = keys_at(level, query.matches)
    matches = {orthanc_name(name): _pattern(name, values) for name, values in asked.items()}
    return {"Level": level.name.capitalize(), "Query": matches, "CaseSensitive": False}


def level_asked(query: Query) -> Level:
    """The level that a question is at: that of studies, where it does not say. Raises DianaError INVALID_FIELD."""
    return level_of(query.level) or STUDY


class _Answers:
    """Makes items of answers; it remembers the last study and series, which most that follow belong to."""

    def __init__(self, server: Server, return_tags: Sequence[str]) -> None:
        self._server = server
        self._tags = return_tags
        self._parents: dict[Level, dict[str, Any]] = {}

    def item(self, level: Level, found: Mapping[str, Any], number: int) -> Item:
        resource = Resource(level, str(found.get("ID")))
        header = self._above(level, found) | _own(found)
        if missing := [tag for tag in self._tags if tag not in header]:
            header |= self._more(resource, found, missing)
        meta = {"id": resource.id, "level": level.name, **uids_in(header)}
        return Item(meta, dict(sorted(header.items())), number=number)

    def _above(self, level: Level, found: Mapping[str, Any]) -> dict[str, Any]:
        """The tags of what it belongs to."""
        if level not in _PARENTS:
            return {}
        key, parent = _PARENTS[level]
        resource = Resource(parent, str(found.get(key)))
        held = self._parents.get(parent)
        if held is None or held["id"] != resource.id:
            above = as_mapping(self._server.ask("GET", resource.path).json())
            held = {"id": resource.id, "header": self._above(parent, above) | _own(above)}
            self._parents[parent] = held
        return dict(held["header"])

    def _more(self, resource: Resource, found: Mapping[str, Any], missing: Sequence[str]) -> dict[str, Any]:
        """What was asked for and is not among Orthanc's main tags: counted, or read from the first instance."""
        counted = header_of(self._counted(resource, found, [keyword_of(int(tag, 16)) for tag in missing]))
        if left := [tag for tag in missing if tag not in counted]:
            full = header_of(texts_of(as_mapping(self._first(resource, found))))
            counted |= {tag: full[tag] for tag in left if tag in full}
        return counted

    def _counted(self, resource: Resource, found: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
        counted: dict[str, str] = {}
        if "ModalitiesInStudy" in names and resource.level == STUDY:
            series = as_mappings(self._server.ask("GET", f"{resource.path}/series").json())
            modalities = {str(as_mapping(one.get("MainDicomTags")).get("Modality", "")) for one in series}
            counted["ModalitiesInStudy"] = "\\".join(sorted(modalities - {""}))
        word = resource.level.name.capitalize()
        for below, listed in (("Studies", "Studies"), ("Series", "Series"), ("Instances", "Instances")):
            name = f"NumberOf{word}Related{below}"
            if name in names:
                there = found.get(listed)
                counted[name] = str(len(there) if isinstance(there, list) else self._statistic(resource, below))
        return counted

    def _statistic(self, resource: Resource, below: str) -> int:
        statistics = as_mapping(self._server.ask("GET", f"{resource.path}/statistics").json())
        return int(statistics.get(f"Count{below}", 0))

    def _first(self, resource: Resource, found: Mapping[str, Any]) -> Any:
        """All tags of the first instance below a resource."""
        while resource.level != INSTANCE:
            below, listed = _BELOW[resource.level]
            names = as_list(found.get(listed))
            if not names:
                return {}
            resource = Resource(below, str(names[0]))
            found = as_mapping(self._server.ask("GET", resource.path).json())
        return self._server.ask("GET", f"{resource.path}/tags").json()


def _own(found: Mapping[str, Any]) -> dict[str, Any]:
    """What Orthanc says of a resource itself; of a study, its patient's too."""
    return header_of({**found.get("PatientMainDicomTags", {}), **found.get("MainDicomTags", {})})


def _pattern(name: str, values: object) -> str:
    if isinstance(values, Mapping) or "." in name:
        raise DianaError(Reason.KEY_UNSUPPORTED, f"{name}: Orthanc cannot be asked about items of sequences")
    several = [values] if isinstance(values, str) else [str(value) for value in _listed(values)]
    if len(several) > 1 and any(set(value) & _PATTERN or not value for value in several):
        raise invalid_field(name, "must be one pattern, or several plain values: ask once for each pattern")
    return "\\".join(several)


def _listed(values: object) -> Sequence[object]:
    return values if isinstance(values, Sequence) else [values]


def _ask(server: Server, asked: Mapping[str, Any]) -> Any:
    return server.ask("POST", "/tools/find", body=as_body(asked), again=True).json()
