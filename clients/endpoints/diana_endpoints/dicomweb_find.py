"""Questions to a DICOMweb server: QIDO-RS (PS3.18 section 10.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from diana_common.errors import DianaError, Reason, invalid_field
from diana_common.tags import keyword_of, parse_tag, tag_hex, vr_of
from diana_common.uid import is_uid
from diana_endpoints.headers import uids_in
from diana_endpoints.http import Server, refused
from diana_endpoints.items import Item
from diana_endpoints.level_keys import keys_at
from diana_endpoints.levels import BY_UID, STUDY, Level, level_of
from diana_endpoints.protocol.query import Query, refuse_unasked

ACCEPT = {"Accept": "application/dicom+json"}
Fields = list[tuple[str, str]]


def find(server: Server, query: Query, page_size: int) -> Iterator[Item]:
    """What matches, pages as they are needed. Raises DianaError."""
    path, fields = question(query)
    level = level_asked(query)
    for number, header in enumerate(records(server, path, fields, page_size), 1):
        uids = uids_in(header)
        yield Item({"id": uids.get(level.key, ""), "level": level.name, **uids}, header, number=number)


def question(query: Query) -> tuple[str, Fields]:
    """Where the question goes, and what it says. Raises DianaError for what QIDO-RS cannot be asked."""
    level = level_asked(query)
    refuse_unasked(query, supported=("fuzzy_names",), levels=[query.level])
    fields = list(_matches(keys_at(level, query.matches)))
    fields += [("includefield", _name(key)) for key in query.return_keys]
    fields += [("fuzzymatching", "true")] if query.fuzzy_names else []
    return f"/{level.plural}", fields


def level_asked(query: Query) -> Level:
    """The level that a question is at: that of studies, where it does not say. Raises DianaError."""
    level = level_of(query.level) or STUDY
    if level not in BY_UID:
        raise DianaError(Reason.KEY_UNSUPPORTED, f"level {level.name}: this kind of endpoint cannot be asked that")
    return level


def records(server: Server, path: str, fields: Sequence[tuple[str, str]], page_size: int) -> Iterator[dict[str, Any]]:
    """The records at a path, page by page until one is empty: a server's own limit may be lower than ours.

    A server that ignores offsets answers the same again: then the first page was all.
    """
    offset, before = 0, None
    while True:
        paged = [*fields, ("limit", str(page_size)), ("offset", str(offset))]
        answer = server.ask("GET", path, fields=paged, headers=ACCEPT)
        page = [] if answer.status == 204 or not answer.body.strip() else answer.json()
        if not isinstance(page, list) or not all(isinstance(one, dict) for one in page):
            raise refused("does not answer in DICOM JSON")
        if not page or page == before:
            return
        yield from page
        offset, before = offset + len(page), page


def uid_path(study: str, series: str = "", instance: str = "") -> str:
    """Where a study, series or instance is. Raises DianaError UID_INVALID."""
    path = ""
    for level, uid in zip(BY_UID, (study, series, instance)):
        if not uid and path:
            break
        if not is_uid(uid) or not uid.strip("."):
            raise DianaError(Reason.UID_INVALID, f"what names one of {level.plural} is no UID")
        path += f"/{level.plural}/{uid}"
    return path


def _matches(matches: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, values in matches.items():
        name = prefix + _name(key)
        if isinstance(values, Mapping):
            yield from _matches(values, f"{name}.")
            continue
        several = [values] if isinstance(values, str) else [str(value) for value in values]
        if len(several) > 1 and vr_of(parse_tag(key.rpartition(".")[2])) != "UI":
            raise invalid_field(key, "must be one value: QIDO-RS takes a list of UIDs only; ask once for each")
        yield name, ",".join(several)


def _name(key: str) -> str:
    """An attribute as QIDO-RS has it: SEQUENCE.ATTRIBUTE, each by keyword or tag."""
    tags = [parse_tag(part, key) for part in key.split(".")]
    return ".".join(keyword_of(tag) or tag_hex(tag) for tag in tags)
