"""Moves things by rules and is killed at every point where something is written or done, then begins anew.

`python -m tests.unit.route.killed_route FOLDER` prints what became of each life, a JSON line for each point.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

from diana_common.attempts import Attempting, RetryPolicy
from diana_route.core.executing import Carried, Executing
from diana_route.core.following import FEED
from diana_route.core.model import Item, State, Task
from tests.support.awaiting import awaited
from tests.unit.route.route_bench import DIGEST, RouteBench, completed

_WRITES = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE")
_QUICK = RetryPolicy(0.01, 0.02, 3600.0)
STEPS = "abc"


class Points:
    """Counts points, and kills this process at one of them."""

    def __init__(self, fatal: int) -> None:
        self._left = fatal
        self._lock = threading.Lock()

    def passed(self) -> None:
        with self._lock:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)

    def statement(self, text: str) -> None:
        if text.startswith(_WRITES):
            self.passed()


class FarSide:
    """An action whose other side does a thing once for each request id, and remembers who asked."""

    def __init__(self, folder: Path, points: Points) -> None:
        self._asked = os.open(folder / "asked", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._points = points

    def target(self, item: Item) -> str:
        return "far side"

    def carry_out(self, task: Task) -> None:
        self._points.passed()
        os.write(self._asked, f"{task.request_id} {task.job.current} {task.job.item.key}\n".encode())
        self._points.passed()


class _Lasting:
    def succeeded(self, piece: Task) -> None: ...

    def failed(self, piece: Task, why: str) -> None: ...

    def dead(self, piece: Task, why: str, count: int) -> None: ...

    def stumbled(self, error: Exception) -> None: ...


def live(folder: Path, fatal: int) -> None:
    """Follow a feed that tells of a study, ask a query that finds another, and carry both out."""
    points = Points(fatal)
    bench = RouteBench(folder, "rule")
    with bench.journal._database.reading() as db:
        db.set_trace_callback(points.statement)
    bench.archive.head = lambda: "a:0"  # type: ignore[method-assign]
    bench.archive.tell(completed(1))
    bench.index.studies_found = [2]
    action = FarSide(folder, points)
    rules = {name: Carried(DIGEST, [action] * len(STEPS)) for name in ("rule", "nightly")}
    attempting = Attempting(bench.journal, Executing(rules).attempt, _QUICK, 3600.0, _Lasting())
    bench.intake._added = attempting.wake
    for start in (attempting.start, bench.follower.start):
        start()
    assert awaited(lambda: bench.journal.cursor(FEED) == "a:1")
    bench.querying.run(bench.query, 1000.0)
    assert awaited(lambda: {state for _, state in bench.journal.counts()} == {State.DONE})
    attempting.stop()
    bench.close()


def in_a_life(folder: Path, fatal: int) -> bool:
    """Live in a process of its own; whether it came to its natural end."""
    child = os.fork()
    if not child:
        status = 1
        try:
            live(folder, fatal)
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def report(folder: Path) -> dict[str, object]:
    """What the other side was asked, and what the journal says."""
    bench = RouteBench(folder)
    jobs = bench.journal.page(None, 100, None, "")
    asked = Counter((folder / "asked").read_text().splitlines())
    effects = Counter(line.partition(" ")[2] for line in asked)
    return {
        "jobs": sorted(job.item.key for job in jobs),
        "done": all(job.state is State.DONE for job in jobs),
        "effects": dict(effects),
        "repeated": sum(asked.values()) - len(asked),
        "order": [line.split()[1] for line in asked if line.startswith(f"{jobs[0].name}/")],
        "cursors": [bench.journal.cursor(one) for one in (FEED, bench.query.cursor)],
    }


def main(root: Path) -> None:
    """Every point in turn, until a life comes to its end before it."""
    fatal, ended = 0, False
    while not ended:
        fatal += 1
        folder = root / str(fatal)
        folder.mkdir()
        ended = in_a_life(folder, fatal)
        again = ended or in_a_life(folder, 0)
        print(json.dumps({"point": fatal, "again": again, **report(folder)}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
