"""Manifests and bytecode, by themselves: what is taken for one, and what is not."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import py_compile
from collections import Counter
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from diana_cli.integrity.bytecode import bytecode_fault
from diana_cli.integrity.examination import examine
from diana_cli.integrity.manifest import MANIFEST, Manifest, NotReleased
from diana_cli.integrity.signature import read_public_key
from diana_cli.integrity.verification import verify

DIGEST = "0" * 64
GOOD = Manifest({"diana-mesh": "1.0"}, {"diana_x/__init__.py": DIGEST, "diana_mesh-1.0.dist-info/METADATA": DIGEST})


def test_a_manifest_comes_back_as_it_was_written() -> None:
    assert Manifest.parse(GOOD.text()) == GOOD
    assert GOOD.packages == {"diana_x"}


@pytest.mark.parametrize(
    "line",
    [
        f"{DIGEST}  ../outside",
        f"{DIGEST}  diana_x/../../outside",
        f"{DIGEST}  /etc/passwd",
        f"{DIGEST}  alone",
        f"{DIGEST}  diana_x//twice",
        f"{DIGEST}  diana_x/__init__.py",
        f"{DIGEST} diana_x/one_blank",
        f"{DIGEST.replace('0', 'G')}  diana_x/no_digest",
        "what",
        "",
    ],
)
def test_a_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(NotReleased, match=f"line {len(GOOD.text().splitlines()) + 1} "):
        Manifest.parse(GOOD.text() + f"{line}\n".encode())


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"# something else\n"])
def test_another_text_is_no_manifest(text: bytes) -> None:
    with pytest.raises(NotReleased, match="no format that is known"):
        Manifest.parse(text)


def test_a_key_of_another_kind_is_none(tmp_path: Path) -> None:
    public = generate_private_key(SECP256R1()).public_key()
    (tmp_path / "key.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "none.pem").write_bytes(b"none")
    for name in ("key.pem", "none.pem"):
        with pytest.raises(NotReleased, match=f"{name} holds no Ed25519 public key"):
            read_public_key(tmp_path / name)


def _module(site: Path, text: str) -> Path:
    (site / "diana_x").mkdir()
    source = site / "diana_x" / "__init__.py"
    source.write_text(text)
    return source


def test_bytecode_is_held_against_its_source_down_to_nested_functions(tmp_path: Path) -> None:
    source = _module(tmp_path, "def f(x):\n    return [lambda y: (x, y, 1.0, {1, 2}, 'a') for _ in x]\n")
    cache = Path(str(py_compile.compile(str(source))))
    assert bytecode_fault(cache, tmp_path, GOOD.files) == ""
    source.write_text(source.read_text().replace("1.0", "1.5"))
    assert bytecode_fault(cache, tmp_path, GOOD.files) == "is not what its source says"
    source.write_text("def")
    assert "does not compile" in bytecode_fault(cache, tmp_path, GOOD.files)


@pytest.mark.parametrize("data", [b"", b"1234", importlib.util.MAGIC_NUMBER + bytes(12), b"short" * 9])
def test_what_is_no_bytecode_is_not_what_its_source_says(tmp_path: Path, data: bytes) -> None:
    source = _module(tmp_path, "x = 1\n")
    cache = Path(importlib.util.cache_from_source(str(source)))
    cache.parent.mkdir()
    cache.write_bytes(data)
    assert bytecode_fault(cache, tmp_path, GOOD.files) == "is not what its source says"


def _installed(site: Path) -> Manifest:
    source = _module(site, "x = 1\n")
    return Manifest({"diana-x": "1.0"}, {"diana_x/__init__.py": hashlib.sha256(source.read_bytes()).hexdigest()})


def test_a_pipe_in_place_of_a_file_stops_nobody(tmp_path: Path) -> None:
    manifest = _installed(tmp_path)
    source = tmp_path / "diana_x" / "__init__.py"
    py_compile.compile(str(source))
    source.unlink()
    os.mkfifo(source)
    told = [str(one) for one in examine(manifest, tmp_path, Counter())]
    assert told[0] == "changed: diana_x/__init__.py (is no regular file)"
    assert [one.partition(" (")[2] for one in told[1:]] == ["cannot be read: is no regular file)"]


def test_a_pipe_in_place_of_the_manifest_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).parent.mkdir(parents=True)
    os.mkfifo(tmp_path / MANIFEST)
    with pytest.raises(NotReleased, match="is no regular file"):
        verify(tmp_path)


def test_a_link_to_the_same_bytes_is_told_as_changed(tmp_path: Path) -> None:
    site, outside = tmp_path / "site", tmp_path / "outside"
    site.mkdir()
    manifest = _installed(site)
    (site / "diana_x").rename(outside)
    (site / "diana_x").mkdir()
    (site / "diana_x" / "__init__.py").symlink_to(outside / "__init__.py")
    assert [(one.what, one.file) for one in examine(manifest, site, Counter())] == [("changed", "diana_x/__init__.py")]


def test_a_linked_folder_is_told_as_changed_once(tmp_path: Path) -> None:
    site, outside = tmp_path / "site", tmp_path / "outside"
    site.mkdir()
    manifest = _installed(site)
    (site / "diana_x").rename(outside)
    (outside / "evil.py").write_text("")
    (site / "diana_x").symlink_to(outside)
    assert [(one.what, one.file) for one in examine(manifest, site, Counter())] == [("changed", "diana_x")]


def test_what_other_packages_own_is_left_alone_and_what_nobody_owns_is_not(tmp_path: Path) -> None:
    text = "x = 1\n"
    _module(tmp_path, text)
    (tmp_path / "other-1.dist-info").mkdir()
    (tmp_path / "other-1.dist-info" / "RECORD").write_text("other.pth,,\n../bin/other,,\nbroken\n")
    for name in ("other.pth", "planted.pth", "_virtualenv.pth", "diana_xy.py"):
        (tmp_path / name).write_text("import _virtualenv" if name[0] == "_" else "")
    manifest = Manifest({"diana-x": "1.0"}, {"diana_x/__init__.py": hashlib.sha256(text.encode()).hexdigest()})
    assert [one.file for one in examine(manifest, tmp_path, Counter())] == ["planted.pth"]
    (tmp_path / "_virtualenv.pth").write_text("import planted")
    assert [one.file for one in examine(manifest, tmp_path, Counter())] == ["_virtualenv.pth", "planted.pth"]
