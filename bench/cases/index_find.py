"""Questions to an index of 10,000 studies and 1,000,000 instances, one after the other, over gRPC."""

import statistics
import time
from collections.abc import Mapping, Sequence
from importlib import metadata

import bench.index
from bench.harness import Case, Side, bound
from bench.index_rows import A_STUDY
from bench.room import BenchError, Place

MILLION = 1_000_000
FEW = 10_000
_ASKED = 400
_PAGE = 50

_Matches = Mapping[str, str | Sequence[str]]


def exact(count: int, rank: int) -> Side:
    """Milliseconds for a study by its accession number: the `rank`th of a hundred."""
    studies = count // A_STUDY
    return asking(count, rank, [{"AccessionNumber": f"A{1 + 7919 * n % studies:07}"} for n in range(_ASKED)], 1)


def names(rank: int) -> Side:
    """Milliseconds for a page of studies by the beginning of a name."""
    asked = [{"PatientName": f"{name}*"} for name in ("smi", "Tanaka^A", "m\u00fcl", "JENSEN^*^1", "?ovak")]
    return asking(MILLION, rank, asked * (_ASKED // 5), _PAGE)


def dates(rank: int) -> Side:
    """Milliseconds for a page of studies by a range of dates and a modality."""
    asked = [
        {"StudyDate": f"{2022 + n % 4}{1 + n % 12:02}01-{2022 + n % 4}{1 + n % 12:02}28", "ModalitiesInStudy": "CT"}
        for n in range(_ASKED)
    ]
    return asking(MILLION, rank, asked, _PAGE)


def asking(count: int, rank: int, asked: Sequence[_Matches], page: int) -> Side:
    """Milliseconds for an answer with all that is kept of the studies, the `rank`th of a hundred."""

    def run(place: Place) -> float:
        records = bench.index.filled(place, count)
        took: list[float] = []
        with bench.index.running(place.scratch, records) as index:
            for matches in asked:
                started = time.perf_counter()
                found = list(index.client.find("study", matches, limit=page))
                took.append(1000 * (time.perf_counter() - started))
                if not found:
                    raise BenchError("a question found nothing")
        return statistics.quantiles(took, n=100)[rank - 1]

    return run


def versions() -> Mapping[str, str]:
    return {"diana-mesh": metadata.version("diana-mesh"), "grpcio": metadata.version("grpcio")}


def case(name: str, ours: Side, peer: Side, at_least: float = 1.0) -> Case:
    return Case(name, "index", "ms", ours, peer, at_least, less_is_better=True, versions=versions)


CASES = [
    case("index_find_exact_p50", exact(MILLION, 50), bound(2)),
    case("index_find_exact_p99", exact(MILLION, 99), bound(10)),
    case("index_find_exact_flat", exact(MILLION, 50), exact(FEW, 50), 0.8),
    case("index_find_name_p50", names(50), bound(10)),
    case("index_find_dates_p50", dates(50), bound(10)),
]
