"""How far a study is: what is settled, up to where nothing is left to do, and what a later attempt needs of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from diana_anon.core.ports import InstanceKey, Work
from diana_anon.core.proof.receipts import Result
from diana_common.errors import DianaError

_CHECKPOINT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All instances up to and including these UIDs are stored or have failed.

    `study_uid` is the new Study Instance UID, empty while unknown.
    """

    series_uid: str = ""
    sop_uid: str = ""
    stored: int = 0
    study_uid: str = ""
    failed: int = 0
    key_version: int = 0
    """Of the domain's key that the study is de-identified with; 0 while unknown."""

    @property
    def key(self) -> InstanceKey:
        """The last settled instance; before every other when there is none."""
        return InstanceKey(self.series_uid, self.sop_uid)

    def to_bytes(self) -> bytes:
        """For the operation's record."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, kept: bytes) -> Checkpoint:
        """What `to_bytes` wrote, or the beginning if nothing was kept."""
        return cls(**json.loads(kept)) if kept else cls()


class Answers(Protocol):
    """Who is told what became of results that were sent."""

    def arrived(self, results: Sequence[Result]) -> None:
        """The target has them; kept durably."""
        ...

    def refused(self, results: Sequence[Result]) -> None:
        """The target does not take them; kept durably."""
        ...


class Tally:
    """The account of one attempt. Instances begin in order and settle in any; safe from several threads.

    What failed in an earlier attempt has failed: it is not tried again. `answers` is told of what arrived before the
    checkpoint that settles it.
    """

    def __init__(self, work: Work, start: Checkpoint, failed: Iterable[str], answers: Answers) -> None:
        self._work = work
        self._answers = answers
        self._under_way: dict[str, Result] = {}  # sent, and not answered yet
        self._arrived: list[Result] = []  # stored, and not told yet
        self._total = 0
        self._lock = threading.Lock()
        self._closed = False
        self.start = self._mark = start
        self._kept_at = time.monotonic()
        self._open: dict[str, InstanceKey] = {}  # begun, in order, from the first that is not settled
        self._settled: dict[str, bool] = {}  # those of them that are, and whether they are stored
        self.failed_items = set(failed)
        self.failed = start.failed
        self.stored = start.stored
        self.study_uid = start.study_uid

    def pin(self, key_version: int) -> None:
        """Go on with this version of the domain's key, whatever happens: kept before anything is stored."""
        with self._lock:
            if key_version != self._mark.key_version:
                self._mark = replace(self._mark, key_version=key_version)
                self._keep()

    def expect(self, total: int) -> None:
        """So many instances are there in all."""
        with self._lock:
            self._total = total
            self._tell()

    def begin(self, keys: Iterable[InstanceKey]) -> list[str]:
        """Open instances; the SOP Instance UIDs of those that are to be done."""
        with self._lock:
            fresh = []
            for key in keys:
                self._open[key.sop_uid] = key
                if key.sop_uid in self.failed_items:
                    self._settled[key.sop_uid] = False
                    self.failed += 1
                else:
                    fresh.append(key.sop_uid)
            return fresh

    def sent(self, sop_uid: str, result: Result) -> None:
        """An instance is de-identified, and on its way. Of no effect once closed."""
        with self._lock:
            if not self._closed:
                self._under_way[sop_uid] = result

    def settle(self, sop_uid: str, error: DianaError | None = None) -> None:
        """An instance is stored, or has failed. Of no effect once closed."""
        with self._lock:
            if self._closed:
                return
            result = self._under_way.pop(sop_uid, None)
            if error is None:
                if result is not None:
                    self._arrived.append(result)
                self.stored += 1
            else:
                if result is not None:
                    self._answers.refused([result])
                self.failed += 1
                self.failed_items.add(sop_uid)
                self._work.fail_item(sop_uid, error)
            self._settled[sop_uid] = error is None
            self._tell()
            self._advance()
            if time.monotonic() - self._kept_at >= _CHECKPOINT_SECONDS:
                self._keep()

    def close(self) -> Checkpoint:
        """Keep the state; what settles from now on is left to the next attempt."""
        with self._lock:
            self._closed = True
            self._advance()
            self._keep()
            return self._mark

    def _advance(self) -> None:
        mark, stored, failed = None, self._mark.stored, self._mark.failed
        while self._open and (first := next(iter(self._open))) in self._settled:
            mark = self._open.pop(first)
            ended_well = self._settled.pop(first)
            stored, failed = stored + ended_well, failed + (not ended_well)
        if mark is not None:
            version = self._mark.key_version
            self._mark = Checkpoint(mark.series_uid, mark.sop_uid, stored, self.study_uid, failed, version)

    def _tell(self) -> None:
        self._work.progress(self.stored + self.failed, self._total, "instances")

    def _keep(self) -> None:
        if self._arrived:
            self._answers.arrived(self._arrived)
            self._arrived = []
        self._work.checkpoint(self._mark.to_bytes())
        self._kept_at = time.monotonic()
