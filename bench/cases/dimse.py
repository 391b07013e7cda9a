"""The DICOM network door beside Orthanc's and pynetdicom's: the same files, sent by DCMTK.

Ours is durable and found in the index when a run ends; Orthanc is when it has answered, and pynetdicom's storescp is
neither. Nagle's algorithm is off at both ends, but where a case is about the sockets as Debian's DCMTK has them.
"""

import shutil
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import bench.dimse
from bench.corpora import files
from bench.harness import Case, Side, bound
from bench.peers import dcmtk, finder, orthanc, storescp
from bench.room import BenchError, Place

MEMORY_MB = 300.0
FEW = 200
"""As many are sent where a peer takes 50 ms for each."""
_RETRIEVALS = 5
_ASKED = [f"BENCH1-{1 + 7919 * number % 30_000:04}" for number in range(300)]


def storing(corpus: str, associations: int, few: int | None = None, *, no_delay: bool = True) -> Side:
    """Instances a second through our door, into archive and index."""

    def run(place: Place) -> float:
        paths = files(corpus, place.corpora)[:few]
        with bench.dimse.running(place.scratch) as doors:
            seconds = dcmtk.send(doors.dicom_port, bench.dimse.TITLE, paths, associations, no_delay=no_delay)
            doors.await_found(len(paths))
        return len(paths) / seconds

    return run


def storing_in_orthanc(corpus: str, associations: int, few: int | None = None, *, no_delay: bool = True) -> Side:
    """Instances a second through Orthanc's."""

    def run(place: Place) -> float:
        paths = files(corpus, place.corpora)[:few]
        with orthanc.running(place.scratch, no_delay=no_delay) as server:
            seconds = dcmtk.send(server.dicom_port, "ORTHANC", paths, associations, no_delay=no_delay)
            if (found := server.get("/statistics")["CountInstances"]) != len(paths):
                raise BenchError(f"of {len(paths)} files Orthanc has {found}")
        return len(paths) / seconds

    return run


def storing_in_pynetdicom(place: Place) -> float:
    """Instances a second into files."""
    paths = files("ct", place.corpora)
    with storescp.running(place.scratch) as port:
        return len(paths) / dcmtk.send(port, "STORESCP", paths, 4)


def memory(place: Place) -> float:
    """The most that a service takes, in MB, while CT comes over four associations."""
    paths = files("ct", place.corpora)
    with bench.dimse.running(place.scratch) as doors:
        dcmtk.send(doors.dicom_port, bench.dimse.TITLE, paths, 4)
        doors.await_found(len(paths))
        return doors.peak_bytes() / 1e6


def getting(place: Place) -> float:
    """MB/s of a study by C-GET, into a folder."""
    paths = _study(place)
    with bench.dimse.running(place.scratch) as doors:
        dcmtk.send(doors.dicom_port, bench.dimse.TITLE, paths, 4)
        (study,) = doors.archive.studies()
        return _fetched(place, paths, doors.dicom_port, bench.dimse.TITLE, study.study_uid)


def getting_from_orthanc(place: Place) -> float:
    """The same of Orthanc."""
    paths = _study(place)
    with orthanc.running(place.scratch, {"DicomAlwaysAllowGet": True}, no_delay=True) as server:
        dcmtk.send(server.dicom_port, "ORTHANC", paths, 4)
        return _fetched(place, paths, server.dicom_port, "ORTHANC", _study_uid(server))


def moving(place: Place) -> float:
    """MB/s of a study by C-MOVE to a `storescp` that keeps nothing."""
    paths = _study(place)
    port = dcmtk.free_port()
    sink = f'{{"sink": {{"title": "SINK", "host": "127.0.0.1", "port": {port}}}}}'
    with bench.dimse.running(place.scratch, sink) as doors, dcmtk.sink(port, place.scratch):
        dcmtk.send(doors.dicom_port, bench.dimse.TITLE, paths, 4)
        (study,) = doors.archive.studies()
        doors.await_found(len(paths))
        seconds = _median(lambda: dcmtk.move(doors.dicom_port, bench.dimse.TITLE, study.study_uid, "SINK"))
    return _bytes(paths) / seconds / 1e6


