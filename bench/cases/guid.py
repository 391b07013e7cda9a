"""Minting identities, beside the older system's mint."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from importlib import metadata
from pathlib import Path

from bench.harness import Case, Side, bound
from bench.room import BenchError, Place
from diana_client import GuidClient, connect, subject
from diana_guid.core import GuidMint, Subject, make_domain
from diana_guid.stores import MemoryKeyStore

SUBJECTS = 20_000
STREAMED = 100_000
START_SECONDS = 30.0
OLDER_SYSTEM = 151.0
"""Identities a second of diana2's mint on two shared cores: it filters the whole surname list at each call."""


def subjects() -> list[Subject]:
    """Different people, each with all that either scheme reads."""
    return [
        Subject(
            patient_id=f"P{number:06}",
            issuer="BENCH",
            name=f"Bench^Person{number}",
            birth_date=date(1930, 1, 1) + timedelta(days=number),
            sex="FM"[number % 2],
        )
        for number in range(SUBJECTS)
    ]


def minting(scheme: str) -> Side:
    """Identities a second of `scheme`, one after the other in one thread, without the network."""

    def run(_: Place) -> float:
        people = subjects()
        mint = GuidMint([make_domain("bench", scheme)], MemoryKeyStore({"bench": bytes(32)}))
        started = time.perf_counter()
        distinct = {mint.mint("bench", person).id for person in people}
        seconds = time.perf_counter() - started
        if len(distinct) != SUBJECTS:
            raise BenchError(f"{SUBJECTS} people got {len(distinct)} identities")
        return SUBJECTS / seconds

    return run


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a guid service of its own process, as it runs by default; it ends with the block."""
    told = folder / "address"
    settings = {
        "DIANA_GUID_STATE_DIR": str(folder / "state"),
        "DIANA_GUID_SERVER__LISTEN": "127.0.0.1:0",
        "DIANA_GUID_SERVER__PORT_FILE": str(told),
    }
    with (
        open(folder / "guid.log", "wb") as log,
        subprocess.Popen([sys.executable, "-m", "diana_guid"], env={**os.environ, **settings}, stderr=log) as child,
    ):
        try:
            until = time.monotonic() + START_SECONDS
            while not told.exists():
                if child.poll() is not None or time.monotonic() > until:
                    raise BenchError("the guid service did not start; its log is in the bench's folder")
                time.sleep(0.05)
            yield told.read_text()
        finally:
            child.terminate()


def streaming(place: Place) -> float:
    """Identities a second of one stream to a real server, from a client that makes each subject and reads each id."""
    with serving(place.scratch) as address, connect(address) as channel:
        client = GuidClient(channel)
        client.mint(subject("warm"))
        born = date(1930, 1, 1)
        people = (
            subject(
                f"P{number:06}", issuer="BENCH", birth_date=born + timedelta(days=number % 30_000), sex="FM"[number % 2]
            )
            for number in range(STREAMED)
        )
        started = time.perf_counter()
        distinct = {minted.identity.id for minted in client.mint_many(people) if minted.identity}
        seconds = time.perf_counter() - started
    if len(distinct) != STREAMED:
        raise BenchError(f"{STREAMED} people got {len(distinct)} identities")
    return STREAMED / seconds


def versions() -> Mapping[str, str]:
    return {"diana-mesh": metadata.version("diana-mesh"), "peer": "diana2 983e58e, measured once, an absolute bound"}


CASES = [
    Case("guid_batch_grpc", "guid", "identities/s", streaming, bound(OLDER_SYSTEM), 100.0, versions=versions),
    Case("guid_diana2", "guid", "identities/s", minting("diana2"), bound(OLDER_SYSTEM), 200.0, versions=versions),
    Case("guid_keyed", "guid", "identities/s", minting("keyed"), bound(OLDER_SYSTEM), 200.0, versions=versions),
]
