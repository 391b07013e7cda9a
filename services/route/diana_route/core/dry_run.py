"""What rules would have made of what the archive's feed tells of the last time; nothing is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diana_route.core.archive import Holdings
from diana_route.core.deciding import Decider
from diana_route.core.feed import Feed, Told, Watch
from diana_route.core.following import headers_of
from diana_route.core.matching import Seen
from diana_route.core.model import Item
from diana_route.core.rules import FeedSource, Rule
from diana_route.core.trails import Known, Trails


@dataclass(frozen=True, slots=True)
class DryJob:
    """A job that would have been made."""

    rule: Rule
    item: Item
    time: float
    """When the feed told of the item, in seconds since the epoch."""


class DryRun:
    """One look back. One thread iterates; any may cancel it.

    The feed is read from that time on, without headers: which rules' work led to what was stored before is told by
    `known`. Headers are asked for as they are now: of what has been deleted since there are none, so that no condition
    holds.
    """

    def __init__(self, rules: Sequence[Rule], feed: Feed, holdings: Holdings, known: Known, since: float) -> None:
        """`since` is in seconds since the epoch. Raises DianaError PEER_UNAVAILABLE."""
        followed = [rule for rule in rules if isinstance(rule.source, FeedSource)]
        self._decider = Decider(followed, lambda rule, item: ())
        self._holdings = holdings
        self._trails = Trails(known)
        stores = sorted({rule.source.store for rule in followed if isinstance(rule.source, FeedSource)})
        if stores:
            there = feed.stores()
            stores = [store for store in stores if store in there]
        self._watch: Watch | None = feed.watch("", stores, headers=False, to_head=True, since=since) if stores else None
        self.entry_count = 0
        """Entries looked at so far: of kinds that rules wait for, within the time."""
        self.job_counts: Counter[str] = Counter()
        """Jobs found so far, by rule."""

    def cancel(self) -> None:
        """End it, from any thread."""
        if self._watch is not None:
            self._watch.cancel()

    def __iter__(self) -> Iterator[DryJob]:
        """The jobs, in the feed's order. Raises DianaError PEER_UNAVAILABLE."""
        try:
            for batch in self._watch or ():
                for told in batch.entries:
                    yield from self._jobs(told)
        finally:
            self.cancel()

    def _jobs(self, told: Told) -> Iterator[DryJob]:
        self.entry_count += 1
        trail = self._trails.learn(told)
        for rule in self._decider.firing(Seen(told.item, headers_of(self._holdings, told), trail)):
            if rule.name not in trail:
                self.job_counts[rule.name] += 1
                yield DryJob(rule, told.item, told.time)
