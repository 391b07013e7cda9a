"""Small studies arrive and arrive while processes are killed at random: each is accounted for exactly once."""

from __future__ import annotations

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.arrivals import Sites
from tests.support.awaiting import awaited
from tests.support.intake import Account, incoming, settings
from tests.support.mesh import Mesh

VICTIMS = ("route", "notify", "archive", "anon")
SECONDS = float(os.environ.get("DIANA_SOAK_SECONDS", "60"))
"""Of arrivals; what starts before and settles after them takes some more."""

LONG_SECONDS = 600.0
SETTLED_WITHIN_SECONDS = 120.0
PAUSE_SECONDS = 0.2
"""Between two arrivals, on the average."""


def kill_at_random(mesh: Mesh, enough: threading.Event, chance: random.Random) -> int:
    """Kill -9 one process after another, and start it again; how many that were."""
    killed = 0
    while not enough.wait(chance.uniform(0.2, 2.0)):
        victim = mesh.processes[chance.choice(VICTIMS)]
        victim.kill()
        enough.wait(chance.uniform(0, 0.5))
        victim.start()
        killed += 1
    return killed


def arrive_and_kill(mesh: Mesh, sites: Sites, seconds: float, chance: random.Random) -> int:
    """Have studies arrive for so long while processes are killed; how many those were."""
    enough = threading.Event()
    ending = threading.Timer(seconds, enough.set)
    with ThreadPoolExecutor() as threads:
        arriving = threads.submit(sites.drop_until, enough, PAUSE_SECONDS)
        ending.start()
        try:
            return kill_at_random(mesh, enough, chance)
        finally:
            ending.cancel()
            enough.set()
            arriving.result()


def soak(state: Path, seconds: float, seed: int) -> None:
    """Have studies arrive for so long; afterwards each is where it should be, once."""
    chance = random.Random(seed)
    sites = Sites(incoming(state), state / "beside", random.Random(seed + 1))
    with Mesh(state, "anon", "notify", "route", settings=settings(state)) as mesh, ExitStack() as channels:
        killed = arrive_and_kill(mesh, sites, seconds, chance)
        account = Account(mesh, state, channels)
        awaited(lambda: account.settled(sites.dropped), SETTLED_WITHIN_SECONDS)
        assert account.complaints(sites.dropped) == []
        assert killed and sites.dropped


@pytest.mark.timeout(SECONDS + 240)
def test_every_study_is_accounted_for_once_whatever_is_killed(tmp_path: Path) -> None:
    soak(tmp_path / "mesh", SECONDS, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(LONG_SECONDS + 600)
def test_every_study_of_ten_minutes_is_accounted_for_once_whatever_is_killed(tmp_path: Path) -> None:
    soak(tmp_path / "mesh", LONG_SECONDS, seed=2)
