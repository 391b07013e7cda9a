"""The change feed: what has happened after a position, then what happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diana_archive.core.model import FeedEntry
from diana_archive.core.policies import Policies
from diana_archive.core.ports import Catalogue
from diana_common.errors import DianaError, Reason
from diana_common.position import Position

PAGES_A_SECOND = 500
GATHER_SECONDS = 0.02
HEARTBEAT_SECONDS = 10.0

_PAGE_BYTES = 1 << 20
_LEAST_PAGE_BYTES = 16 << 10
_ALL_PAGES_BYTES = 16 << 20
"""What the pages of all followers may take together, unless they are at their least; sending takes some times that."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """The next entries, none in a heartbeat. `position` covers entries of other stores too."""

    entries: Sequence[FeedEntry]
    position: Position
    entries_behind: int


class Feed:
    """The feed and those who follow it; `head` is the newest entry's sequence."""

    def __init__(self, catalogue: Catalogue, policies: Policies) -> None:
        self._catalogue = catalogue
        self._policies = policies
        self._lock = threading.Lock()
        self._followers: set[Follower] = set()
        self.stopping = False
        with catalogue.snapshot() as snapshot:
            self.head = snapshot.head()

    def position(self, sequence: int) -> Position:
        """A place in this archive's feed."""
        return Position(self._catalogue.epoch, sequence)

    def head_position(self) -> str:
        """The newest entry's position; "" while the feed is empty."""
        return str(self.position(self.head)) if self.head else ""

    def publish(self, head: int) -> None:
        """Entries up to here are committed: wake who follows."""
        with self._lock:
            if head <= self.head:
                return
            self.head = head
        self._wake()

    def stop(self) -> None:
        """Followers end, with STOPPING."""
        self.stopping = True
        self._wake()

    def follow(
        self, after_position: str, stores: Sequence[str], headers: bool, after_us: int | None = None
    ) -> Follower:
        """Follow changes after a position ("" is the beginning) and a time, of some stores (none named: of all).

        Raises DianaError POSITION_INVALID, EPOCH_CHANGED, STORE_UNKNOWN.
        """
        with self._catalogue.snapshot() as snapshot:
            # Another process of this archive may have committed, and told the caller, a moment ago.
            self.publish(head := snapshot.head())
            earlier = 0 if after_us is None else snapshot.last_until(after_us, head)
        after = max(self._parse(after_position), earlier)
        names = [self._policies.find(store).name for store in stores]
        return Follower(self, self._catalogue, after, names, headers)

    @property
    def pause_seconds(self) -> float:
        """How long a follower gathers news after its last page: all together get so many pages a second, no more.

        One that is alone gathers too: during a bulk load a page for each commit would slow the commits.
        """
        return max(GATHER_SECONDS, len(self._followers) / PAGES_A_SECOND)

    @property
    def page_bytes(self) -> int:
        """How large a follower's page may be: fewer bytes the more there are who may catch up at the same time."""
        return max(_LEAST_PAGE_BYTES, min(_PAGE_BYTES, _ALL_PAGES_BYTES // max(1, len(self._followers))))

    def join(self, follower: Follower) -> None:
        """Wake this one too from now on."""
        with self._lock:
            self._followers.add(follower)

    def leave(self, follower: Follower) -> None:
        """And no more."""
        with self._lock:
            self._followers.discard(follower)

    def _wake(self) -> None:
        with self._lock:
            followers = list(self._followers)
        for follower in followers:
            follower.news.set()

    def _parse(self, text: str) -> int:
        if not text:
            return 0
        position = Position.parse(text)
        if position.epoch != self._catalogue.epoch:
            raise DianaError(Reason.EPOCH_CHANGED, "The position is of another epoch of this archive.")
        if position.sequence > self.head:
            raise DianaError(Reason.POSITION_INVALID, "The position lies past the feed's end.")
        return position.sequence


class Follower:
    """One who follows. `pages` belongs to one thread; any may `cancel`."""

    def __init__(self, feed: Feed, catalogue: Catalogue, after: int, stores: Sequence[str], headers: bool) -> None:
        self.news = threading.Event()
        self._feed = feed
        self._catalogue = catalogue
        self._after = after
        self._stores = stores
        self._headers = headers
        self._cancelled = False
        self._left = threading.Event()
        self._told = 0.0

    def cancel(self) -> None:
        """Nobody wants more pages."""
        self._cancelled = True
        self._left.set()
        self.news.set()

    def pages(self, stop_at_head: bool, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> Iterator[FeedPage]:
        """What has happened; one page without entries; then, unless `stop_at_head`, what happens.

        Raises DianaError STOPPING when the archive stops, also on the way.
        """
        self._feed.join(self)
        try:
            yield from self._catch_up(self._feed.head)
            if self._cancelled:
                return
            yield self._page(())
            due = time.monotonic() + heartbeat_seconds
            while not stop_at_head and self._wait(due - time.monotonic()):
                self._left.wait(max(0.0, self._told + self._feed.pause_seconds - time.monotonic()))
                for page in self._catch_up(self._feed.head):
                    yield page
                    self._told = time.monotonic()
                    due = self._told + heartbeat_seconds
                if time.monotonic() >= due and not self._cancelled:
                    yield self._page(())
                    due = time.monotonic() + heartbeat_seconds
        finally:
            self._feed.leave(self)

    def _catch_up(self, upto: int) -> Iterator[FeedPage]:
        while self._after < upto and not self._cancelled:
            self._check_stopping()
            with self._catalogue.snapshot() as snapshot:
                entries, self._after = snapshot.feed(
                    self._after, upto, self._stores, self._headers, self._feed.page_bytes
                )
            if entries:
                yield self._page(entries)

    def _page(self, entries: Sequence[FeedEntry]) -> FeedPage:
        return FeedPage(entries, self._feed.position(self._after), max(0, self._feed.head - self._after))

    def _wait(self, seconds: float) -> bool:
        """Wait for news, or until a heartbeat is due; False when cancelled."""
        if self._feed.head == self._after and not self._feed.stopping:
            self.news.wait(max(0.0, seconds))
        self.news.clear()
        self._check_stopping()
        return not self._cancelled

    def _check_stopping(self) -> None:
        if self._feed.stopping:
            raise DianaError(Reason.STOPPING, "The archive is stopping.")
