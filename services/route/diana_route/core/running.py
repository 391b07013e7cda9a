"""Jobs that people want: of an item by a rule as it is now, or of all that a rule missed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from diana_common.errors import DianaError, Reason, invalid_field
from diana_route.core.deciding import Decider
from diana_route.core.examining import Examiner
from diana_route.core.feed import Batch, Feed, Told
from diana_route.core.following import GONE, PASSING, unread_text
from diana_route.core.intake import Intake
from diana_route.core.journal import RUN, Journal
from diana_route.core.matching import Seen
from diana_route.core.model import Item, Job, NewJob, State
from diana_route.core.rules import FeedSource, Rule
from diana_route.core.trails import Trails

_MOST_JOBS = 1000
_EVER = 0.0


class Running:
    """Has rules carried out where no source yields an item. Safe to share between threads."""

    def __init__(
        self,
        rules: Sequence[Rule],
        examiner: Examiner,
        decider: Decider,
        intake: Intake,
        journal: Journal,
        feed: Feed,
    ) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._examiner = examiner
        self._decider = decider
        self._intake = intake
        self._journal = journal
        self._feed = feed

    def run(self, name: str, item: Item, request_id: str = "") -> Job:
        """A job of an item by the rule of that name, whatever was made of it before; the same for the same request.

        Raises DianaError: RULE_NOT_FOUND, RULE_NOT_FIRING, JOB_WAITING, and what `Examiner.examine` raises.
        """
        rule = self._rule(name)
        occasion = RUN + (request_id or secrets.token_hex(16))
        if made := self._journal.made(name, item.key, occasion):
            return made
        self._check_free(rule, item)
        examined = self._examiner.examine([rule], item)
        (verdict,) = examined.verdicts
        if not verdict.fires:
            raise _not_firing(name, verdict.reason)
        job = self._decider.job(rule, examined.item, occasion, examined.trail)
        added = self._intake.add([replace(job, replaces=True)])
        made = added[0] if added else self._journal.made(name, item.key, occasion)
        if made is None:
            raise _not_firing(name, "it has too many dead jobs")
        return made

    def retry(self, name: str) -> Job:
        """Have a job go on or, where its rule has other actions now, its item run again: each time by the same job.

        Raises what `Journal.retry` and `run` raise.
        """
        job, digests = self._journal.get(name), {one.name: one.digest for one in self._rules.values()}
        if job.successor:
            return self._journal.get(job.successor)
        if job.state is State.DONE or job.digest == digests.get(job.rule):
            return self._journal.retry(name, digests, time.time())
        return self.run(job.rule, job.item, request_id=name)

    def backfill(self, name: str, since: float) -> Backfill:
        """Jobs of what the feed tells since a time, in seconds since the epoch; see Backfill.

        Raises DianaError: RULE_NOT_FOUND, RULE_NOT_FIRING, STORE_UNKNOWN, PEER_UNAVAILABLE, INVALID_FIELD for a rule
        that follows no store.
        """
        rule = self._rule(name)
        if not isinstance(rule.source, FeedSource):
            raise invalid_field("rule", "follows no store, so that there is no feed to look back on")
        return Backfill(
            rule, rule.source, self._feed, self._examiner, self._decider, self._intake, self._journal, since
        )

    def _rule(self, name: str) -> Rule:
        if name not in self._rules:
            raise DianaError(Reason.RULE_NOT_FOUND, f"There is no rule {name}.")
        if why := self._intake.stopped.get(name):
            raise _not_firing(name, f"it was stopped: {why}")
        return self._rules[name]

    def _check_free(self, rule: Rule, item: Item) -> None:
        for job in self._journal.of_item(item.key, _MOST_JOBS):
            if job.state is State.WAITING and (job.rule, job.digest) == (rule.name, rule.digest):
                raise DianaError(Reason.JOB_WAITING, f"It waits already, as {job.name}.")


class Backfill:
    """One look back that makes jobs of what a rule has none of. One thread iterates; any may cancel it.

    What is gone, or for which the rule does not fire now, is passed over.
    """

    def __init__(
        self,
        rule: Rule,
        source: FeedSource,
        feed: Feed,
        examiner: Examiner,
        decider: Decider,
        intake: Intake,
        journal: Journal,
        since: float,
    ) -> None:
        """`since` is in seconds since the epoch. Raises DianaError STORE_UNKNOWN, PEER_UNAVAILABLE."""
        if source.store not in feed.stores():
            raise DianaError(Reason.STORE_UNKNOWN, f"The archive has no store {source.store}.")
        self._rule = rule
        self._event = source.event
        self._examiner = examiner
        self._decider = decider
        self._intake = intake
        self._journal = journal
        self._trails = Trails(journal)
        self._watch = feed.watch("", [source.store], headers=False, to_head=True, since=since)
        self.entry_count = self.job_count = 0
        """Looked at, and made, so far."""

    def cancel(self) -> None:
        """End it, from any thread."""
        self._watch.cancel()

    def __iter__(self) -> Iterator[Job]:
        """The jobs, once they are made, in the feed's order. Raises DianaError PEER_UNAVAILABLE, DISK_FULL."""
        try:
            for batch in self._watch:
                added = self._intake.add(list(self._jobs(batch)))
                self.job_count += len(added)
                yield from added
        finally:
            self.cancel()

    def _jobs(self, batch: Batch) -> Iterator[NewJob]:
        keys: set[str] = set()
        for told in batch.entries:
            trail = self._trails.learn(told)
            if told.event is not self._event:
                continue
            self.entry_count += 1
            key = told.item.key
            if key not in keys and not self._journal.recent_count(self._rule.name, key, _EVER):
                keys.add(key)
                yield from self._job(told, trail)

    def _job(self, told: Told, trail: Sequence[str]) -> Iterator[NewJob]:
        """The job of an entry, under the occasion that it has for whoever follows the feed: there will be one."""
        try:
            examined = self._examiner.examine([self._rule], told.item, trail)
        except DianaError as error:
            if error.reason in PASSING:
                raise
            if error.reason not in GONE:
                seen = Seen(told.item, tuple, trail)
                yield self._decider.unread(self._rule, seen, told.position, unread_text(error))
            return
        if examined.verdicts[0].fires:
            yield self._decider.job(self._rule, examined.item, told.position, examined.trail)


def _not_firing(rule: str, why: str) -> DianaError:
    return DianaError(Reason.RULE_NOT_FIRING, f"Rule {rule} does not fire: {why}.")
