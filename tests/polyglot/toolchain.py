"""The examples of other languages, as their users run them."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def needs(program: str) -> str:
    """The program's path. On a machine without it the tests are skipped, save in CI, where they fail."""
    found = shutil.which(program)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"{program} is not installed: CI needs it to prove the clients of other languages")
    if found is None:
        pytest.skip(f"{program} is not installed: its language's client is not tested on this machine")
    return found


@dataclass(frozen=True)
class Examples:
    """One language's examples. They are alike in all: the same names, flags, lines and exit statuses."""

    folder: Path
    command: tuple[str, ...]
    """What runs an example; {} is its name."""

    def start(self, name: str, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start one that runs until it is ended; its output is piped."""
        return subprocess.Popen(self._line(name, *arguments), cwd=self.folder, stdout=subprocess.PIPE, text=True)

    def run(self, name: str, *arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run one to its end, `given` on its standard input."""
        line = self._line(name, *arguments)
        return subprocess.run(line, cwd=self.folder, input=given, capture_output=True, text=True, timeout=60)

    def lines(self, name: str, *arguments: str | Path, given: str = "") -> list[list[str]]:
        """Run one that must end well; its lines, each as its columns."""
        ended = self.run(name, *arguments, given=given)
        assert ended.returncode == 0, ended.stderr
        return [line.split("\t") for line in ended.stdout.splitlines()]

    def _line(self, name: str, *arguments: str | Path) -> list[str]:
        return [*(part.format(name) for part in self.command), *map(str, arguments)]


def node_client(checkout: Path) -> Path:
    """The Node client in a fresh copy of the checkout, with what its lock names installed."""
    needs("node")
    npm = needs("npm")
    shutil.copytree(PROJECT / "protos", checkout / "protos")
    client = checkout / "clients" / "node"
    shutil.copytree(PROJECT / "clients" / "node", client, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=client, check=True, timeout=120)
    return client


def go_examples(binaries: Path) -> Examples:
    """The Go examples, built with what go.sum names."""
    client = PROJECT / "clients" / "go"
    build = [needs("go"), "build", "-buildvcs=false", "-ldflags=-s -w", "-o", f"{binaries}/", "./examples/..."]
    subprocess.run(build, cwd=client, check=True, timeout=170)
    return Examples(client, (f"{binaries}/{{}}",))
