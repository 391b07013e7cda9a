"""From what the archive tells to messages, exactly once for each entry."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.following import Watch
from diana_notify.core.following import FeedBatch, Follower
from diana_notify.core.model import State
from diana_notify.core.rules import Rule, Rules, StudyCompleted
from tests.support.awaiting import awaited
from tests.unit.notify.notify_bench import NotifyBench

ARRIVED = Rule("arrivals", frozenset({"deid"}), "$trial-$site", "arrived")
ATTRIBUTES = {"trial": "mammo", "site": "hospital_a", "odd-key": "x"}


def completed(number: int = 1, store: str = "deid", **attributes: str) -> StudyCompleted:
    return StudyCompleted(store, f"1.2.{number}", "quiet_period", 3, {**ATTRIBUTES, **attributes})


class FakeArchive:
    """A feed in memory: each entry's position is its number; `epoch` makes old ones void."""

    def __init__(self) -> None:
        self.entries: list[StudyCompleted] = []
        self.epoch = "a"
        self.asked: list[tuple[str, Sequence[str]]] = []
        self.down = False
        self._watches: list[FakeWatch] = []

    def head(self) -> str:
        if self.down:
            raise DianaError(Reason.PEER_UNAVAILABLE, "Down.")
        return self._position()

    def watch(self, after: str, stores: Sequence[str]) -> Watch[FeedBatch]:
        self.asked.append((after, stores))
        epoch, _, number = after.partition(":")
        watch = FakeWatch(epoch == self.epoch)
        watch.told.put(FeedBatch(self.entries[int(number or 0) :], self._position()))
        self._watches.append(watch)
        return watch

    def tell(self, *events: StudyCompleted) -> None:
        self.entries += events
        for watch in self._watches:
            watch.told.put(FeedBatch(events, self._position()))

    def break_off(self) -> None:
        for watch in self._watches:
            watch.told.put(DianaError(Reason.PEER_UNAVAILABLE, "Gone."))

    def _position(self) -> str:
        return f"{self.epoch}:{len(self.entries)}"


class FakeWatch:
    def __init__(self, known: bool) -> None:
        self.told: queue.Queue[FeedBatch | DianaError | None] = queue.Queue()
        self._known = known

    def __iter__(self) -> Iterator[FeedBatch]:
        if not self._known:
            raise DianaError(Reason.EPOCH_CHANGED, "Another epoch.")
        while (one := self.told.get()) is not None:
            if isinstance(one, DianaError):
                raise one
            yield one

    def cancel(self) -> None:
        self.told.put(None)


