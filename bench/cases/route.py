"""A watched folder beside the upload that is measured against Orthanc: the same files into the same mesh.

The folder's files are moved into place at once when the clock starts. Looking, settling, the journal and its syncs are
in our time; either side ends when all are durable and can be found.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import bench.mesh
from bench.corpora import files
from bench.harness import Case, Side
from bench.room import BenchError, Place
from tests.support.mesh import Process

AT_ONCE = 4
_SECONDS = 120.0
_RULES = """
rules:
  - name: intake
    source: {{folder: {folder}, settle: 100ms, poll: 50ms}}
    do: [{{put: default}}]
"""


def watching(corpus: str) -> Side:
    """Instances a second through a watched folder."""

    def run(place: Place) -> float:
        paths = files(corpus, place.corpora)
        incoming, ready = place.scratch / "incoming", place.scratch / "ready"
        incoming.mkdir()
        _copy(paths, ready)
        with bench.mesh.running(place.scratch) as doors:
            route = _route(place.scratch, incoming, doors.addresses["archive"])
            route.start()
            try:
                started = time.perf_counter()
                ready.rename(incoming / "all")
                _await_found(doors, len(paths))
                return len(paths) / (time.perf_counter() - started)
            finally:
                route.stop()

    return run


def uploading(corpus: str) -> Side:
    """Instances a second of one client's upload."""

    def run(place: Place) -> float:
        paths = files(corpus, place.corpora)
        with bench.mesh.running(place.scratch) as doors:
            return len(paths) / bench.mesh.upload(doors, paths, AT_ONCE)

    return run


def _copy(paths: Sequence[Path], folder: Path) -> None:
    """As the corpus lies there: read before, so that neither side waits for the disk."""
    folder.mkdir()
    for path in paths:
        shutil.copyfile(path, folder / path.name)


def _route(scratch: Path, incoming: Path, archive: str) -> Process:
    rules = scratch / "rules.yaml"
    (scratch / "route").mkdir()
    rules.write_text(_RULES.format(folder=incoming))
    settings = {
        "DIANA_ROUTE_RULES_FILE": str(rules),
        "DIANA_ROUTE_FOLDERS": json.dumps([str(incoming)]),
        "DIANA_ROUTE_ARCHIVE__ADDRESS": archive,
    }
    return Process("route", scratch / "route", settings)


def _await_found(doors: bench.mesh.Doors, count: int) -> None:
    until = time.monotonic() + _SECONDS
    while (found := doors.index.count("instance")) != count:
        if time.monotonic() > until:
            raise BenchError(f"of {count} files the index finds {found}")
        time.sleep(0.01)


def versions() -> Mapping[str, str]:
    return {"diana-mesh": metadata.version("diana-mesh"), "grpcio": metadata.version("grpcio")}


def folder_case(corpus: str) -> Case:
    """A whole corpus."""
    return Case(
        f"route_folder_{corpus}",
        "route",
        "instances/s",
        watching(corpus),
        uploading(corpus),
        at_least=0.8,
        pairs=5,
        versions=versions,
    )


CASES = [folder_case("small"), folder_case("ct")]
