"""Holding what is installed against a manifest: what was changed, what is missing, what was added."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from diana_cli.integrity.bytecode import OtherPython, bytecode_fault
from diana_cli.integrity.manifest import MANIFEST, SIGNATURE, Manifest
from diana_cli.integrity.regular import NotRegular, linked_part, open_regular

_INSTALLERS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"}
"""What installers write into a .dist-info folder, differently on each machine."""
_AT_START = {"sitecustomize", "usercustomize"}
"""The modules that Python imports whenever it starts (the documentation of `site`)."""
_VIRTUALENV = ("_virtualenv.pth", b"import _virtualenv")
"""What uv and virtualenv put into each environment that they make, and note nowhere."""


@dataclass(frozen=True)
class Finding:
    """A file that is not as the release has it."""

    what: str
    """changed, missing, extra or shadowed."""
    file: str
    """Relative to site-packages."""
    why: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.file}" + (f" ({self.why})" if self.why else "")


def examine(manifest: Manifest, site: Path, counts: Counter[str]) -> Iterator[Finding]:
    """What differs below `site`. Counts "files", "bytecode" and "bytecode of other Pythons"."""
    links: set[str] = set()
    for path, digest in manifest.files.items():
        counts["files"] += 1
        if link := linked_part(site, path):
            if link not in links:
                yield Finding("changed", link, "is a link: what is behind it is not looked at")
            links.add(link)
        elif finding := _hold(site, path, digest):
            yield finding
    for top in sorted(manifest.tops - links):
        yield from (one for one in _extra_below(site / top, manifest, site, counts) if one.file not in links)
    yield from _extra_beside(manifest, site)


def find_shadows(manifest: Manifest, site: Path) -> Iterator[Finding]:
    """The packages that this Python would import from elsewhere than from `site`."""
    for package in sorted(manifest.packages):
        spec = importlib.util.find_spec(package)
        places = list(spec.submodule_search_locations or [str(spec.origin)]) if spec else []
        others = [place for place in places if Path(place).resolve() != (site / package).resolve()]
        if others:
            yield Finding("shadowed", package, f"Python imports it from {', '.join(others)}")


def _hold(site: Path, path: str, digest: str) -> Finding | None:
    try:
        with open_regular(site / path) as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return Finding("missing", path)
    except NotRegular:
        return Finding("changed", path, "is no regular file")
    except OSError as error:
        return Finding("changed", path, f"cannot be read: {error.strerror}")
    return None if found == digest else Finding("changed", path)


def _extra_below(top: Path, manifest: Manifest, site: Path, counts: Counter[str]) -> Iterator[Finding]:
    for folder, folders, names in os.walk(top):
        for name in sorted([*names, *(one for one in folders if (Path(folder) / one).is_symlink())]):
            file = Path(folder) / name
            path = file.relative_to(site).as_posix()
            if path in manifest.files or path in (MANIFEST, SIGNATURE) or _is_installers(path):
                continue
            why = _cached(file, manifest, site, counts) if file.parent.name == "__pycache__" else "not of the release"
            if why:
                yield Finding("extra", path, why)


def _cached(file: Path, manifest: Manifest, site: Path, counts: Counter[str]) -> str:
    """Why a file of a __pycache__ folder is not to be there."""
    if file.is_symlink() or not file.is_file():
        return "is no regular file"
    try:
        fault = bytecode_fault(file, site, manifest.files)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except OtherPython:
        counts["bytecode of other Pythons"] += 1
        return ""
    counts["bytecode"] += 1
    return fault


def _is_installers(path: str) -> bool:
    folder, _, name = path.partition("/")
    return folder.endswith(".dist-info") and name in _INSTALLERS


def _extra_beside(manifest: Manifest, site: Path) -> Iterator[Finding]:
    """What stands beside the packages and comes before them, or runs before anything does."""
    ours = {name.replace("-", "_").lower() for name in manifest.distributions}
    claimed = _claimed(site)
    for entry in sorted(site.iterdir()):
        first = entry.name.partition(".")[0]
        if entry.name in manifest.tops:
            continue
        if first in manifest.packages:
            yield Finding("extra", entry.name, "could be imported instead of the package")
        elif entry.suffix in (".dist-info", ".egg-info") and entry.name.partition("-")[0].lower() in ours:
            yield Finding("extra", entry.name, "another version's")
        elif (entry.suffix == ".pth" or first in _AT_START) and not (entry.name in claimed or _is_virtualenvs(entry)):
            yield Finding("extra", entry.name, "runs whenever Python starts, and belongs to no installed package")


def _is_virtualenvs(entry: Path) -> bool:
    name, content = _VIRTUALENV
    return entry.name == name and entry.is_file() and _begins(entry, 100) == content


def _begins(file: Path, count: int) -> bytes:
    with open_regular(file) as opened:
        return opened.read(count)


def _claimed(site: Path) -> set[str]:
    """What the records of installed packages name directly in site-packages."""
    claimed: set[str] = set()
    for record in site.glob("*.dist-info/RECORD"):
        if not record.is_file():
            continue
        try:
            with TextIOWrapper(open_regular(record), encoding="utf-8", errors="replace", newline="") as file:
                claimed |= {row[0] for row in csv.reader(file) if row and "/" not in row[0]}
        except (OSError, csv.Error):
            continue  # what it claims is then claimed by nobody, and is told
    return claimed
