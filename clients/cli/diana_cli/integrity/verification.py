"""The whole check, and what is said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from diana_cli.integrity.examination import Finding, examine, find_shadows
from diana_cli.integrity.manifest import KEY, MANIFEST, Manifest, NoManifest, NotReleased
from diana_cli.integrity.regular import NotRegular, open_regular
from diana_cli.integrity.signature import check_signature, fingerprint, read_public_key

HERE = Path(__file__).resolve().parents[2]
"""The site-packages that this module itself lies in."""
_LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True)
class Verdict:
    """What came of a verification."""

    manifest: Manifest
    key: str
    """The fingerprint of the key that the manifest is signed with."""
    findings: list[Finding]
    counts: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """What people are told: each file that is not as it was signed, or what the check proves, and what not."""
        yield from map(str, self.findings)
        release = ", ".join(f"{name} {version}" for name, version in sorted(self.manifest.distributions.items()))
        if self.findings:
            yield f"{len(self.findings)} of the files are not as they were signed: {release}"
        else:
            yield f"{self.counts['files']} files are as they were signed: {release}"
        yield f"signed by the holder of the Ed25519 key with SHA-256 {self.key}"
        if self.findings:
            return
        yield f"{self.counts['bytecode']} files of cached bytecode say what their sources say"
        if others := self.counts["bytecode of other Pythons"]:
            yield f"not compared: {others} files of bytecode for other Pythons; verify with those"
        yield "not proven: that this verifier, Python and the packages of others are unaltered (docs/verify.md)"


def verify(site: Path = HERE, manifest: Path | None = None, key: Path | None = None) -> Verdict:
    """Hold what is installed in a site-packages folder against its manifest, or another; keys alike.

    The key is that of the copy of DIANA mesh that runs this, not that of `site`. Raises NoManifest, NotReleased,
    OSError.
    """
    site = site.resolve()
    text = _read(manifest or site / MANIFEST, named=manifest is not None)
    public = read_public_key(_key_file(key))
    signed = manifest or site / MANIFEST
    signature = _read(signed.with_name(f"{signed.name}.sig"), named=manifest is not None)
    check_signature(public, signature, text)
    listed = Manifest.parse(text)
    counts: Counter[str] = Counter()
    findings = list(examine(listed, site, counts))
    if site == HERE:
        findings += find_shadows(listed, site)
    return Verdict(listed, fingerprint(public), findings, counts)


def _key_file(key: Path | None) -> Path:
    if key:
        return key
    if not (HERE / KEY).exists():
        raise NoManifest("this copy of DIANA mesh has no release key: name one with --key FILE")
    if not (HERE / KEY).is_file():
        raise NotReleased(f"{KEY} is no regular file")
    return HERE / KEY


def _read(path: Path, *, named: bool) -> bytes:
    if not named and not path.exists():
        raise NoManifest(
            "there is no release manifest: this is a source checkout or was built from one, or the manifest has been "
            "removed. Hold a checkout against its repository (git status), or install a signed release"
        )
    try:
        with path.open("rb") if named else open_regular(path) as file:
            text = file.read(_LARGEST + 1)
    except NotRegular:
        raise NotReleased(f"{path.name} is no regular file") from None
    if len(text) > _LARGEST:
        raise NotReleased(f"{path.name} has more than 4 MiB")
    return text
