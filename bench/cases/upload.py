"""Uploads, beside Orthanc's REST: four streams of one client, or four keep-alive clients in threads of one process.

Both sides read the same files from disk and end when the last is durable and can be found. Either server
starts empty, before the clock does.
"""

from collections.abc import Mapping
from importlib import metadata

import bench.mesh
from bench.corpora import files
from bench.harness import Case, Side
from bench.peers import orthanc
from bench.room import BenchError, Place

AT_ONCE = 4


def uploading(corpus: str) -> Side:
    """Instances a second over gRPC."""

    def run(place: Place) -> float:
        paths = files(corpus, place.corpora)
        with bench.mesh.running(place.scratch) as doors:
            return len(paths) / bench.mesh.upload(doors, paths, AT_ONCE)

    return run


def uploading_to_orthanc(corpus: str, clients: int = AT_ONCE) -> Side:
    """Instances a second over REST, by so many clients."""

    def run(place: Place) -> float:
        paths = files(corpus, place.corpora)
        with orthanc.running(place.scratch) as server:
            seconds = orthanc.upload(server, paths, clients)
            if (found := server.get("/statistics")["CountInstances"]) != len(paths):
                raise BenchError(f"of {len(paths)} files Orthanc has {found}")
        return len(paths) / seconds

    return run


def versions() -> Mapping[str, str]:
    return {
        "diana-mesh": metadata.version("diana-mesh"),
        "grpcio": metadata.version("grpcio"),
        "orthanc": orthanc.version(),
    }


def upload_case(name: str, group: str, corpus: str, at_least: float) -> Case:
    """An upload of a whole corpus."""
    ours, peer = uploading(corpus), uploading_to_orthanc(corpus)
    return Case(name, group, "instances/s", ours, peer, at_least, pairs=5, versions=versions)


CASES = [
    upload_case("archive_upload_ct_x4", "mesh", "ct", 1.0),
    upload_case("archive_upload_small_x4", "archive", "small", 1.3),
]
