"""The log of re-identifications: each entry holds the digest of the one before, so that none can be altered unseen.

An entry's digest is SHA-256 over 32 bytes, the digest of the entry before (zeros for the first), and then the entry as
a JSON object in UTF-8, without spaces and with its members in this order: "number", "create_time" (RFC 3339 in UTC with
six decimals), "caller", "domain", "pseudonyms", "reason", "granted".
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Protocol

from diana_common.errors import DianaError, Reason

_BEGINNING = bytes(32)
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One question of who pseudonyms stand for. `create_time` is RFC 3339 text; `digest` is hexadecimal."""

    number: int
    create_time: str
    caller: str
    domain: str
    pseudonyms: tuple[str, ...]
    reason: str
    granted: bool
    digest: str = ""

    def computed(self, before: bytes) -> str:
        """What its digest must be, that of the entry before being `before`."""
        members = asdict(self)
        del members["digest"]
        text = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(before + text.encode()).hexdigest()


class TrailStore(Protocol):
    """Where entries lie, encrypted. Every method raises STORE_DAMAGED for what was altered or taken away."""

    def last(self) -> Entry | None:
        """The newest; None while there is none."""
        ...

    def append(self, entry: Entry) -> None:
        """Keep an entry, and that it is the newest, durably. Raises DISK_FULL."""
        ...

    def entries(self, first: int, last: int) -> list[Entry]:
        """Those with these numbers and the numbers between, oldest first."""
        ...


class Trail:
    """The log. Safe to use from several threads; for one process."""

    def __init__(self, store: TrailStore) -> None:
        self._store = store
        self._lock = threading.Lock()

    def append(
        self, at: datetime, caller: str, domain: str, pseudonyms: Sequence[str], reason: str, granted: bool
    ) -> Entry:
        """Write an entry; it is durable once this returns. `at` is in UTC. Raises DISK_FULL, STORE_DAMAGED."""
        with self._lock:
            last = self._store.last()
            time = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            bare = Entry(last.number + 1 if last else 1, time, caller, domain, tuple(pseudonyms), reason, granted)
            entry = replace(bare, digest=bare.computed(_digest(last)))
            self._store.append(entry)
            return entry

    def page(self, before: int | None, size: int) -> list[Entry]:
        """At most `size` entries, newest first, from the one before number `before`. Raises STORE_DAMAGED."""
        with self._lock:
            last = self._store.last()
            newest = min(last.number if last else 0, (before or 1 << 62) - 1)
            found = self._checked(max(1, newest - size + 1), newest)
        return found[::-1]

    def verify(self) -> int:
        """Read all of it; how many entries there are. Raises STORE_DAMAGED, naming the first that is not as written."""
        with self._lock:
            last = self._store.last()
            newest = last.number if last else 0
            for first in range(1, newest + 1, _PAGE):
                self._checked(first, min(first + _PAGE - 1, newest))
            return newest

    def _checked(self, first: int, last: int) -> list[Entry]:
        """The entries with these numbers, each following from the one before it."""
        start = max(first - 1, 1)
        found = self._store.entries(start, last) if last >= first else []
        before: Entry | None = None
        for number, entry in enumerate(found, start):
            follows = (before is None and number > 1) or entry.digest == entry.computed(_digest(before))
            if entry.number != number or not follows:
                raise damaged(number)
            before = entry
        if last >= first and len(found) <= last - start:
            raise damaged(start + len(found))
        return [entry for entry in found if entry.number >= first]


def damaged(number: int) -> DianaError:
    """The error for an entry that is not as it was written, or is not there."""
    return DianaError(Reason.STORE_DAMAGED, f"Entry {number} of the log of re-identifications was altered or removed.")


def _digest(entry: Entry | None) -> bytes:
    return bytes.fromhex(entry.digest) if entry else _BEGINNING
