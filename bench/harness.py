"""How a measurement is made: both sides run in turn, pair by pair, and the verdict is the median of the pairs' ratios.

Absolute figures drift by 20-40 % on a shared machine. Two runs one after the other share most of that drift, so each
pair gives a ratio of its own.
"""

import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.room import BenchError, Place, Room

GROUPS = ("mesh", "archive", "feed", "header", "index", "following", "guid", "anon", "notify", "dimse", "route")
PAIRS = 3
"""Fewest pairs a verdict may rest on."""

Side = Callable[[Place], float]
"""Does the work once and returns what it measured, in the case's unit. Its own preparations it leaves out."""


def bound(value: float) -> Side:
    """An absolute figure that stands as the peer."""
    return lambda _: value


@dataclass(frozen=True)
class Case:
    """One comparison, listed in `CASES` of a module of `bench.cases`.

    `at_least` is the floor under the ratio, which is above 1 when we are the better one. `less_is_better` says that
    `unit` is a time or a size. `versions` names what took part. Raises BenchError for a group that does not exist.
    """

    name: str
    group: str
    unit: str
    ours: Side
    peer: Side
    at_least: float
    less_is_better: bool = False
    pairs: int = PAIRS
    versions: Callable[[], Mapping[str, str]] = field(default=dict)

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise BenchError(f"{self.name}: no group {self.group!r}; there are {', '.join(GROUPS)}")
        if self.pairs < PAIRS:
            raise BenchError(f"{self.name}: {self.pairs} pairs are too few; {PAIRS} or more")


@dataclass(frozen=True)
class Pair:
    """Two runs one after the other, each in the case's unit."""

    ours: float
    peer: float

    def ratio(self, *, less_is_better: bool) -> float:
        return self.peer / self.ours if less_is_better else self.ours / self.peer


@dataclass(frozen=True)
class Result:
    """What `bench/out/NAME.json` holds: the medians of either side, and the median of the pairs' ratios."""

    name: str
    ours: float
    peer: float
    unit: str
    ratio: float
    at_least: float
    versions: Mapping[str, str]

    @property
    def passed(self) -> bool:
        return self.ratio >= self.at_least


def measure(case: Case, room: Room, pairs: int) -> Iterator[Pair]:
    """Warm both sides up once, then yield pair after pair; who goes first alternates."""
    room.run(case.ours)
    room.run(case.peer)
    for number in range(pairs):
        if number % 2 == 0:
            ours = room.run(case.ours)
            yield Pair(ours, room.run(case.peer))
        else:
            peer = room.run(case.peer)
            yield Pair(room.run(case.ours), peer)


def judge(case: Case, pairs: Sequence[Pair]) -> Result:
    """The verdict over all pairs. Raises BenchError when they are too few."""
    if len(pairs) < PAIRS:
        raise BenchError(f"{case.name}: {len(pairs)} pairs are too few; {PAIRS} or more")
    return Result(
        name=case.name,
        ours=statistics.median(pair.ours for pair in pairs),
        peer=statistics.median(pair.peer for pair in pairs),
        unit=case.unit,
        ratio=statistics.median(ratios(case, pairs)),
        at_least=case.at_least,
        versions=dict(case.versions()),
    )


def ratios(case: Case, pairs: Sequence[Pair]) -> list[float]:
    """Each pair's ratio, above 1 when we are the better one."""
    return [pair.ratio(less_is_better=case.less_is_better) for pair in pairs]


def write(result: Result, folder: Path) -> Path:
    """Write the result as JSON for whoever collects results; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.name}.json"
    path.write_text(json.dumps(asdict(result), indent=2) + "\n")
    return path


def describe(case: Case, result: Result, pairs: Sequence[Pair]) -> str:
    """Medians, spread, ratio and floor, as people read them."""
    each = ratios(case, pairs)
    sides = "  ".join(
        f"{who} {_number(middle)} ({_number(min(runs))}-{_number(max(runs))})"
        for who, middle, runs in (
            ("ours", result.ours, [pair.ours for pair in pairs]),
            ("peer", result.peer, [pair.peer for pair in pairs]),
        )
    )
    verdict = "ok" if result.passed else "TOO LOW"
    return (
        f"{result.name}: {sides} {result.unit}  ratio {result.ratio:.2f} ({min(each):.2f}-{max(each):.2f})"
        f"  at least {result.at_least:g}: {verdict}"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
