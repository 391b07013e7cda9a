"""Following the archive's feed: each entry is held against the rules exactly once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol

from diana_common.conditions import Header
from diana_common.errors import Code, DianaError, Reason
from diana_common.following import Following
from diana_route.core.archive import Holdings
from diana_route.core.feed import Batch, Feed, Told, Watch
from diana_route.core.intake import Deciding, Intake
from diana_route.core.journal import Journal, Learnt
from diana_route.core.matching import Seen
from diana_route.core.model import InstanceItem, Item, NewJob, StudyItem
from diana_route.core.trails import Trails

FEED = "feed"
"""The feed's name among the journal's cursors."""

_GAP = "the archive was restored or rebuilt: what happened since the last entry heard before made no jobs"
_GAP_SINCE = "feed gap"
"""Among the journal's cursors, under which configuration that came about: people are told until it changes."""

GONE = (Reason.INSTANCE_NOT_FOUND, Reason.STUDY_NOT_FOUND, Reason.STORE_UNKNOWN)
"""Errors of what is not there any more."""

_OWN = (Code.NOT_FOUND, Code.INVALID_ARGUMENT, Code.DATA_LOSS)
"""Codes of errors of an item itself: it is gone, damaged, or its header is none. After any other error it is asked
about again, MOST_ATTEMPTS times where others may fare better."""

MOST_ATTEMPTS = 60
"""Some five minutes, as `diana_common.following` goes on."""

PASSING = (Reason.PEER_UNAVAILABLE, Reason.OVERLOADED, Reason.DISK_FULL, Reason.STOPPING, Reason.CONFIG_INVALID)
"""Errors that the next item would meet as well."""


class FollowObserver(Protocol):
    """Is told how following fares. Its methods are quick and never raise."""

    def lost(self, error: DianaError) -> None:
        """Following broke off; it goes on by itself."""
        ...

    def began_anew(self) -> None:
        """The archive was restored or rebuilt: what happened since the last entry heard before is known to no rule."""
        ...

    def unjudged(self, item: Item, error: DianaError) -> None:
        """Rules could not be asked of an item, and will not be: its header cannot be had."""
        ...


def headers_of(holdings: Holdings, told: Told) -> Callable[[], Iterable[Header]]:
    """What rules ask about an entry's item; nothing of what has gone since. Asking raises what `holdings` does."""
    return lambda: held_headers(holdings, told.item) if told.header is None else [told.header]


def held_headers(holdings: Holdings, item: StudyItem | InstanceItem) -> Iterator[Header]:
    """What rules ask about a study or an instance that the archive has, one header in memory at a time.

    Raises what `holdings` does.
    """
    try:
        if isinstance(item, StudyItem):
            yield from holdings.first_headers(item.store, item.study_uid)
        else:
            yield holdings.instance(item.store, item.sop_instance_uid)[1]
    except DianaError as error:
        if error.reason not in GONE:
            raise


def unread_text(error: DianaError) -> str:
    """Why a job is dead whose item's header cannot be had."""
    return f"its header cannot be read ({error.reason.name})"


class Follower:
    """Makes jobs of what the feed tells, in a thread of its own (diana_common.following).

    Stores that queries look at are followed too, so that it is known what rules made there.
    """

    def __init__(
        self,
        feed: Feed,
        holdings: Holdings,
        deciding: Deciding,
        intake: Intake,
        journal: Journal,
        observer: FollowObserver,
        stores: Sequence[str],
        headers: bool,
    ) -> None:
        """`stores` are those that rules follow or query; `headers` says whether any rule waits for instances."""
        self._feed = feed
        self._holdings = holdings
        self._deciding = deciding
        self._intake = intake
        self._journal = journal
        self._observer = observer
        self._stores = stores
        self._headers = headers
        self._unknown: Collection[str] = ()
        self._failures = 0
        self._gap = _GAP if journal.cursor(_GAP_SINCE) == intake.configuration else ""
        self._stopping = threading.Event()
        self._following = Following(self, stores, self, observer.lost)

    def start(self) -> None:
        """Begin to follow, if any rule needs it; without one, the next such rule begins at the head again."""
        if self._stores:
            self._following.start()
        else:
            self._journal.forget_cursor(FEED)

    def stop(self) -> None:
        """End the following. A batch that rules are asked about now is asked about again the next time."""
        self._stopping.set()
        self._following.stop()

    def check_ready(self) -> None:
        """Raise PEER_UNAVAILABLE until it is known where to begin: what happens before makes no jobs."""
        if self._stores and self.position() is None:
            raise DianaError(Reason.PEER_UNAVAILABLE, "The archive was never reached; the rules do not work yet.")

    def trouble(self, store: str) -> str:
        """Why rules hear nothing of a store now, or have missed a part of it; empty if all is well."""
        error = self._following.trouble
        return self.missing(store) or (str(error) if error else self._gap)

    def missing(self, store: str) -> str:
        """That the archive does not have a store; empty if it does, or was not asked yet."""
        if store in self._unknown:
            return f"the archive has no store {store}; one that it gets is followed from then on"
        return ""

    def head(self) -> str:
        """See diana_common.following.Feed."""
        return self._feed.head()

    def watch(self, after: str, stores: Sequence[str]) -> Watch:
        """See diana_common.following.Feed. What the archive does not have is in the way of no other store: it gets
        stores by being started anew, which breaks off every watch."""
        there = self._feed.stores()
        self._unknown = [store for store in stores if store not in there]
        known = [store for store in stores if store in there]
        if not known:
            raise DianaError(Reason.STORE_UNKNOWN, "The archive has none of the stores that rules name.")
        return self._feed.watch(after, known, self._headers)

    def position(self) -> str | None:
        """See diana_common.following.Place."""
        return self._journal.cursor(FEED)

    def begin(self, position: str) -> None:
        """See diana_common.following.Place."""
        self._journal.add([], time.time(), Learnt(cursor=(FEED, position)))

    def apply(self, batch: Batch) -> None:
        """See diana_common.following.Place."""
        trails = Trails(self._journal)
        jobs = [job for told in batch.entries for job in self._jobs(told, trails.learn(told))]
        self._intake.add(jobs, Learnt((FEED, batch.position), trails.changes))
        self._failures = 0

    def forget(self) -> None:
        """See diana_common.following.Place."""
        self._journal.add([], time.time(), Learnt(cursor=(_GAP_SINCE, self._intake.configuration)))
        self._journal.forget_cursor(FEED)
        self._gap = _GAP
        self._observer.began_anew()

    def _jobs(self, told: Told, trail: Sequence[str]) -> list[NewJob]:
        if self._stopping.is_set():
            raise DianaError(Reason.STOPPING, "The service is stopping.")
        # Rules with a query take studies from nothing but that.
        seen = Seen(told.item, headers_of(self._holdings, told), trail, is_found=lambda query: False)
        try:
            return self._deciding.jobs(seen, told.position)
        except DianaError as error:
            if error.code not in _OWN and not self._is_lasting(error):
                raise
            self._observer.unjudged(told.item, error)
            return self._deciding.jobs_unread(seen, told.position, unread_text(error))

    def _is_lasting(self, error: DianaError) -> bool:
        """Whether an error that may be an item's own kept a batch from being taken so often that it is no more waited
        for: one item must not hold up all."""
        if error.reason in PASSING:
            return False
        self._failures += 1
        return self._failures > MOST_ATTEMPTS
