"""Minting identities, beside the older system's mint."""

import time
from collections.abc import Mapping
from datetime import date, timedelta
from importlib import metadata

from bench.harness import Case, Side, bound
from bench.room import BenchError, Place
from diana_guid.core import GuidMint, Subject, make_domain
from diana_guid.stores import MemoryKeyStore

SUBJECTS = 20_000
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


def versions() -> Mapping[str, str]:
    return {"diana-mesh": metadata.version("diana-mesh"), "peer": "diana2 983e58e, measured once, an absolute bound"}


CASES = [
    Case("guid_diana2", "guid", "identities/s", minting("diana2"), bound(OLDER_SYSTEM), 100.0, versions=versions),
    Case("guid_keyed", "guid", "identities/s", minting("keyed"), bound(OLDER_SYSTEM), 100.0, versions=versions),
]
