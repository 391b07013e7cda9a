"""Measure every model in turn, alone and with followers and stalled uploads attached; print a table, write JSON."""

import argparse
import contextlib
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc

MODELS = ("sync", "sync-light", "aio")
CT, LARGE = 527_000, 32 << 20
FOLLOWERS, STALLED = 1000, 50
STATES = {"nothing": False, "1000+50": True}
"""What else is attached to the server while it is measured: nothing, or followers and stalled uploads."""
MALLOC = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
"""As our launcher sets them: chunks of a MiB are otherwise mapped and unmapped one by one."""
OUT = Path(__file__).resolve().parents[1] / "out" / "server_model.json"


@dataclass(frozen=True)
class Load:
    """One kind of work: `clients` processes run `arguments`, and `count` things happen in all."""

    name: str
    unit: str
    count: float
    clients: int
    arguments: tuple[object, ...]


LOADS = (
    Load("upload ct x1", "instances/s", 600, 1, ("upload", 600, CT)),
    Load("upload ct x4", "instances/s", 800, 4, ("upload", 200, CT)),
    Load("upload large x1", "MB/s", 12 * LARGE / 1e6, 1, ("upload", 12, LARGE)),
    Load("small, one at a time", "calls/s", 3000, 1, ("sequential", 3000)),
    Load("small, 16 in flight", "calls/s", 8000, 1, ("concurrent", 8000, 16)),
)


@dataclass(frozen=True)
class Sample:
    """One run: things a second; server CPU in microseconds a thing; server RSS after it, MB."""

    rate: float
    cpu_us: float
    rss_mb: float
    threads: float


class Process:
    """A child that speaks one line at a time and ends when its standard input closes."""

    def __init__(self, module: str, *arguments: object) -> None:
        command = [sys.executable, "-m", f"bench.server_model.{module}", *map(str, arguments)]
        self._child = subprocess.Popen(
            command, env=os.environ | MALLOC, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        if self._child.stdout is None or not (line := self._child.stdout.readline()):
            raise RuntimeError("a measuring process ended early")
        return line.strip()

    def go(self) -> None:
        if self._child.stdin is not None:
            self._child.stdin.write("go\n")
            self._child.stdin.flush()

    def stop(self) -> None:
        if self._child.stdin is not None:
            self._child.stdin.close()
        self._child.wait(60)

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def status(self, key: str) -> int:
        lines = Path(f"/proc/{self._child.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key + ":"))


@contextlib.contextmanager
def running(module: str, *arguments: object) -> Iterator[Process]:
    process = Process(module, *arguments)
    try:
        yield process
    finally:
        process.stop()


def measure(server: Process, target: str, load: Load) -> Sample:
    """Run one load to its end. All its clients are connected before the clock starts."""
    with contextlib.ExitStack() as stack:
        kind, *numbers = load.arguments
        clients = [stack.enter_context(running("load", kind, target, *numbers)) for _ in range(load.clients)]
        for client in clients:
            client.line()
        cpu, started = server.cpu_seconds(), time.perf_counter()
        for client in clients:
            client.go()
        for client in clients:
            client.line()
        seconds = time.perf_counter() - started
        cpu_us = (server.cpu_seconds() - cpu) * 1e6 / load.count
    return Sample(load.count / seconds, cpu_us, server.status("VmRSS") / 1024, server.status("Threads"))


def visit(model: str, attached: bool, folder: Path) -> dict[str, Sample]:
    """A fresh server of `model` under every load, after a short warm-up."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running("servers", model, folder))
        target = f"127.0.0.1:{server.line()}"
        if attached:
            stack.enter_context(running("load", "attach", target, FOLLOWERS, STALLED)).line()
        measure(server, target, Load("warm-up", "", 50, 1, ("upload", 50, CT)))
        return {load.name: measure(server, target, load) for load in LOADS}


def table(samples: dict[tuple[str, str, str], list[Sample]]) -> list[dict[str, object]]:
    """Medians over the rounds, a row for each load, state and model."""
    rows: list[dict[str, object]] = []
    for load, state, model in itertools.product(LOADS, STATES, MODELS):
        runs = [asdict(run) for run in samples[load.name, state, model]]
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        rates = [run["rate"] for run in runs]
        names = {"load": load.name, "attached": state, "model": model, "unit": load.unit}
        rows.append(names | middle | {"low": min(rates), "high": max(rates)})
    return rows


def show(rows: list[dict[str, object]]) -> None:
    print(f"{'load':22}{'attached':10}{'model':12}{'rate':>8}  {'low-high':15}{'CPU us':>8}{'RSS MB':>8}{'threads':>9}")
    for row in rows:
        spread = f"{row['low']:.0f}-{row['high']:.0f}"
        print(
            f"{row['load']:22}{row['attached']:10}{row['model']:12}{row['rate']:8.0f}  {spread:15}"
            f"{row['cpu_us']:8.0f}{row['rss_mb']:8.0f}{row['threads']:9.0f}  {row['unit']}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.server_model", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    samples: dict[tuple[str, str, str], list[Sample]] = defaultdict(list)
    for number in range(rounds):
        for state, attached in STATES.items():
            order = MODELS if number % 2 else MODELS[::-1]
            for model in order:
                folder = Path(tempfile.mkdtemp(prefix="server-model-"))
                for load, sample in visit(model, attached, folder).items():
                    samples[load, state, model].append(sample)
                shutil.rmtree(folder)
                os.sync()
        print(f"round {number + 1} of {rounds}, system load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    rows = table(samples)
    show(rows)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"rounds": rounds, "grpc": grpc.__version__, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
