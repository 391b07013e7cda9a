"""A signed release, installed as its users install it: what `verify` finds, and what openssl and sha256sum say."""

from __future__ import annotations

import json
import os
import py_compile
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from diana_cli.integrity.manifest import KEY, MANIFEST, SIGNATURE
from tests.support import tour, typed_page
from tools.sign_release import ROOT, dependencies, install

_CHANGED = "diana_anon/data/profiles/basic.yaml"
_MODULE = "diana_cli/spans.py"


def _make_key(path: Path) -> Path:
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)], check=True)
    path.chmod(0o600)
    return path


@dataclass
class Release:
    """What `make release` made, and a fresh environment that it is installed in."""

    folder: Path
    key: Path
    python: Path

    @property
    def site(self) -> Path:
        return next((self.python.parents[1] / "lib").glob("python*/site-packages"))

    def verify(self, *options: str) -> subprocess.CompletedProcess[str]:
        """The check by the installed copy."""
        command = [str(self.python), "-m", "diana_cli.integrity", *options]
        return subprocess.run(command, capture_output=True, text=True, env=dependencies())


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("release")
    key = _make_key(folder / "release.key")
    recipe = [sys.executable, "-m", "tools.sign_release", "--changed", "--key", str(key), "--out", str(folder / "dist")]
    made = subprocess.run(recipe, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return Release(folder, key, install(sorted((folder / "dist").glob("*.whl")), folder / "venv"))


@pytest.fixture
def kept(release: Release) -> Iterator[Release]:
    """The release; whatever a test does to its files is undone after it."""
    before = {path: path.read_bytes() for path in release.site.rglob("*") if path.is_file()}
    folders = {path for path in release.site.rglob("*") if path.is_dir()}
    yield release
    for path in release.site.rglob("*"):
        if path.is_symlink() or (not path.is_dir() and path not in before):
            path.unlink()
    for path, content in before.items():
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for path in {path for path in release.site.rglob("*") if path.is_dir()} - folders:
        shutil.rmtree(path)


def test_a_release_as_it_was_installed_passes_and_says_what_is_not_proven(release: Release) -> None:
    cli = [str(release.python.with_name("diana-cli")), "verify"]
    said = subprocess.run(cli, capture_output=True, text=True, env=dependencies())
    assert said.returncode == 0, said.stderr
    assert "files are as they were signed: diana-mesh 0.1.0, diana-mesh-client 0.1.0" in said.stdout
    assert "not proven" in said.stdout


def test_scripts_get_json(kept: Release) -> None:
    (kept.site / _CHANGED).unlink()
    cli = [str(kept.python.with_name("diana-cli")), "--json", "verify"]
    said = subprocess.run(cli, capture_output=True, text=True, env=dependencies())
    assert said.returncode == 1
    first, last = map(json.loads, said.stdout.splitlines())
    assert first == {"outcome": "missing", "file": _CHANGED, "why": ""}
    assert (last["outcome"], last["diana-mesh"]) == ("different", "0.1.0")


def test_installers_find_the_wheels_records_right(release: Release) -> None:
    """uv does not look; pip's own check of a wheel does."""
    code = (
        "import sys, zipfile, csv, hashlib, base64\n"
        "w = zipfile.ZipFile(sys.argv[1]); names = [n for n in w.namelist()]\n"
        "record = next(n for n in names if n.endswith('.dist-info/RECORD'))\n"
        "rows = {r[0]: r[1:] for r in csv.reader(w.read(record).decode().splitlines())}\n"
        "assert len(set(names)) == len(names) and set(rows) == set(names), set(rows) ^ set(names)\n"
        "for name, (digest, size) in rows.items():\n"
        "    data = w.read(name)\n"
        "    said = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()\n"
        "    assert name == record or (digest, int(size)) == ('sha256=' + said, len(data)), name\n"
    )
    for wheel in (release.folder / "dist").glob("*.whl"):
        subprocess.run([sys.executable, "-c", code, str(wheel)], check=True)


def test_the_release_is_checked_by_hand_with_openssl_and_sha256sum(kept: Release) -> None:
    subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", KEY, "-rawin", "-in", MANIFEST, "-sigfile", SIGNATURE],
        cwd=kept.site,
        check=True,
        capture_output=True,
    )
    by_hand = ["sha256sum", "--check", "--quiet", MANIFEST]
    assert subprocess.run(by_hand, cwd=kept.site, capture_output=True, text=True).stdout == ""
    with (kept.site / _CHANGED).open("ab") as file:
        file.write(b"#")
    said = subprocess.run(by_hand, cwd=kept.site, capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (1, f"{_CHANGED}: FAILED\n")


def test_a_changed_byte_is_named_wherever_it_is(kept: Release) -> None:
    names = [_CHANGED, _MODULE, "diana/guid/v1/guid_service_pb2.py", "diana_mesh-0.1.0.dist-info/METADATA"]
    for name in names:
        data = bytearray((kept.site / name).read_bytes())
        data[-2] ^= 1
        (kept.site / name).write_bytes(data)
    said = kept.verify()
    changed = [line.removeprefix("changed: ") for line in said.stdout.splitlines() if line.startswith("changed: ")]
    assert (said.returncode, sorted(changed)) == (1, sorted(names))


def test_a_missing_file_is_named(kept: Release) -> None:
    (kept.site / _CHANGED).unlink()
    said = kept.verify()
    assert (said.returncode, said.stdout.splitlines()[0]) == (1, f"missing: {_CHANGED}")


def test_a_link_in_place_of_a_folder_is_told(kept: Release, tmp_path: Path) -> None:
    real = shutil.copytree(kept.site / "diana_cli" / "demo", tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "evil.py").write_text("")
    shutil.rmtree(kept.site / "diana_cli" / "demo")
    (kept.site / "diana_cli" / "demo").symlink_to(real)
    said = kept.verify()
    assert (said.returncode, said.stdout.splitlines()[0]) == (
        1,
        "changed: diana_cli/demo (is a link: what is behind it is not looked at)",
    )


_PLANTED = (
    "diana_cli/commands/planted.py",
    "diana_cli/spans.pyc",
    "diana_cli/spans.so",
    "diana/guid/planted.py",
    "diana_mesh-0.1.0.dist-info/entry_points.bak",
    "diana_cli.py",
    "diana_cli.abi3.so",
    "zz_planted.pth",
    "sitecustomize.py",
    "diana_cli/__pycache__/planted.cpython-311.pyc",
    "diana_cli/__pycache__/notes.txt",
)


def test_what_was_added_is_named_wherever_it_is(kept: Release) -> None:
    for name in _PLANTED:
        (kept.site / name).parent.mkdir(exist_ok=True)
        (kept.site / name).write_text("")
    (kept.site / "diana_mesh-0.0.9.dist-info").mkdir()
    said = kept.verify()
    extra = [line.removeprefix("extra: ").partition(" (")[0] for line in said.stdout.splitlines()[:-2]]
    assert (said.returncode, sorted(extra)) == (1, sorted([*_PLANTED, "diana_mesh-0.0.9.dist-info"]))


def test_bytecode_that_says_what_its_source_says_passes_and_any_other_does_not(kept: Release) -> None:
    source = kept.site / _MODULE
    for level in (0, 1, 2):
        py_compile.compile(str(source), doraise=True, optimize=level)
    said = kept.verify()
    assert said.returncode == 0, said.stdout
    planted = kept.site / "planted.txt"
    planted.write_text(source.read_text().replace("return", "return (print('mine'), 0)[1] or", 1))
    cache = py_compile.compile(
        str(planted),
        cfile=str(source.with_name("__pycache__") / f"spans.{sys.implementation.cache_tag}.pyc"),
        doraise=True,
    )
    said = kept.verify()
    assert (said.returncode, said.stdout.splitlines()[0]) == (
        1,
        f"extra: {Path(str(cache)).relative_to(kept.site)} (is not what its source says)",
    )


def test_bytecode_of_another_python_is_told_as_not_compared(kept: Release) -> None:
    cache = kept.site / "diana_cli" / "__pycache__" / "spans.cpython-399.pyc"
    cache.parent.mkdir(exist_ok=True)
    cache.write_bytes(b"")
    said = kept.verify()
    assert said.returncode == 0
    assert "not compared: 1 files of bytecode for other Pythons" in said.stdout


def test_a_manifest_that_was_altered_is_not_the_signed_one(kept: Release) -> None:
    manifest = kept.site / MANIFEST
    manifest.write_text(manifest.read_text().replace("# diana-mesh 0.1.0", "# diana-mesh 0.1.1"))
    said = kept.verify()
    assert said.returncode == 1
    assert "the manifest is not signed with this key" in said.stderr


def test_a_manifest_signed_with_another_key_is_refused(kept: Release, tmp_path: Path) -> None:
    """An attacker who signs what they altered has another key than the one that people were given."""
    other = _make_key(tmp_path / "other.key")
    manifest, signature = kept.site / MANIFEST, kept.site / SIGNATURE
    sign = ["openssl", "pkeyutl", "-sign", "-inkey", str(other), "-rawin", "-in", str(manifest), "-out", str(signature)]
    subprocess.run(sign, check=True)
    assert "not signed with this key" in kept.verify("--key", str(kept.folder / "dist" / "release.pem")).stderr
    public = ["openssl", "pkey", "-in", str(other), "-pubout", "-out", str(tmp_path / "other.pem")]
    subprocess.run(public, check=True)
    said = kept.verify("--key", str(tmp_path / "other.pem"))
    assert "signed by the holder of the Ed25519 key with SHA-256" in said.stdout  # theirs: people compare it


def test_another_version_is_found_even_where_its_files_are_the_same(kept: Release) -> None:
    (kept.site / "diana_mesh-0.1.0.dist-info").rename(kept.site / "diana_mesh-0.1.1.dist-info")
    said = kept.verify()
    assert said.returncode == 1
    assert "missing: diana_mesh-0.1.0.dist-info/METADATA" in said.stdout
    assert "extra: diana_mesh-0.1.1.dist-info" in said.stdout
    (kept.site / "diana_mesh-0.1.1.dist-info").rename(kept.site / "diana_mesh-0.1.0.dist-info")


def test_packages_that_python_takes_from_elsewhere_are_told(release: Release, tmp_path: Path) -> None:
    (tmp_path / "diana_common").mkdir()
    (tmp_path / "diana_common" / "__init__.py").write_text("")
    env = dependencies()
    env["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{env['PYTHONPATH']}"
    command = [str(release.python), "-m", "diana_cli.integrity"]
    said = subprocess.run(command, capture_output=True, text=True, env=env)
    assert (said.returncode, said.stdout.partition(" (")[0]) == (1, "shadowed: diana_common")


def test_a_trusted_copy_looks_at_another_with_its_own_key(release: Release, tmp_path: Path) -> None:
    suspect = shutil.copytree(release.site, tmp_path / "suspect")
    verifier = suspect / "diana_cli" / "integrity" / "verification.py"
    verifier.write_text("def verify(*_, **__): raise SystemExit(0)\n")  # it would say that all is well
    said = release.verify("--site-packages", str(suspect))
    assert said.returncode == 1
    assert said.stdout.startswith("changed: diana_cli/integrity/verification.py\n")


def test_a_source_checkout_has_no_manifest_and_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "diana_cli", "verify"]
    said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert said.returncode == 4
    assert "there is no release manifest: this is a source checkout" in said.stderr
    alone = [sys.executable, "-m", "diana_cli.integrity"]
    assert subprocess.run(alone, capture_output=True, cwd=tmp_path).returncode == 4


def test_the_page_prints_what_it_says(kept: Release) -> None:
    """docs/verify.md, typed word for word in the folder of the release."""
    typed = [one for block in tour.blocks(ROOT / "docs" / "verify.md") for one in block]
    env = {**dependencies(), "SITE": str(kept.site), "PATH": f"{kept.python.parent}{os.pathsep}{os.environ['PATH']}"}
    shell = ["bash", "-c", typed_page.script([command for command, _ in typed], lambda _: False)]
    done = subprocess.run(shell, cwd=kept.folder / "dist", env=env, capture_output=True, text=True)
    for (command, expected), output in zip(typed, typed_page.printed(done.stdout), strict=True):
        assert _plain(output) == _plain(expected), f"{command}\n{output}"


def _plain(text: str) -> str:
    return re.sub(r"\b[0-9a-f]{64}\b", "KEY", re.sub(r"^\d+ files", "N files", text, flags=re.MULTILINE)).rstrip()


def test_a_private_key_that_others_can_read_is_refused(release: Release, tmp_path: Path) -> None:
    key = _make_key(tmp_path / "open.key")
    key.chmod(stat.S_IRUSR | stat.S_IRGRP)
    said = subprocess.run(
        [sys.executable, "-m", "tools.sign_release", "--changed", "--key", str(key), "--out", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert said.returncode == 1
    assert "open.key can be used by others of this machine" in said.stderr
