"""Taking a study and finding one, beside Orthanc's REST; one client, one question at a time, one connection."""

from collections.abc import Sequence
from pathlib import Path

import bench.mesh
from bench.cases.upload import AT_ONCE, versions
from bench.corpora import CORPORA, files
from bench.harness import Case
from bench.peers import orthanc
from bench.room import BenchError, Place

STUDIES = 40
FINDS = 1000


def download(place: Place) -> float:
    """MB/s of a study in one gRPC stream."""
    paths = files("study", place.corpora)
    with bench.mesh.running(place.scratch) as doors:
        bench.mesh.upload(doors, paths, AT_ONCE)
        (study,) = doors.archive.studies()
        return megabytes_a_second(paths, *bench.mesh.download(doors, study.study_uid))


def download_from_orthanc(place: Place) -> float:
    """MB/s of a study, file by file."""
    paths = files("study", place.corpora)
    with orthanc.running(place.scratch) as server:
        orthanc.upload(server, paths, AT_ONCE)
        (study,) = server.get("/studies?expand")
        return megabytes_a_second(paths, *orthanc.download(server, study["MainDicomTags"]["StudyInstanceUID"]))


def megabytes_a_second(paths: Sequence[Path], seconds: float, size: int) -> float:
    """Raises BenchError unless every byte came back."""
    if size != (sent := sum(path.stat().st_size for path in paths)):
        raise BenchError(f"of {sent} bytes {size} came back")
    return size / seconds / 1e6


def find(place: Place) -> float:
    """Answers a second over gRPC."""
    paths, patient_ids = studies(place)
    with bench.mesh.running(place.scratch) as doors:
        bench.mesh.upload(doors, paths, AT_ONCE)
        return len(patient_ids) / bench.mesh.find_studies(doors, patient_ids)


def find_in_orthanc(place: Place) -> float:
    """Answers a second over REST."""
    paths, patient_ids = studies(place)
    with orthanc.running(place.scratch) as server:
        orthanc.upload(server, paths, AT_ONCE)
        return len(patient_ids) / orthanc.find_studies(server, patient_ids)


def studies(place: Place) -> tuple[list[Path], list[str]]:
    """The files of some studies, and whom to ask for."""
    small = CORPORA["small"]
    paths = files("small", place.corpora)[: STUDIES * small.series * small.instances]
    return paths, [f"BENCH1-{1 + number % STUDIES:04}" for number in range(FINDS)]


CASES = [
    Case("archive_download_study", "archive", "MB/s", download, download_from_orthanc, 0.5, pairs=5, versions=versions),
    Case("index_find_patient", "index", "finds/s", find, find_in_orthanc, 0.8, pairs=5, versions=versions),
]
