"""Which kinds of endpoint there are: ours, and those of installed packages. Each is imported when it is first used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import Any

from diana_common.errors import DianaError
from diana_common.settings import build, config_invalid, join, nearest
from diana_endpoints.kind import Kind
from diana_endpoints.protocol.endpoint import Endpoint

GROUP = "diana_endpoints"
"""The entry points under which packages offer kinds."""

_OURS = {
    "archive": "archive",
    "index": "index",
    "guid": "guid",
    "anon": "anon",
    "notify": "notify",
    "dimse": "dimse",
    "route": "route",
    "folder": "folder",
    "zip": "zips",
    "csv": "csv_table",
    "redis": "redis_values",
    "images": "images",
    "reports": "reports",
    "smtp": "smtp",
    "gmail": "gmail",
    "apprise": "apprise",
    "orthanc": "orthanc",
    "dicomweb": "dicomweb",
    "splunk": "splunk",
}
"""The module of each kind of ours, by ctype."""

_PREFIXES = {"path": "folder", "redis": "redis", "rediss": "redis", "ipath": "images", "rpath": "reports"}
"""What URLs begin with, where that is not the ctype."""

OLDER = {
    "DcmDir": "folder",
    "Orthanc": "orthanc",
    "Splunk": "splunk",
    "CsvFile": "csv",
    "Redis": "redis",
    "ImageDir": "images",
    "ReportDir": "reports",
    "SmtpMessenger": "smtp",
}
"""The older system's names for kinds of ours."""


def ctypes() -> list[str]:
    """Every kind's name in services YAML."""
    return sorted({*_OURS, *_offered()})


def prefixes() -> list[str]:
    """What a URL may begin with, before the colon."""
    hidden = set(_PREFIXES.values())
    return sorted({*_PREFIXES, *(ctype for ctype in ctypes() if ctype not in hidden)})


def ctype_of_prefix(prefix: str) -> str | None:
    """The kind that a URL means by what stands before its colon: `dicomweb+https` is of kind `dicomweb`."""
    first = prefix.partition("+")[0]
    ctype = _PREFIXES.get(first, first)
    return ctype if ctype in _OURS or ctype in _offered() else None


def ctype_said(entry: Mapping[str, Any]) -> str:
    """The kind that an entry of services YAML says, by its name of today; it may be none, and empty."""
    named = entry.get("ctype")
    return "" if named is None else OLDER.get(str(named), str(named))


def ctype_of(entry: Mapping[str, Any], where: str) -> str:
    """The kind that an entry of services YAML names. Raises DianaError CONFIG_INVALID, naming the nearest."""
    named = entry.get("ctype")
    if named in (None, ""):
        raise config_invalid(join(where, "ctype"), f"is required; known: {', '.join(ctypes())}")
    ctype = ctype_said(entry)
    if ctype not in _OURS and ctype not in _offered():
        meant = _PREFIXES.get(ctype)
        hint = f"did you mean {meant!r}?" if meant else nearest(ctype, ctypes())
        raise config_invalid(join(where, "ctype"), f"is not a kind of endpoint; {hint}")
    return ctype


@cache
def kind(ctype: str) -> Kind:
    """The kind of a name. Raises DianaError CONFIG_INVALID when the package that offers it cannot be loaded."""
    if ctype in _OURS:
        ours: Kind = import_module(f"diana_endpoints.{_OURS[ctype]}").KIND
        return ours
    if ctype not in _offered():
        raise config_invalid(ctype, "is not a kind of endpoint")
    with blaming(ctype, ctype) as package:
        loaded = _offered()[ctype][package].load()
    if not (isinstance(loaded, Kind) and is_dataclass(loaded.settings)):
        raise config_invalid(ctype, f"the package {package} offers no Kind with a dataclass of settings by this name")
    return loaded


def make(entry: Mapping[str, Any], where: str) -> Endpoint:
    """The endpoint that an entry of services YAML describes. Raises DianaError CONFIG_INVALID."""
    ctype = ctype_of(entry, where)
    found = kind(ctype)
    settings = {key: value for key, value in entry.items() if key != "ctype"}
    with blaming(ctype, where) as package:
        made = found.make(build(found.settings, settings, where))
    if not isinstance(made, Endpoint):
        raise config_invalid(where, f"the package {package} makes no endpoint: what it makes has no close()")
    return made


@contextmanager
def blaming(ctype: str, where: str) -> Iterator[str]:
    """Whatever a package of others does, it is told of by name, and the rest of the services can be used.

    Gives the package that offers the kind. Raises DianaError CONFIG_INVALID when several do.
    """
    if ctype in _OURS:
        yield "diana-mesh"
        return
    package, *more = sorted(_offered()[ctype])
    if more:
        raise config_invalid(where, f"{ctype} is offered by {', '.join([package, *more])}: keep one of these packages")
    try:
        yield package
    except DianaError:
        raise
    except (Exception, SystemExit) as error:
        missing = f": {error.name}" if isinstance(error, ModuleNotFoundError) else ""
        told = f"the package {package} cannot be used ({type(error).__name__}{missing})"
        raise config_invalid(where, told) from error


@cache
def _offered() -> dict[str, dict[str, EntryPoint]]:
    """What installed packages offer: of each ctype, the entry points by package. No name of ours can be taken."""
    offered: dict[str, dict[str, EntryPoint]] = {}
    for point in _points():
        if point.name not in _OURS | _PREFIXES | OLDER:
            package = (point.dist and point.dist.name) or point.value
            offered.setdefault(point.name, {}).setdefault(package, point)
    return offered


def _points() -> list[EntryPoint]:
    try:
        return list(entry_points(group=GROUP))
    except Exception:  # one package's metadata cannot be read: the others' can
        return [point for package in distributions() for point in _points_of(package)]


def _points_of(package: Distribution) -> list[EntryPoint]:
    try:
        return list(package.entry_points.select(group=GROUP))
    except Exception:
        return []
