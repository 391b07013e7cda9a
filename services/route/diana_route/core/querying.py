"""Rules with a query: on a schedule, each study once until it is found no more and again."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from diana_common.errors import DianaError, Reason
from diana_route.core.archive import Holdings
from diana_route.core.feed import Feed
from diana_route.core.following import FEED, PASSING, held_headers
from diana_route.core.intake import Deciding, Intake
from diana_route.core.journal import Found, Journal, Learnt
from diana_route.core.matching import Seen
from diana_route.core.model import NewJob, StudyItem
from diana_route.core.rules import QuerySource
from diana_route.core.trails import Trails

A_PAGE = 1000
"""UIDs of studies that are held in memory at a time."""

_A_STEP = 100
"""Studies that rules are asked about between two writes."""

_RETRY_SECONDS = (0.2, 1.0, 5.0, 15.0, 60.0)


class Index(Protocol):
    """The index, as far as queries go."""

    def studies(self, store: str, query: str, at_least_position: str) -> Iterator[Sequence[str]]:
        """The studies that a filter finds: pages of Study Instance UIDs, all in ascending order of their characters.

        Raises DianaError: FILTER_INVALID, POSITION_NOT_REACHED if the index is not that far yet, PEER_UNAVAILABLE.
        """
        ...


class QueryObserver(Protocol):
    """Is told how queries fare. Its methods are quick and never raise."""

    def query_failed(self, rule: str, error: DianaError) -> None:
        """A run broke off; there will be another one."""
        ...

    def unjudged(self, item: StudyItem, error: DianaError) -> None:
        """A rule could not be asked of a study; the next run asks again."""
        ...


@dataclass(frozen=True, slots=True)
class QueryRule:
    """A rule with a query."""

    name: str
    source: QuerySource

    @property
    def cursor(self) -> str:
        """Its name among the journal's cursors, and those of what was found: the same for another query to that store,
        so that a change of the query makes jobs of what only the new one finds."""
        return f"query {self.name} {self.source.store}"


class Querying:
    """Asks the queries of rules when their time has come, one after another, in a thread of its own.

    When each was last asked is kept, so that restarts change nothing of the schedule. What a query finds is compared
    with what it had found, a page at a time: only differences are written, in one step with the jobs made of them.
    """

    def __init__(
        self,
        rules: Sequence[QueryRule],
        index: Index,
        feed: Feed,
        holdings: Holdings,
        deciding: Deciding,
        intake: Intake,
        journal: Journal,
        observer: QueryObserver,
    ) -> None:
        self._rules = rules
        self._index = index
        self._feed = feed
        self._holdings = holdings
        self._deciding = deciding
        self._intake = intake
        self._journal = journal
        self._observer = observer
        self._trouble: dict[str, str] = {}
        self._failures: dict[str, int] = {}
        self._retry_at: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="querying", daemon=True)

    def start(self) -> None:
        """Begin, if there are such rules."""
        if self._rules:
            self._thread.start()

    def stop(self) -> None:
        """Ask nothing more; a page that is being recorded is finished."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def trouble(self, rule: str) -> str:
        """Why a rule's last run broke off; empty if it did not."""
        return self._trouble.get(rule, "")

    def _work(self) -> None:
        while not self._stopping.is_set():
            for rule in self._rules:
                if not self._stopping.is_set() and self._due(rule) <= time.time():
                    self._attempt(rule)
            pause = min(map(self._due, self._rules)) - time.time()
            self._stopping.wait(max(min(pause, _RETRY_SECONDS[-1]), 0.0))

    def _due(self, rule: QueryRule) -> float:
        """When a rule is next asked; never if it was stopped. A clock that was put back delays it by its schedule at
        most."""
        if rule.name in self._intake.stopped:
            return math.inf
        last = self._journal.cursor(rule.cursor)
        regular = min(float(last), time.time()) + rule.source.every_seconds if last else 0.0
        return max(regular, self._retry_at.get(rule.name, 0.0))

    def _attempt(self, rule: QueryRule) -> None:
        try:
            self.run(rule, time.time())
        except DianaError as error:
            self._fail(rule, error)
        except Exception as error:  # whatever goes wrong, the other queries must go on
            self._fail(rule, DianaError(Reason.INTERNAL, f"A query failed: {type(error).__name__}."))
        else:
            for known in (self._trouble, self._failures, self._retry_at):
                known.pop(rule.name, None)

    def _fail(self, rule: QueryRule, error: DianaError) -> None:
        failures = self._failures[rule.name] = self._failures.get(rule.name, 0) + 1
        self._retry_at[rule.name] = time.time() + _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS)) - 1]
        self._trouble[rule.name] = str(error)
        self._observer.query_failed(rule.name, error)

    def run(self, rule: QueryRule, now: float) -> None:
        """Ask a rule's query once. What was done stays done where it breaks off. Raises DianaError."""
        occasion = f"query {datetime.fromtimestamp(now, UTC).isoformat()}"
        after = ""
        # The index waits for what is in the archive now: one that is being filled would find too little.
        for page in self._index.studies(rule.source.store, rule.source.query, self._feed.head()):
            new = self._compare(rule, after, page[-1], page)
            for start in range(0, len(new), _A_STEP):
                self._take(rule, new[start : start + _A_STEP], occasion)
                if self._stopping.is_set() or rule.name in self._intake.stopped:
                    return  # the rest is found again by the next run
            after = page[-1]
        self._compare(rule, after, None, ())
        self._journal.add([], now, Learnt(cursor=(rule.cursor, repr(now))))

    def _compare(self, rule: QueryRule, after: str, until: str | None, page: Sequence[str]) -> list[str]:
        """Forget what is found no more of a range of UIDs; what of the page is new."""
        new = {study_uid for study_uid in page if study_uid > after}
        while known := self._journal.found(rule.cursor, after, until, A_PAGE):
            gone = [study_uid for study_uid in known if study_uid not in new]
            new.difference_update(known)
            if gone:
                self._journal.add([], time.time(), Learnt(found=Found(rule.cursor, gone=gone)))
            after = known[-1]
        return sorted(new)

    def _take(self, rule: QueryRule, new: Sequence[str], occasion: str) -> None:
        """Make jobs of what is new."""
        trails = self._trails(rule, frozenset(new))
        jobs: list[NewJob] = []
        judged: list[str] = []
        for study_uid in itertools.takewhile(lambda _: not self._stopping.is_set(), new):
            made = self._jobs(rule, study_uid, trails, occasion)
            if made is not None:
                jobs += made
                judged.append(study_uid)
        self._intake.add(jobs, Learnt(found=Found(rule.cursor, new=judged)))

    def _trails(self, rule: QueryRule, studies: frozenset[str]) -> Trails:
        """What led to studies, though the follower may not have come to hear of them yet."""
        position = self._journal.cursor(FEED)
        if position is None:
            raise DianaError(Reason.PEER_UNAVAILABLE, "The archive's feed is not followed yet.")
        trails = Trails(self._journal)
        watch = self._feed.watch(position, [rule.source.store], headers=False, to_head=True)
        try:
            for batch in watch:
                for told in batch.entries:
                    if told.item.study_uid in studies:
                        trails.learn(told)
        finally:
            watch.cancel()
        return trails

    def _jobs(self, rule: QueryRule, study_uid: str, trails: Trails, occasion: str) -> list[NewJob] | None:
        """What the rule makes of a study; None if it could not be asked."""
        store = rule.source.store
        item = StudyItem(store, study_uid)
        try:
            item = StudyItem(store, study_uid, self._holdings.study(store, study_uid).attributes)
            seen = Seen(item, lambda: held_headers(self._holdings, item), trails.of_study(store, study_uid) or ())
            return self._deciding.jobs(seen, occasion, rule.name)
        except DianaError as error:
            if error.reason in PASSING:
                raise
            if error.reason is not Reason.STUDY_NOT_FOUND:  # deleted since; the index will know soon
                self._observer.unjudged(item, error)
            return None
