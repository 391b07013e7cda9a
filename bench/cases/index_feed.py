"""The index at the archive's feed: how soon what is stored can be found, what that costs, and deriving all anew."""

import statistics
import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import bench.archive
import bench.index
import bench.mesh
from bench.cases.feed import filled
from bench.cases.index_find import versions
from bench.cases.upload import AT_ONCE
from bench.corpora import files
from bench.harness import Case, bound
from bench.room import BenchError, Place
from diana_client import IndexClient
from diana_common.position import Position

REBUILT = 300_000
_LOOK_SECONDS = 0.01


def lag(place: Place) -> float:
    """Seconds until what is acknowledged can be found while four streams upload: the 99th of a hundred."""
    paths = files("small", place.corpora)
    with bench.mesh.running(place.scratch) as doors, _Watching(doors.index) as watching:
        acknowledged = []
        for result in doors.archive.upload(paths, streams=AT_ONCE):
            acknowledged.append((Position.parse(result.position).sequence, time.perf_counter()))
        last = max(sequence for sequence, _ in acknowledged)
        while watching.reached < last:
            time.sleep(_LOOK_SECONDS)
        return statistics.quantiles([watching.found_at(one) - at for one, at in acknowledged], n=100)[98]


class _Watching:
    """Notes when the index got where, in a thread of its own."""

    def __init__(self, index: IndexClient) -> None:
        self._index = index
        self._sequences: list[int] = []
        self._times: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    @property
    def reached(self) -> int:
        return self._sequences[-1] if self._sequences else 0

    def found_at(self, sequence: int) -> float:
        """When the index was first seen there."""
        return self._times[bisect_left(self._sequences, sequence)]

    def __enter__(self) -> "_Watching":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            position = self._index.status().position
            reached = Position.parse(position).sequence if position else 0
            if reached > self.reached:
                self._times.append(time.perf_counter())
                self._sequences.append(reached)


def upload_followed(place: Place) -> float:
    """Instances a second into an archive that an index follows; how far behind that is, the lag tells."""
    paths = files("ct", place.corpora)
    with bench.mesh.running(place.scratch) as doors:
        started = time.perf_counter()
        for result in doors.archive.upload(paths, streams=AT_ONCE):
            if result.error is not None:
                raise BenchError(f"the archive refused a file: {result.error}")
        return len(paths) / (time.perf_counter() - started)


def upload_alone(place: Place) -> float:
    """Instances a second into an archive that nobody follows."""
    paths = files("ct", place.corpora)
    with bench.archive.running(place.scratch) as archive:
        return len(paths) / bench.archive.upload(archive, paths, AT_ONCE)


def rebuild(place: Place, count: int = REBUILT) -> float:
    """Instances a second that an empty index takes from a feed of so many."""
    return count / derive(filled(place, count), place.scratch, count)[0]


def derive(state: Path, scratch: Path, count: int) -> Sequence[float]:
    """Seconds until an empty index has a feed of so many instances, and the most bytes that were resident."""
    with bench.archive.running(scratch / "archive", state) as archive:
        started = time.perf_counter()
        with bench.index.running(scratch / "index", archive=archive.address) as index:
            while (found := index.client.status().instance_count) < count:
                time.sleep(0.2)
            seconds = time.perf_counter() - started
            if found != count:
                raise BenchError(f"of {count} instances the index has {found}")
            return seconds, index.peak_bytes()


CASES = [
    Case("index_feed_lag_p99", "following", "s", lag, bound(1), 1.0, less_is_better=True, versions=versions),
    Case(
        "index_feed_beside_upload", "following", "instances/s", upload_followed, upload_alone, 0.85, versions=versions
    ),
    Case("index_rebuild", "following", "instances/s", rebuild, bound(1_000_000 / 300), 1.0, versions=versions),
]
