"""The manifest of a release: a line for each file, as `sha256sum --check` reads it, below what it is the release of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

MANIFEST = "diana_cli/integrity/manifest.sha256"
"""Where a release keeps its manifest, from site-packages."""
SIGNATURE = f"{MANIFEST}.sig"
"""The Ed25519 signature of the manifest's bytes (RFC 8032): 64 bytes."""
KEY = "diana_cli/integrity/release.pem"
"""The public key that it is signed with; itself a file of the manifest."""

_TITLE = "# DIANA mesh release manifest, format 1: paths from site-packages"
_DISTRIBUTION = re.compile(r"# ([A-Za-z0-9._-]{1,100}) ([A-Za-z0-9.+!_-]{1,100})")
_FILE = re.compile(r"([0-9a-f]{64})  ([^\x00-\x1f\x7f\\]{1,400})")


class NotReleased(Exception):
    """The manifest, its signature or its key is none, or not the one that was signed."""


class NoManifest(Exception):
    """There is no release manifest, as in a source checkout."""


@dataclass(frozen=True)
class Manifest:
    """What a release consists of."""

    distributions: Mapping[str, str]
    """Versions by name."""
    files: Mapping[str, str]
    """SHA-256 in hexadecimal by path, relative to site-packages, with slashes."""

    @property
    def tops(self) -> set[str]:
        """The entries of site-packages that are the release's own: its packages and its .dist-info folders."""
        return {path.partition("/")[0] for path in self.files}

    @property
    def packages(self) -> set[str]:
        """The names that Python imports."""
        return {top for top in self.tops if not top.endswith(".dist-info")}

    def text(self) -> bytes:
        """The manifest as it is signed."""
        about = [f"# {name} {version}" for name, version in sorted(self.distributions.items())]
        lines = [f"{digest}  {path}" for path, digest in sorted(self.files.items())]
        return "\n".join([_TITLE, *about, *lines, ""]).encode()

    @classmethod
    def parse(cls, text: bytes) -> Manifest:
        """The manifest of a text. Raises NotReleased, with the line, for what is none."""
        distributions: dict[str, str] = {}
        files: dict[str, str] = {}
        lines = text.decode("utf-8", "replace").removesuffix("\n").split("\n")
        if not lines or lines[0] != _TITLE:
            raise NotReleased("the manifest is of no format that is known here")
        for number, line in enumerate(lines[1:], 2):
            if about := _DISTRIBUTION.fullmatch(line):
                distributions[about[1]] = about[2]
            elif (file := _FILE.fullmatch(line)) and file[2] not in files and _is_inside(file[2]):
                files[file[2]] = file[1]
            else:
                raise NotReleased(f"line {number} of the manifest is none of a manifest")
        return cls(distributions, files)


def _is_inside(path: str) -> bool:
    """Whether a path can only mean a file of a folder of site-packages."""
    pure = PurePosixPath(path)
    return len(pure.parts) > 1 and not pure.is_absolute() and ".." not in pure.parts and str(pure) == path
