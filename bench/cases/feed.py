"""The archive when it holds much: its feed from the beginning, news to a follower, uploads and deletes beside it."""

import shutil
import statistics
import time
from pathlib import Path

import bench.archive
from bench.cases.upload import AT_ONCE, versions
from bench.corpora import files
from bench.feed_rows import load_feed
from bench.harness import Case, Side, bound
from bench.room import BenchError, Place
from diana.archive.v1 import archive_service_pb2 as pb
from diana.archive.v1 import resources_pb2
from diana.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub

MILLION = 1_000_000
MANY = 300_000
NEWS = 200


def replay(place: Place) -> float:
    """Seconds for a million entries, headers and all, through a real server to a Python client."""
    state = filled(place, MILLION)
    with bench.archive.running(place.scratch, state) as archive:
        started = time.perf_counter()
        seen = sum(len(page.entries) for page in archive.client.watch_feed(stop_at_head=True))
        seconds = time.perf_counter() - started
    if seen != MILLION:
        raise BenchError(f"of {MILLION} entries {seen} came")
    return seconds


def latency(place: Place) -> float:
    """Milliseconds from an upload's begin until a follower has the instance: the 99th of a hundred."""
    paths = files("small", place.corpora)[:NEWS]
    took: list[float] = []
    with bench.archive.running(place.scratch) as archive, archive.client.watch_feed() as feed:
        for path in paths:
            started = time.perf_counter()
            bench.archive.upload(archive, [path], 1)
            while not next(feed).entries:
                pass
            took.append(1000 * (time.perf_counter() - started))
    return statistics.quantiles(took, n=100)[98]


def uploading(held: int) -> Side:
    """Small instances a second into an archive that holds so many."""

    def run(place: Place) -> float:
        paths = files("small", place.corpora)
        state = place.scratch / "filled"
        if held:
            shutil.copytree(filled(place, held), state)
        with bench.archive.running(place.scratch, state) as archive:
            return len(paths) / bench.archive.upload(archive, paths, AT_ONCE)

    return run


def delete(place: Place) -> float:
    """Seconds until a caller knows that 10,000 instances are deleted."""
    state = place.scratch / "filled"
    load_feed(state, 10_000, a_study=10_000)
    with bench.archive.running(place.scratch, state) as archive:
        (study,) = archive.client.studies()
        request = pb.DeleteInstancesRequest(selector=resources_pb2.Selector(study_uid=study.study_uid))
        started = time.perf_counter()
        ArchiveServiceStub(archive.channel).DeleteInstances(request)
        return time.perf_counter() - started


def filled(place: Place, count: int) -> Path:
    """A state directory with so many instances, made once."""
    state = place.corpora / f"archive-{count}"
    if not state.is_dir():
        making = state.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        load_feed(making, count)
        making.rename(state)
    return state


CASES = [
    Case("archive_feed_million", "feed", "s", replay, bound(60), 1.0, less_is_better=True, versions=versions),
    Case("archive_feed_news", "feed", "ms", latency, bound(50), 1.0, less_is_better=True, versions=versions),
    Case("archive_upload_at_300k", "feed", "instances/s", uploading(MANY), uploading(0), 0.9, versions=versions),
    Case("archive_delete_10k", "feed", "s", delete, bound(2), 1.0, less_is_better=True, versions=versions),
]
