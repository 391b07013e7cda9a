"""The archive's uploads beside Orthanc's REST: the same files, all durable, no index on either side that can be spared.

Ours is the archive alone. Orthanc runs with its defaults; its clients are threads of one process with keep-alive
connections. Either server starts empty, before the clock does.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import bench.archive
from bench.archive import Archive
from bench.cases.upload import uploading_to_orthanc, versions
from bench.corpora import files
from bench.harness import Case, Side, bound
from bench.room import BenchError, Place

MEMORY_BYTES = 300 * 10**6
"""What the archive may take while it is uploaded to."""

Upload = Callable[[Archive, Sequence[Path], int], float]


def uploading(corpus: str, streams: int, upload: Upload = bench.archive.upload) -> Side:
    """Instances a second into the archive alone. Raises BenchError when it takes too much memory."""

    def run(place: Place) -> float:
        paths = files(corpus, place.corpora)
        with bench.archive.running(place.scratch) as archive:
            seconds = upload(archive, paths, streams)
            if (peak := archive.peak_bytes()) > MEMORY_BYTES:
                raise BenchError(f"the archive took {peak / 1e6:.0f} MB")
        return len(paths) / seconds

    return run


def memory(corpus: str, streams: int) -> Side:
    """The archive's peak memory in MB."""

    def run(place: Place) -> float:
        paths = files(corpus, place.corpora)
        with bench.archive.running(place.scratch) as archive:
            bench.archive.upload(archive, paths, streams)
            return archive.peak_bytes() / 1e6

    return run


def case(name: str, corpus: str, streams: int, at_least: float, upload: Upload = bench.archive.upload) -> Case:
    """One upload of a whole corpus, over as many streams as Orthanc has clients."""
    ours, peer = uploading(corpus, streams, upload), uploading_to_orthanc(corpus, streams)
    return Case(name, "archive", "instances/s", ours, peer, at_least, versions=versions)


CASES = [
    case("archive_alone_ct_x1", "ct", 1, 2.5),
    case("archive_alone_ct_x4", "ct", 4, 1.5),
    case("archive_alone_small_x4", "small", 4, 3.5),
    case("archive_alone_small_single_x4", "small", 4, 2.5, bench.archive.upload_singly),
    case("archive_alone_large_x1", "large", 1, 2.0),
    Case("archive_memory_ct_x4", "archive", "MB", memory("ct", 4), bound(300), 1.0, less_is_better=True),
]
