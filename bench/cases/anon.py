"""De-identification: the engine alone beside other programs, and a study from store to store beside Orthanc.

The engine's cases go bytes to bytes under the Basic Profile with modified dates, without digest, receipt or
self-scan. The study's case has all of them on.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from importlib import metadata
from pathlib import Path
from unittest.mock import patch

import bench.mesh
from bench.cases.upload import AT_ONCE
from bench.corpora import files
from bench.harness import Case, Side
from bench.peers import deidentifiers, orthanc
from bench.room import BenchError, Place
from diana_anon.core.planning.plan import compile_plan
from diana_anon.core.planning.tables import Option
from diana_anon.core.profile import BirthDate, Profile
from diana_anon.core.rewriting.engine import Identity, deidentify
from diana_anon.core.rewriting.uids import Pseudonyms
from diana_client import AnonClient, OperationClient, connect, study_result
from diana_common.uidmap import map_uid

PROFILE = Profile(
    "bench",
    frozenset({Option.RETAIN_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED_DATES}),
    birth_date=BirthDate.NEAR,
)
IDENTITY = Identity("BENCHPSEUDONYM", "SHAM^NAME^B", None, timedelta(days=-37))
STUDIES = {"DIANA_ARCHIVE_STORES": "{deid: {}}", "DIANA_ANON_PROFILES": "{bench: {use: research-longitudinal}}"}


def engine(corpus: str) -> Side:
    """Files of a corpus a second, in one thread; the new pieces are left as they are."""

    def run(place: Place) -> float:
        sources = [path.read_bytes() for path in files(corpus, place.corpora)]
        plan, pseudonyms = compile_plan(PROFILE), Pseudonyms(partial(map_uid, bytes(32)), str)
        started = time.perf_counter()
        for source in sources:
            deidentify(source, plan, IDENTITY, pseudonyms)
        return len(sources) / (time.perf_counter() - started)

    return run


def peer(work: Callable[[Sequence[Path]], float], corpus: str) -> Side:
    """The same files by another program."""
    return lambda place: work(files(corpus, place.corpora))


def study(place: Place) -> float:
    """Instances a second of one study, store to store, from the call to the end of the operation."""
    paths = files("study", place.corpora)
    with _set(STUDIES), bench.mesh.running(place.scratch) as doors:
        bench.mesh.upload(doors, paths, AT_ONCE)
        (source,) = doors.archive.studies()
        with connect(doors.addresses["anon"]) as anon:
            started = time.perf_counter()
            operation = AnonClient(anon).anonymize_study(source.study_uid, "deid", profile="bench")
            result = study_result(OperationClient(anon).wait(operation.name))
            seconds = time.perf_counter() - started
    if result.instance_count != len(paths) or not result.completed:
        raise BenchError(f"of {len(paths)} instances {result.instance_count} were de-identified")
    return len(paths) / seconds


def study_in_orthanc(place: Place) -> float:
    """The same study by Orthanc's `/studies/{id}/anonymize`, which stores the new one beside it."""
    paths = files("study", place.corpora)
    with orthanc.running(place.scratch) as server:
        orthanc.upload(server, paths, AT_ONCE)
        seconds = orthanc.anonymize(server)
        if (found := server.get("/statistics")["CountInstances"]) != 2 * len(paths):
            raise BenchError(f"of {2 * len(paths)} instances Orthanc has {found}")
    return len(paths) / seconds


@contextmanager
def _set(environment: Mapping[str, str]) -> Iterator[None]:
    with patch.dict(os.environ, environment):
        yield


def versions() -> Mapping[str, str]:
    return {"diana-mesh": metadata.version("diana-mesh"), "pydicom": metadata.version("pydicom")}


def study_versions() -> Mapping[str, str]:
    return {"diana-mesh": metadata.version("diana-mesh"), "orthanc": orthanc.version()}


def engine_case(name: str, corpus: str, work: Callable[[Sequence[Path]], float], at_least: float) -> Case:
    return Case(name, "anon", "files/s", engine(corpus), peer(work, corpus), at_least, versions=versions)


CASES = [
    engine_case("anon_ct_dicognito", "ct", deidentifiers.with_dicognito, 10.0),
    engine_case("anon_ct_dcmanon", "ct", deidentifiers.with_dcmanon, 2.5),
    engine_case("anon_ct_gdcmanon", "ct", deidentifiers.with_gdcmanon, 1.3),
    engine_case("anon_small_dicognito", "small", deidentifiers.with_dicognito, 20.0),
    engine_case("anon_small_dcmanon", "small", deidentifiers.with_dcmanon, 1.2),
    Case("anon_study", "anon", "instances/s", study, study_in_orthanc, 2.0, versions=study_versions),
]