def moving_from_orthanc(place: Place) -> float:
    """The same of Orthanc, which is told to answer once all is sent."""
    paths = _study(place)
    port = dcmtk.free_port()
    settings = {
        "DicomModalities": {"sink": ["SINK", "127.0.0.1", port]},
        "DicomAlwaysAllowMove": True,
        "SynchronousCMove": True,
    }
    with orthanc.running(place.scratch, settings, no_delay=True) as server, dcmtk.sink(port, place.scratch):
        dcmtk.send(server.dicom_port, "ORTHANC", paths, 4)
        uid = _study_uid(server)
        seconds = _median(lambda: dcmtk.move(server.dicom_port, "ORTHANC", uid, "SINK"))
    return _bytes(paths) / seconds / 1e6


def finding(place: Place) -> float:
    """Milliseconds, the median, for a patient's study among 30,000."""
    paths = files("studies", place.corpora)
    with bench.dimse.running(place.scratch) as doors:
        for result in doors.archive.upload(paths, streams=4):
            if result.error is not None:
                raise BenchError(f"the archive refused a file: {result.error}")
        doors.await_found(len(paths))
        return statistics.median(finder.studies_of(doors.dicom_port, bench.dimse.TITLE, _ASKED))


def finding_in_orthanc(place: Place) -> float:
    """The same in Orthanc."""
    paths = files("studies", place.corpora)
    with orthanc.running(place.scratch, {"DicomAlwaysAllowFind": True}, no_delay=True) as server:
        orthanc.upload(server, paths, 4)
        return statistics.median(finder.studies_of(server.dicom_port, "ORTHANC", _ASKED))


def versions() -> Mapping[str, str]:
    return {
        "diana-mesh": metadata.version("diana-mesh"),
        "orthanc": orthanc.version(),
        "pynetdicom": metadata.version("pynetdicom"),
    }


def _study(place: Place) -> list[Path]:
    return files("study", place.corpora)[:100]


def _bytes(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _study_uid(server: orthanc.Orthanc) -> str:
    (study,) = server.get("/studies?expand")
    uid: str = study["MainDicomTags"]["StudyInstanceUID"]
    return uid


def _fetched(place: Place, paths: Sequence[Path], port: int, title: str, study_uid: str) -> float:
    def fetch() -> float:
        folder = Path(tempfile.mkdtemp(dir=place.scratch))
        seconds = dcmtk.get(port, title, study_uid, folder)
        if (found := len(list(folder.iterdir()))) != len(paths):
            raise BenchError(f"of {len(paths)} instances {found} came")
        shutil.rmtree(folder)
        return seconds

    return _bytes(paths) / _median(fetch) / 1e6


def _median(retrieve: Callable[[], float]) -> float:
    """Of some retrievals, each a fraction of a second."""
    return statistics.median(retrieve() for _ in range(_RETRIEVALS))


def _store_case(name: str, corpus: str, associations: int, at_least: float, pairs: int = 3) -> Case:
    ours, peer = storing(corpus, associations), storing_in_orthanc(corpus, associations)
    return Case(name, "dimse", "instances/s", ours, peer, at_least, pairs=pairs, versions=versions)


CASES = [
    _store_case("dimse_ct_x1", "ct", 1, 1.6),
    _store_case("dimse_ct_x4", "ct", 4, 1.3, pairs=5),
    Case(
        "dimse_ct_x1_default_sockets",
        "dimse",
        "instances/s",
        storing("ct", 1, FEW, no_delay=False),
        storing_in_orthanc("ct", 1, FEW, no_delay=False),
        10.0,
        versions=versions,
    ),
    Case("dimse_ct_x4_pynetdicom", "dimse", "instances/s", storing("ct", 4), storing_in_pynetdicom, 3.0, pairs=3),
    _store_case("dimse_small_x4", "small", 4, 1.2),
    _store_case("dimse_large_x1", "large", 1, 1.8),
    Case("dimse_get", "dimse", "MB/s", getting, getting_from_orthanc, 0.7, versions=versions),
    Case("dimse_move", "dimse", "MB/s", moving, moving_from_orthanc, 0.7, versions=versions),
    Case("dimse_find", "dimse", "ms", finding, finding_in_orthanc, 5.0, less_is_better=True, versions=versions),
    Case("dimse_memory", "dimse", "MB", memory, bound(MEMORY_MB), 1.0, less_is_better=True),
]
