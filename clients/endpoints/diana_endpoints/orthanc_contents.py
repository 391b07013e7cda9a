"""What an Orthanc holds, on its way out and in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from diana_common.errors import DianaError, Reason, invalid_field
from diana_endpoints.headers import fill_header
from diana_endpoints.http import Answer, Server, refused
from diana_endpoints.items import BytesContent, Content, Item, chunks
from diana_endpoints.levels import INSTANCE, SERIES, STUDY, Level
from diana_endpoints.multipart import fetched
from diana_endpoints.orthanc_names import Resource, as_mapping, as_mappings
from diana_endpoints.part10 import holds_part10, may_be_same

_OUTCOMES = {"Success": "stored", "AlreadyStored": "already_stored"}


@dataclass(frozen=True, slots=True)
class InstanceContent:
    """An instance's file, fetched when it is opened."""

    server: Server
    path: str
    size: int

    def open(self) -> BinaryIO:
        return self.server.open(self.path)


def instances(server: Server, resource: Resource) -> Iterator[Item]:
    """The instances below a resource, series by series, their content unopened."""
    match resource.level.name:
        case "patient":
            for study in as_mapping(server.ask("GET", resource.path).json()).get("Studies", ()):
                yield from instances(server, Resource(STUDY, str(study)))
        case "study":
            study_uid = _uid(server, resource)
            for series in as_mappings(server.ask("GET", f"{resource.path}/series").json()):
                yield from _of_series(server, series, study_uid)
        case "series":
            series = as_mapping(server.ask("GET", resource.path).json())
            parent = Resource(STUDY, str(series.get("ParentStudy")))
            yield from _of_series(server, series, _uid(server, parent))
        case _:
            yield _one(server, resource)


def count(server: Server, resource: Resource) -> int:
    """How many instances there are below a resource."""
    if resource.level == INSTANCE:
        return 1
    return int(as_mapping(server.ask("GET", f"{resource.path}/statistics").json()).get("CountInstances", 0))


def store(server: Server, item: Item) -> str:
    """Give an item's content to Orthanc, and note its names there; the outcome.

    Raises DianaError, or as the content does.
    """
    if item.content is None:
        raise invalid_field("content", "is required: get the instance before it is put")
    content = item.content = fetched(item.content)
    _require_part10(content)  # of a ZIP file, Orthanc would store what it holds, under one answer
    with suppress(DianaError):  # Orthanc has the last word on what it takes
        fill_header(item)
    body = content.data if isinstance(content, BytesContent) else chunks(content)
    answer = as_mapping(_posted(server, body).json())
    outcome = _OUTCOMES.get(str(answer.get("Status")))
    if outcome is None:
        raise refused("did not keep the instance: a filter of its own, or a full disk")
    if outcome == "already_stored" and _keeps_another(server, str(answer.get("ID")), content):
        raise DianaError(Reason.INSTANCE_CONFLICT, "the server has another instance under this UID")
    item.meta |= {"id": str(answer.get("ID")), "study_id": str(answer.get("ParentStudy")), "level": INSTANCE.name}
    return outcome


def _posted(server: Server, body: bytes | Iterator[bytes]) -> Answer:
    try:
        return server.ask("POST", "/instances", body=body, again=True)
    except DianaError as error:
        if error.reason is Reason.ITEM_NOT_FOUND:  # which is how Orthanc says of some files that it cannot read them
            raise refused("does not take the instance (status 404)") from None
        raise


def _keeps_another(server: Server, instance: str, content: Content) -> bool:
    """Whether Orthanc keeps another data set under the UIDs of this one, in the same transfer syntax.

    One that it keeps in another transfer syntax it may have transcoded itself: then nobody can tell.
    """
    kept = InstanceContent(server, f"{Resource(INSTANCE, instance).path}/file", 0)
    return not may_be_same(content, kept)


def _require_part10(content: Content) -> None:
    if not holds_part10(content):
        raise DianaError(Reason.NOT_PART10, "is not a DICOM file")


def _of_series(server: Server, series: Mapping[str, Any], study_uid: str) -> Iterator[Item]:
    uids = {"study_uid": study_uid, "series_uid": _uid_in(series, SERIES)}
    resource = Resource(SERIES, str(series.get("ID")))
    for found in as_mappings(server.ask("GET", f"{resource.path}/instances").json()):
        yield _item(server, found, uids)


def _one(server: Server, resource: Resource) -> Item:
    found = as_mapping(server.ask("GET", resource.path).json())
    series = as_mapping(server.ask("GET", Resource(SERIES, str(found.get("ParentSeries"))).path).json())
    study = Resource(STUDY, str(series.get("ParentStudy")))
    uids = {"study_uid": _uid(server, study), "series_uid": _uid_in(series, SERIES)}
    return _item(server, found, uids)


def _item(server: Server, found: Mapping[str, Any], uids: Mapping[str, str]) -> Item:
    resource = Resource(INSTANCE, str(found.get("ID")))
    size = int(found.get("FileSize") or 0)
    meta = {"id": resource.id, "level": INSTANCE.name, **uids, "sop_instance_uid": _uid_in(found, INSTANCE)}
    return Item({**meta, "size_bytes": size}, content=InstanceContent(server, f"{resource.path}/file", size))


def _uid(server: Server, resource: Resource) -> str:
    return _uid_in(as_mapping(server.ask("GET", resource.path).json()), resource.level)


def _uid_in(found: Mapping[str, Any], level: Level) -> str:
    return str(as_mapping(found.get("MainDicomTags")).get(level.keyword, ""))
