"""A release: both wheels, with a manifest of their files signed with Ed25519. `make release KEY=FILE` runs it.

The private key, PEM as `openssl genpkey -algorithm ed25519` writes it, is read from its file and never leaves this
process. Wheels are built without the network; what was made is installed into a fresh environment and verified there.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from diana_cli.integrity.manifest import KEY, MANIFEST, SIGNATURE, Manifest
from diana_cli.integrity.signature import fingerprint

ROOT = Path(__file__).parents[1]
PROJECTS = (ROOT / "clients/python", ROOT)
"""Where the two wheels are built from; the manifest is put into the last."""
_DATE = (2020, 2, 2, 0, 0, 0)
"""What hatchling gives every member, so that a wheel can be built again to the byte."""


def main() -> None:
    """Build, sign and try out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--key", type=Path, required=True, help="file of the private key, for its owner alone")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the wheels, the manifest, the key")
    parser.add_argument("--changed", action="store_true", help="take a checkout with changes that are not committed")
    asked = parser.parse_args()
    if not asked.changed:
        refuse_changes()
    key = read_private_key(asked.key)
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        wheels = [build_wheel(project, Path(made)) for project in PROJECTS]
        sign_wheels(wheels, key)
        try_out(wheels, Path(made) / "fresh", (Path(made) / "release.pem", public_pem(key)))
        for wheel in wheels:
            shutil.copy2(wheel, asked.out)
            print(asked.out / wheel.name)
        with zipfile.ZipFile(wheels[-1]) as last:
            for name in (MANIFEST, SIGNATURE, KEY):
                (asked.out / Path(name).name).write_bytes(last.read(name))
    print(f"signed with the key whose SHA-256 is {fingerprint(key.public_key())}")


def refuse_changes() -> None:
    """Ends the process where the checkout is not what its last commit says: whoever has the commit could not tell."""
    status = ["git", "status", "--porcelain"]
    if (ROOT / ".git").exists() and subprocess.run(status, cwd=ROOT, check=True, capture_output=True).stdout:
        sys.exit("the checkout has changes that are not committed: commit or remove them, or say --changed")


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """The key of a PEM file that others cannot read; ends the process, saying why, for any other."""
    try:
        if path.stat().st_mode & 0o077:
            sys.exit(f"{path.name} can be used by others of this machine: chmod 600 it, or make a new one")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, TypeError, ValueError) as error:
        sys.exit(f"{path.name} is no private key that can be read ({type(error).__name__})")
    if not isinstance(key, Ed25519PrivateKey):
        sys.exit(f"{path.name} holds no Ed25519 key: openssl genpkey -algorithm ed25519 -out {path.name}")
    return key


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """The public key, as it goes into the wheel."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def build_wheel(project: Path, out: Path) -> Path:
    """Build a project's wheel; the file."""
    before = set(out.iterdir())
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)], cwd=project, check=True)
    return (set(out.iterdir()) - before).pop()


def sign_wheels(wheels: list[Path], key: Ed25519PrivateKey) -> None:
    """Put the signed manifest of all wheels into the last of them."""
    pem = public_pem(key)
    files = {name: digest for wheel in wheels for name, digest in _digests(wheel)}
    files[KEY] = hashlib.sha256(pem).hexdigest()
    text = Manifest(dict(_version(wheel) for wheel in wheels), files).text()
    _add(wheels[-1], {KEY: pem, MANIFEST: text, SIGNATURE: key.sign(text)})


def try_out(wheels: list[Path], venv: Path, key: tuple[Path, bytes]) -> None:
    """Install the wheels, without what they need, into a fresh environment, and verify them there with that key."""
    key[0].write_bytes(key[1])
    python = install(wheels, venv)
    check = [str(python), "-m", "diana_cli.integrity", "--key", str(key[0])]
    subprocess.run(check, check=True, env=dependencies())


def install(wheels: list[Path], venv: Path) -> Path:
    """Install wheels alone into a fresh environment; its Python."""
    uv = [str(Path(sys.executable).parent / "uv"), "--offline", "--no-cache", "--quiet"]
    python = venv / "bin" / "python"
    subprocess.run([*uv, "venv", "--python", sys.executable, str(venv)], check=True)
    named = [str(wheel) for wheel in wheels]
    subprocess.run([*uv, "pip", "install", "--no-deps", "--no-index", "--python", str(python), *named], check=True)
    return python


def dependencies() -> dict[str, str]:
    """An environment in which the packages of others are found where this Python has them."""
    return {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}


def _digests(wheel: Path) -> Iterator[tuple[str, str]]:
    """Each file that the wheel will install, but for its record, which installers write anew."""
    with zipfile.ZipFile(wheel) as opened:
        for name in opened.namelist():
            if not name.endswith(".dist-info/RECORD"):
                yield name, hashlib.sha256(opened.read(name)).hexdigest()


def _version(wheel: Path) -> tuple[str, str]:
    name, version = wheel.name.split("-")[:2]
    return name.replace("_", "-"), version


def _add(wheel: Path, members: dict[str, bytes]) -> None:
    """Write the wheel anew with more members, all of them in its record (the wheel format's specification)."""
    partial = wheel.with_suffix(".partial")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as new:
        record = next(one for one in old.infolist() if one.filename.endswith(".dist-info/RECORD"))
        for info in old.infolist():
            if info is not record:
                new.writestr(info, old.read(info))
        lines = old.read(record).decode().splitlines()
        for name, data in members.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.external_attr = 0o644 << 16
            new.writestr(info, data, zipfile.ZIP_DEFLATED)
            lines.insert(len(lines) - 1, _record_line(name, data))
        new.writestr(record, "\n".join([*lines, ""]))
    partial.replace(wheel)


def _record_line(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}"


if __name__ == "__main__":
    main()
