"""Which kinds of endpoint there are, and how each is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diana_common.settings import build, config_invalid, join, nearest
from diana_endpoints.anon import Anon, AnonSettings
from diana_endpoints.archive import Archive, ArchiveSettings
from diana_endpoints.dimse import Dimse, DimseSettings
from diana_endpoints.folder import Folder, FolderSettings
from diana_endpoints.guid import Guid, GuidSettings
from diana_endpoints.index import Index, IndexSettings
from diana_endpoints.notify import Notify, NotifySettings
from diana_endpoints.protocol.endpoint import Endpoint
from diana_endpoints.route import Route, RouteSettings
from diana_endpoints.zips import Zip, ZipSettings


@dataclass(frozen=True)
class Kind:
    """A kind of endpoint."""

    ctype: str
    """Its name in services YAML."""

    prefix: str
    """What a URL of it begins with, before the colon."""

    setting: str
    """The setting that a URL's rest gives; empty where there may be none."""

    mesh: bool
    """Whether it is a service of the mesh, whose address comes from services YAML or the running mesh."""

    settings: type
    make: Callable[[Any], Endpoint]


KINDS = (
    Kind("archive", "archive", "store", True, ArchiveSettings, Archive),
    Kind("index", "index", "store", True, IndexSettings, Index),
    Kind("guid", "guid", "domain", True, GuidSettings, Guid),
    Kind("anon", "anon", "profile", True, AnonSettings, Anon),
    Kind("notify", "notify", "", True, NotifySettings, Notify),
    Kind("dimse", "dimse", "store", True, DimseSettings, Dimse),
    Kind("route", "route", "", True, RouteSettings, Route),
    Kind("folder", "path", "path", False, FolderSettings, Folder),
    Kind("zip", "zip", "path", False, ZipSettings, Zip),
)


def kind_of(entry: Mapping[str, Any], where: str) -> Kind:
    """The kind that an entry's `ctype` names. Raises DianaError CONFIG_INVALID, naming the nearest."""
    by_name = {kind.ctype: kind for kind in KINDS}
    ctype = entry.get("ctype")
    if ctype is None:
        raise config_invalid(join(where, "ctype"), f"is required; known: {', '.join(sorted(by_name))}")
    if ctype not in by_name:
        raise config_invalid(join(where, "ctype"), f"is not a kind of endpoint; {nearest(str(ctype), by_name)}")
    return by_name[ctype]


def make(entry: Mapping[str, Any], where: str) -> Endpoint:
    """The endpoint that an entry of services YAML describes. Raises DianaError CONFIG_INVALID."""
    kind = kind_of(entry, where)
    settings = {key: value for key, value in entry.items() if key != "ctype"}
    return kind.make(build(kind.settings, settings, where))