class FollowBench(NotifyBench):
    """A follower with rules beside the rest."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.archive = FakeArchive()
        self.queued = threading.Semaphore(0)

    def rules(self, *rules: Rule) -> Rules:
        return Rules(rules, self.directory, self.composer, self.observer)

    def follower(self, *rules: Rule) -> Follower:
        return Follower(self.archive, self.rules(*rules), self.ledger, self.queued.release, self.observer.lost)

    def start(self, *rules: Rule) -> Follower:
        """A follower that has begun to watch."""
        watches = len(self.archive.asked)
        follower = self.follower(*(rules or (ARRIVED,)))
        follower.start()
        assert awaited(lambda: len(self.archive.asked) > watches)
        return follower


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[FollowBench]:
    one = FollowBench(tmp_path)
    yield one
    one.ledger.close()


def test_a_completed_study_is_told_to_its_channels_subscribers_only(bench: FollowBench) -> None:
    rules = bench.rules(ARRIVED)
    messages = rules.messages(completed())
    assert [one.recipient.address for one in messages] == ["ada@hospital.example", "bob@hospital.example"]
    assert {(one.channel, one.rule, one.subject) for one in messages} == {
        ("mammo-hospital_a", "arrivals", "Mammography at A: 1.2.1")
    }
    assert [one.body for one in messages] == ["Dear Ada,\nit is here.", "Dear Bob,\nit is here."]
    assert len(rules.messages(completed(site="hospital_b"))) == 1
    assert not rules.messages(completed(store="default"))
    assert rules.stores == ["deid"]


def test_what_the_event_says_wins_over_attributes_of_the_same_name(bench: FollowBench) -> None:
    (one, _) = bench.rules(ARRIVED).messages(completed(study_uid="9.9"))
    assert one.subject == "Mammography at A: 1.2.1"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (StudyCompleted("deid", "1.2.1", "declared", 1, {"trial": "mammo"}), Reason.CHANNEL_UNKNOWN),
        (completed(site="elsewhere"), Reason.CHANNEL_UNKNOWN),
    ],
)
def test_a_study_that_leads_to_no_channel_is_told_to_the_observer(
    bench: FollowBench, event: StudyCompleted, reason: Reason
) -> None:
    assert not bench.rules(ARRIVED).messages(event)
    assert bench.observer.unmatched_reasons == [("arrivals", "1.2.1", reason)]


def test_a_template_that_fails_for_a_study_is_told_to_the_observer(bench: FollowBench) -> None:
    rule = Rule("odd", frozenset({"deid"}), "mammo-hospital_a", "personal")
    messages = bench.rules(rule, ARRIVED).messages(completed())
    assert [one.rule for one in messages] == ["arrivals", "arrivals"]
    assert bench.observer.unmatched_reasons == [("odd", "1.2.1", Reason.TEMPLATE_INVALID)]


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        (Rule("r", frozenset({"deid"}), "$trial-$", "arrived"), "rules[0].channel"),
        (Rule("r", frozenset({"deid"}), "", "arrived"), "rules[0].channel"),
        (Rule("r", frozenset({"deid"}), "nowhere", "arrived"), "rules[0].channel"),
        (Rule("r", frozenset({"deid"}), "$trial", "arived"), "rules[0].template"),
        (Rule("r", frozenset(), "$trial", "arrived"), "rules[0].stores"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_with_its_place(bench: FollowBench, rule: Rule, place: str) -> None:
    with pytest.raises(DianaError) as caught:
        bench.rules(rule)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.fields[0].field == place


def test_two_rules_of_one_name_are_refused(bench: FollowBench) -> None:
    with pytest.raises(DianaError) as caught:
        bench.rules(ARRIVED, ARRIVED)
    assert caught.value.fields[0].field == "rules[1].name"


def test_following_begins_at_the_head_and_goes_on_where_it_was(bench: FollowBench) -> None:
    bench.archive.tell(completed(1))
    follower = bench.start()
    bench.archive.tell(completed(2), completed(2))  # complete once more after late instances: told again
    bench.wait_for(State.QUEUED, 4)
    follower.stop()
    bench.archive.tell(completed(3))
    follower = bench.start()
    bench.wait_for(State.QUEUED, 6)
    follower.stop()
    assert len(bench.all()) == 6
    assert [after for after, _ in bench.archive.asked] == ["a:1", "a:3"]
    assert bench.ledger.position() == "a:4"
    assert bench.queued.acquire(blocking=False)


def test_a_broken_connection_costs_nothing(bench: FollowBench) -> None:
    follower = bench.start()
    bench.archive.tell(completed(1))
    bench.archive.break_off()
    assert awaited(lambda: len(bench.archive.asked) > 1)
    bench.archive.tell(completed(2))
    bench.wait_for(State.QUEUED, 4)
    follower.stop()
    assert len(bench.all()) == 4
    assert bench.observer.losses == [Reason.PEER_UNAVAILABLE]


def test_after_a_restored_archive_it_begins_at_the_new_head(bench: FollowBench) -> None:
    bench.start().stop()
    bench.archive.tell(completed(1))
    bench.archive.epoch = "b"
    follower = bench.start()
    assert awaited(lambda: bench.ledger.position() == "b:1")
    follower.stop()
    assert not bench.all()
    assert bench.observer.losses == [Reason.EPOCH_CHANGED]


def test_without_rules_nothing_is_followed_and_the_next_rule_begins_at_the_head(bench: FollowBench) -> None:
    bench.start().stop()
    idle = bench.follower()
    idle.start()
    idle.check_ready()
    idle.stop()
    assert bench.ledger.position() is None
    bench.archive.tell(completed(1))
    follower = bench.start()
    follower.stop()
    assert not bench.all()


def test_it_is_not_ready_before_it_knows_where_to_begin(bench: FollowBench) -> None:
    bench.archive.down = True
    follower = bench.follower(ARRIVED)
    with pytest.raises(DianaError) as caught:
        follower.check_ready()
    assert caught.value.reason is Reason.PEER_UNAVAILABLE
    follower.start()
    assert awaited(lambda: bool(bench.observer.losses))
    bench.archive.down = False
    assert awaited(lambda: bench.ledger.position() is not None)
    follower.check_ready()
    follower.stop()


def test_a_study_that_nobody_can_be_told_of_is_passed_over(bench: FollowBench) -> None:
    follower = bench.start()
    bench.archive.tell(completed(1, site="elsewhere"), completed(2))
    bench.wait_for(State.QUEUED, 2)
    follower.stop()
    assert bench.observer.unmatched_reasons == [("arrivals", "1.2.1", Reason.CHANNEL_UNKNOWN)]
    assert bench.ledger.position() == "a:2"
