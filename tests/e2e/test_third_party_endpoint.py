"""A package that adds a kind of endpoint, as docs/endpoints.md shows it: built, installed and used. And broken ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_endpoints_page import OWN, PAGE
from tests.support import tour
from tests.support.typed_page import plain, printed, script

_BIN = Path(sys.executable).parent
_BLOCK = r"```{}\n(.*?)```"
_BROKEN = {
    "raises": ("raises:KIND", "raise RuntimeError('no')"),
    "leaves": ("leaves:KIND", "import sys; sys.exit(7)"),
    "lacks": ("lacks:KIND", "import a_library_nobody_has"),
    "nokind": ("nokind:KIND", "KIND = 'a kind'"),
    "noname": ("noname:KIND", ""),
    "nomake": ("nomake:KIND", "KIND = Kind(Settings, make=lambda settings: 1 / 0)"),
    "noclose": ("noclose:KIND", "KIND = Kind(Settings, make=lambda settings: settings)"),
}
"""Packages that cannot be used: by ctype, what they offer, and what they are."""
_TOLD = {
    "raises": "the package raises-package cannot be used (RuntimeError)",
    "leaves": "the package leaves-package cannot be used (SystemExit)",
    "lacks": "the package lacks-package cannot be used (ModuleNotFoundError: a_library_nobody_has)",
    "nokind": "the package nokind-package offers no Kind with a dataclass of settings by this name",
    "noname": "the package noname-package cannot be used (AttributeError)",
    "nomake": "the package nomake-package cannot be used (ZeroDivisionError)",
    "noclose": "the package noclose-package makes no endpoint: what it makes has no close()",
}
_HEAD = """from dataclasses import dataclass
from diana_endpoints.extending import Kind
@dataclass
class Settings:
    pass
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's package, installed where PYTHONPATH can name it; built as anybody builds one."""
    text = _own_part()
    source, target = tmp_path_factory.mktemp("diana-jsonl"), tmp_path_factory.mktemp("site")
    for name, language in (("pyproject.toml", "toml"), ("diana_jsonl.py", "python")):
        [block] = re.findall(_BLOCK.format(language), text, re.DOTALL)
        (source / name).write_text(block, "utf-8")
    line = [f"{_BIN}/uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--no-build-isolation"]
    subprocess.run([*line, "--python", sys.executable, "--target", str(target), str(source)], check=True, timeout=120)
    return target


def test_thirty_lines_are_enough() -> None:
    [module] = re.findall(_BLOCK.format("python"), _own_part(), re.DOTALL)
    assert len(module.splitlines()) <= 30


def test_it_works_as_the_page_says(installed: Path, tmp_path: Path) -> None:
    part = tmp_path / "part.md"
    part.write_text(_own_part(), "utf-8")
    [services] = re.findall(_BLOCK.format("yaml"), part.read_text("utf-8"), re.DOTALL)
    (tmp_path / "services.yaml").write_text(services, "utf-8")
    typed = [one for block in tour.blocks(part) for one in block]
    shell = ["bash", "-c", script([command for command, _ in typed], settle=lambda _: False)]
    done = subprocess.run(
        shell, cwd=tmp_path, env=_environment(installed), capture_output=True, text=True, timeout=120, check=True
    )
    for (command, expected), output in zip(typed, printed(done.stdout), strict=True):
        assert plain(output, tmp_path) == plain(expected, tmp_path), f"{command}\n{output}"


def test_packages_that_are_broken_are_named_and_keep_nobody_from_the_rest(installed: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    for ctype, (value, text) in _BROKEN.items():
        _install(site, ctype, {ctype: value}, _HEAD + text)
    (tmp_path / "rows.jsonl").write_text('{"id": "A1"}\n')
    kinds = [*_BROKEN, "csv"]
    services = "\n".join([*(f"{one}: {{ctype: {one}}}" for one in _BROKEN), "csv: {ctype: csv, path: rows.csv}"])
    (tmp_path / "services.yaml").write_text(services)
    listed = _run(["ls"], tmp_path, installed, site)
    lines = {line.split()[0]: line for line in listed.stdout.splitlines()[1:]}
    assert sorted(lines) == sorted(kinds)
    assert all(f"down    {ctype}: {_TOLD[ctype]}" in line for ctype, line in lines.items() if ctype != "csv")
    assert (listed.returncode, listed.stderr) == (3, "")

    used = _run(["dgetall", "jsonl:rows.jsonl", "put", "csv", "print", "jsonl"], tmp_path, installed, site)
    assert (used.returncode, used.stdout) == (0, '{"id": "A1", "outcome": "stored"}\n')
    blamed = _run(["dgetall", "raises:x"], tmp_path, installed, site)
    assert blamed.returncode == 4
    assert blamed.stderr.startswith(f"dgetall raises: CONFIG_INVALID: raises: {_TOLD['raises']}")


def test_metadata_that_cannot_be_read_keep_nobody_from_the_rest(installed: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    _install(site, "garbled", {}, "")
    (site / "garbled_package-1.0.dist-info" / "entry_points.txt").write_text("[diana_endpoints]\nno equals sign\n")
    (tmp_path / "rows.jsonl").write_text('{"id": "A1"}\n')
    done = _run(["dgetall", "jsonl:rows.jsonl", "print", "jsonl"], tmp_path, site, installed)
    assert (done.returncode, done.stdout) == (0, '{"id": "A1"}\n')


def _own_part() -> str:
    return PAGE.read_text("utf-8").partition(OWN)[2]


def _install(site: Path, name: str, offers: dict[str, str], module: str) -> None:
    """A package as installers leave it behind."""
    metadata = site / f"{name}_package-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-package\nVersion: 1.0\n")
    points = "".join(f"{ctype} = {value}\n" for ctype, value in offers.items())
    (metadata / "entry_points.txt").write_text(f"[diana_endpoints]\n{points}")
    (site / f"{name}.py").write_text(module)


def _environment(*sites: Path) -> dict[str, str]:
    path = f"{_BIN}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(map(str, sites))}


def _run(words: list[str], folder: Path, *sites: Path) -> subprocess.CompletedProcess[str]:
    line = [str(_BIN / "diana-cli"), *words]
    return subprocess.run(line, cwd=folder, env=_environment(*sites), capture_output=True, text=True, timeout=120)
