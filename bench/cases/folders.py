"""Indexing a folder end to end into SQLite with two processes, beside the older system's way.

Ours is the whole service: the operation is started over gRPC, waited for, and all files are found then. Its processes
start within the clock. The older way takes each file for itself, so that its rate can be told from the first of them.
"""

import os
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import yaml

from bench.corpora import files
from bench.harness import Case
from bench.peers import findex
from bench.room import BenchError, Place
from diana_cli.mesh.supervisor import Mesh
from diana_client import FolderClient, OperationClient, connect, raise_if_failed

COPIES = 6
"""Times that the corpus is indexed, as links: starting up must not be most of what is measured."""
AS_BEFORE = 3000
"""So many of the files are indexed the older way."""


def indexing(place: Place) -> float:
    """Files a second, by the service."""
    folder = place.scratch / "scans"
    paths = linked(files("small", place.corpora), folder)
    state = place.scratch / "state"
    config = state / "config" / "index.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(yaml.safe_dump({"folder_dirs": [str(folder)], "folder_processes": 2}))
    with Mesh(state, free_ports=True) as mesh, connect(mesh.addresses["index"]) as channel:
        client = FolderClient(channel)
        started = time.perf_counter()
        raise_if_failed(OperationClient(channel).wait(client.index(str(folder)).name))
        seconds = time.perf_counter() - started
        if (found := sum(one.file_count for one in client.collections())) != len(paths):
            raise BenchError(f"of {len(paths)} files the registry finds {found}")
    return len(paths) / seconds


def indexing_as_before(place: Place) -> float:
    """Files a second, the older way."""
    paths = linked(files("small", place.corpora), place.scratch / "scans")[:AS_BEFORE]
    return len(paths) / findex.index(paths)


def linked(paths: list[Path], folder: Path) -> list[Path]:
    """The same files several times over, a directory for each hundred."""
    links = []
    for copy in range(COPIES):
        for number, path in enumerate(paths):
            link = folder / f"{copy}-{number // 100:03}" / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, link)
            links.append(link)
    return links


def versions() -> Mapping[str, str]:
    return {name: metadata.version(name) for name in ("diana-mesh", "grpcio", "pydicom", "redis")}


CASES = [Case("folder_indexing", "header", "files/s", indexing, indexing_as_before, 20.0, versions=versions)]
