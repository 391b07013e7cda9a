"""A mesh as `diana-cli up` gives it, and what is measured of it through the client that users have."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.room import BenchError
from diana_cli.mesh.supervisor import Mesh
from diana_client import ArchiveClient, IndexClient, UploadResult, connect
from diana_common.position import Position


@dataclass(frozen=True)
class Doors:
    """One mesh that runs: its services, connected."""

    archive: ArchiveClient
    index: IndexClient
    addresses: Mapping[str, str]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Doors]:
    """Start an empty mesh that keeps everything in `folder`; stop it at the end. Raises MeshFailed."""
    with (
        Mesh(folder / "state", free_ports=True) as mesh,
        connect(mesh.addresses["archive"]) as archive,
        connect(mesh.addresses["index"]) as index,
    ):
        doors = Doors(ArchiveClient(archive), IndexClient(index), mesh.addresses)
        doors.archive.stores()
        doors.index.status()
        yield doors


def upload(doors: Doors, paths: Sequence[Path], streams: int) -> float:
    """Send the files over `streams` streams of one client; seconds until all are durable and in the index.

    Raises BenchError when one is refused or not found.
    """
    started = time.perf_counter()
    newest = max(map(_stored_at, doors.archive.upload(paths, streams=streams)), key=lambda position: position.sequence)
    found = doors.index.count("instance", at_least_position=str(newest))
    seconds = time.perf_counter() - started
    if found != len(paths):
        raise BenchError(f"of {len(paths)} files the index finds {found}")
    return seconds


def download(doors: Doors, study_uid: str) -> tuple[float, int]:
    """Take a study in one stream, keeping nothing; seconds and bytes."""
    started = time.perf_counter()
    size = sum(len(data) for instance in doors.archive.download(study_uid) for data in instance)
    return time.perf_counter() - started, size


def find_studies(doors: Doors, patient_ids: Sequence[str]) -> float:
    """Ask for each patient's studies with all that is kept of them, one question after the other; seconds.

    Raises BenchError when a patient has not exactly one.
    """
    started = time.perf_counter()
    found = [len(list(doors.index.find("study", {"PatientID": patient_id}))) for patient_id in patient_ids]
    seconds = time.perf_counter() - started
    if set(found) != {1}:
        raise BenchError("a patient of one study was not found as such")
    return seconds


def _stored_at(result: UploadResult) -> Position:
    if result.error is not None:
        raise BenchError(f"the archive refused a file: {result.error}")
    return Position.parse(result.position)
