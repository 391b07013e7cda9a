"""What must hold of the Dockerfile, the build context and the health check."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from diana_cli.mesh.table import SERVICES
from tests.support.compose import PROJECT

DOCKERFILE = (PROJECT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
HEALTH = PROJECT / "deploy" / "health.py"
ARCHIVE = next(spec for spec in SERVICES if spec.name == "archive")


def copied() -> list[str]:
    """The sources of every COPY from the build context."""
    copies = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+)$", DOCKERFILE, re.MULTILINE)
    return [source for words in copies for source in words.split()[:-1]]


@pytest.fixture
def serving() -> Iterator[tuple[str, health.HealthServicer]]:
    """A server with nothing but health, and that."""
    servicer = health.HealthServicer()
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", servicer
    server.stop(None).wait()


def check(*arguments: str) -> int:
    return subprocess.run([sys.executable, HEALTH, *arguments], capture_output=True, timeout=60).returncode


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([Path(sys.executable).with_name("hadolint"), "Dockerfile"], cwd=PROJECT, capture_output=True)
    assert done.returncode == 0, done.stdout.decode()


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    lines = (PROJECT / ".dockerignore").read_text("utf-8").splitlines()
    assert next(line for line in lines if line and line[0] not in "#!") == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == set(copied())
    assert all((PROJECT / source).exists() for source in copied())


def test_the_image_gets_every_service() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    packages = {Path(one).name for one in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    assert {spec.module for spec in SERVICES} <= packages
    assert f'image.version="{project["project"]["version"]}"' in DOCKERFILE


def test_nobody_is_root_and_nothing_is_fetched_unpinned() -> None:
    *_, last = DOCKERFILE.split("\nFROM ")
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.MULTILINE)
    for line in re.findall(r"pip\S*(?: --python \S+)? (?:install|wheel) [^&\n]+", DOCKERFILE):
        assert "--require-hashes" in line or "--no-index" in line, line


def test_the_image_checks_what_it_runs_unless_told() -> None:
    assert f'CMD ["diana-health", "127.0.0.1:{ARCHIVE.port}", "{ARCHIVE.contract}"]' in DOCKERFILE
    assert DOCKERFILE.rstrip().endswith(f'CMD ["python", "-m", "{ARCHIVE.module}"]')


def test_a_service_that_serves_is_healthy(serving: tuple[str, health.HealthServicer]) -> None:
    address, servicer = serving
    servicer.set("diana.archive.v1.ArchiveService", health_pb2.HealthCheckResponse.SERVING)
    assert check(address, "diana.archive.v1.ArchiveService") == 0
    assert check(address) == 0


def test_a_service_that_cannot_answer_is_not_healthy(serving: tuple[str, health.HealthServicer]) -> None:
    address, servicer = serving
    servicer.set("diana.archive.v1.ArchiveService", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert check(address, "diana.archive.v1.ArchiveService") == 1
    assert check(address, "diana.index.v1.IndexService") == 1


def test_where_nothing_listens_nothing_is_healthy(serving: tuple[str, health.HealthServicer]) -> None:
    address, _ = serving
    assert check(address.replace("127.0.0.1", "127.0.0.9")) == 1
    assert check(address, "--ca-file", "absent.pem") == 1
