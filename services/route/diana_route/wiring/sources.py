"""All that sources yield: folders watched, the feed followed, queries asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diana_route.adapters.observer import PrometheusObserver
from diana_route.core.deciding import Decider
from diana_route.core.following import Follower
from diana_route.core.intake import Intake
from diana_route.core.journal import Journal
from diana_route.core.querying import Querying, QueryRule
from diana_route.core.rules import Event, FeedSource, QuerySource, Rule
from diana_route.core.watched import WatchedFolders
from diana_route.peers.archive import ArchivePeer
from diana_route.peers.index import IndexPeer


@dataclass(frozen=True)
class Sources:
    """What makes jobs, in threads of its own."""

    rules: Sequence[Rule]
    folders: WatchedFolders
    follower: Follower
    querying: Querying

    def start(self) -> None:
        """Begin."""
        for one in (self.folders, self.follower, self.querying):
            one.start()

    def stop(self) -> None:
        """Make no more jobs."""
        for one in (self.folders, self.follower, self.querying):
            one.stop()

    def troubles(self) -> dict[str, str]:
        """Which rules make no jobs now, and why."""
        troubles = dict(self.folders.troubles())
        for rule in self.rules:
            if isinstance(rule.source, QuerySource):
                troubles[rule.name] = self.querying.trouble(rule.name) or self.follower.missing(rule.source.store)
            elif isinstance(rule.source, FeedSource):
                troubles[rule.name] = self.follower.trouble(rule.source.store)
        return troubles


def make_sources(
    rules: Sequence[Rule],
    folders: WatchedFolders,
    archive: ArchivePeer,
    index: IndexPeer,
    decider: Decider,
    intake: Intake,
    journal: Journal,
    observer: PrometheusObserver,
) -> Sources:
    """The sources of rules, not begun yet."""
    feeds = [rule for rule in rules if isinstance(rule.source, FeedSource | QuerySource)]
    stores = sorted({rule.source.store for rule in feeds if isinstance(rule.source, FeedSource | QuerySource)})
    headers = any(rule.when and _is_of_instances(rule) for rule in feeds)
    follower = Follower(archive, archive, decider, intake, journal, observer, stores, headers)
    queries = [QueryRule(rule.name, rule.source) for rule in rules if isinstance(rule.source, QuerySource)]
    querying = Querying(queries, index, archive, archive, decider, intake, journal, observer)
    return Sources(rules, folders, follower, querying)


def _is_of_instances(rule: Rule) -> bool:
    return isinstance(rule.source, FeedSource) and rule.source.event is Event.INSTANCE_STORED
