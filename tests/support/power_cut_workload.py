"""An archive at work, for a recorder: `python -m tests.support.power_cut_workload STATE MARKS SEED AMOUNT`.

A real archive process and its clients, under one strace. Before each request, and after its answer, a line of JSON
goes to MARKS, so that the trace tells what was acknowledged when. In between the archive is killed and started
again, and stopped and started again.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc

from diana.archive.v1 import archive_service_pb2 as pb
from tests.support.archive_clients import COMPRESSED, Client, Fickle, Large, Small, SmallCompressed, Teller
from tests.support.archive_doors import DOOR, Door, Resumed
from tests.support.archive_places import settings
from tests.support.mesh import Mesh, Process
from tests.support.upload import archive_stub

RESUMED = (1, 2)
"""Numbers of the clients whose uploads are gone on with."""


class Marks:
    """Tells the recorder what is asked for and what is answered."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()

    def tell(self, kind: str, **fields: Any) -> None:
        """One mark."""
        with self._lock:
            os.write(self._descriptor, json.dumps({"kind": kind, **fields}).encode() + b"\n")


def clients(phase: int, amount: int, marks: Teller, seed: int) -> list[Client]:
    """Those of one phase."""
    kinds = (Small, SmallCompressed, Large, Fickle)
    return [
        kind(10 * phase + number, amount, marks, random.Random(f"{seed} {phase} {number}"))
        for number, kind in enumerate(kinds, start=1)
    ]


def lasting_clients(amount: int, marks: Teller, seed: int, archive: Path) -> list[Client]:
    """Those that go on over kills; `archive` is its state directory."""
    chances = [random.Random(f"{seed} lasting {number}") for number in range(3)]
    resumed = [Resumed(number, amount, marks, chances[number]) for number in RESUMED]
    return [*resumed, Door(3, amount, marks, chances[0], archive / DOOR)]


def work(archive: Process, workers: Sequence[Client], broken: threading.Event) -> list[threading.Thread]:
    """Set them to work; what breaks a client ends this process, unless `broken` says that it may."""

    def run(one: Any) -> None:
        try:
            with archive_stub(archive.address) as stub:
                one.run(stub)
        except Exception as error:
            if not (isinstance(error, grpc.RpcError) and broken.is_set()):
                traceback.print_exc()
                # A recorder waits for it too.
                archive.kill()
                os._exit(1)

    threads = [threading.Thread(target=run, args=(one,)) for one in workers]
    for thread in threads:
        thread.start()
    return threads


def main() -> None:
    """Kill it, stop it, let it end."""
    state, marks, seed, amount = Path(sys.argv[1]), Marks(Path(sys.argv[2])), int(sys.argv[3]), int(sys.argv[4])
    directory = state / "archive"
    lasting = lasting_clients(amount // 8, marks, seed, directory)
    with Mesh(state, "archive", settings=settings(directory)) as mesh:
        archive = mesh.processes["archive"]
        broken = threading.Event()
        first = clients(1, amount, marks, seed)
        threads = work(archive, [*first, *lasting], broken)
        threads[0].join()
        broken.set()
        archive.kill()
        for thread in threads:
            thread.join()
        for phase in (2, 3):
            marks.tell("starting")
            archive.start()
            workers = [*clients(phase, amount // phase, marks, seed), *lasting]
            for thread in work(archive, workers, threading.Event()):
                thread.join()
            if phase == 2:
                archive.stop()
        with archive_stub(mesh.archive) as stub:
            for store in ("short", COMPRESSED):
                _await_purge(stub, store)


def _await_purge(stub: Any, store: str) -> None:
    """Until what was deleted without a grace period is gone."""
    while stub.GetStatistics(pb.GetStatisticsRequest(store=store)).hidden_instance_count:
        threading.Event().wait(0.1)


if __name__ == "__main__":
    main()
