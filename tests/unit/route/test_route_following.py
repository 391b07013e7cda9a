"""From what the archive tells to jobs: each entry once, nothing missed, and no rule on its own work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_route.core import following, intake
from diana_route.core.following import FEED
from diana_route.core.intake import LOOP_COUNT
from diana_route.core.journal import Learnt
from diana_route.core.model import InstanceItem, State
from diana_route.core.trails import Trails, way_of, way_text
from tests.support.awaiting import awaited
from tests.unit.route.route_bench import DIGEST, RouteBench, completed, file, new_job, stored, study


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[RouteBench]:
    one = RouteBench(tmp_path, "rule")
    yield one
    one.close()


def follow(bench: RouteBench) -> None:
    """Follow until the archive's whole feed is known."""
    bench.follower.start()
    assert awaited(lambda: bench.journal.cursor(FEED) == bench.archive.head())


def tell(bench: RouteBench, *entries: object) -> None:
    bench.archive.tell(*entries)  # type: ignore[arg-type]
    assert awaited(lambda: bench.journal.cursor(FEED) == bench.archive.head())


def test_what_happened_before_the_first_time_is_nobodys_news(bench: RouteBench) -> None:
    bench.archive.tell(completed(1))
    follow(bench)
    tell(bench, completed(2), stored(3))
    assert [one[:2] for one in bench.made()] == [("rule", "1.2.2"), ("rule", "1.2.3.9")]
    assert bench.wakes.acquire(timeout=60)
    assert dict(bench.journal.page(None, 9, None, "")[1].item.attributes) == {"trial": "mammo"}  # type: ignore[union-attr]


def test_nothing_is_missed_and_nothing_comes_twice_while_either_side_is_away(bench: RouteBench) -> None:
    follow(bench)
    tell(bench, completed(1))
    bench.archive.break_off()
    bench.archive.tell(completed(2))
    assert awaited(lambda: len(bench.made()) == 2)
    bench.close()
    bench.archive.tell(completed(3))
    bench._begin()
    follow(bench)
    assert [uid for _, uid, _ in bench.made()] == ["1.2.1", "1.2.2", "1.2.3"]


def test_it_is_not_ready_before_it_knows_where_to_begin_and_says_what_is_wrong(bench: RouteBench) -> None:
    bench.archive.down = True
    bench.follower.start()
    assert awaited(lambda: bench.follower.trouble("inbox") == "The archive does not answer.")
    with pytest.raises(DianaError):
        bench.follower.check_ready()
    bench.archive.down = False
    assert awaited(lambda: not bench.follower.trouble("inbox"))
    bench.follower.check_ready()


def test_a_restored_archive_is_followed_from_its_head_and_the_gap_is_told(bench: RouteBench) -> None:
    follow(bench)
    tell(bench, completed(1))
    bench.archive.epoch = "b"
    bench.archive.entries.append(completed(2))
    bench.archive.break_off()
    assert awaited(lambda: bench.observer.gaps == 1)
    assert awaited(lambda: bench.journal.cursor(FEED) == bench.archive.head())
    tell(bench, completed(3))
    assert [uid for _, uid, _ in bench.made()] == ["1.2.1", "1.2.3"]
    assert "restored" in bench.follower.trouble("inbox")
    assert Reason.EPOCH_CHANGED in bench.observer.losses
    bench.restart()
    assert "restored" in bench.follower.trouble("inbox")
    bench.configuration = "other rules"
    bench.restart()
    assert bench.follower.trouble("inbox") == ""


def test_a_store_that_the_archive_does_not_have_is_in_the_way_of_no_other(bench: RouteBench) -> None:
    bench.archive.stores_there = ["inbox"]
    follow(bench)
    tell(bench, completed(1))
    assert awaited(lambda: len(bench.made()) == 1)
    assert bench.follower.trouble("inbox") == ""
    assert "no store trial" in bench.follower.trouble("trial")
    bench.archive.stores_there = ["inbox", "trial"]
    bench.archive.break_off()
    assert awaited(lambda: not bench.follower.trouble("trial"))
    tell(bench, completed(2, "trial"))
    assert [uid for _, uid, _ in bench.made()] == ["1.2.1", "1.2.2"]


def test_of_no_store_that_the_archive_has_nothing_is_followed(bench: RouteBench) -> None:
    bench.archive.stores_there = []
    bench.follower.start()
    assert awaited(lambda: Reason.STORE_UNKNOWN in bench.observer.losses)
    assert not bench.archive._watches


def test_an_item_whose_header_cannot_be_had_is_told_and_the_others_go_on(bench: RouteBench) -> None:
    bench.deciding.asks = True
    bench.archive.headers = {
        "1.2.1": DianaError(Reason.STORE_DAMAGED, "Broken."),
        "1.2.2": DianaError(Reason.STUDY_NOT_FOUND, "Gone."),
        "1.2.3": {"00080060": {"vr": "CS", "Value": ["CT"]}},
    }
    follow(bench)
    tell(bench, completed(1), completed(2), completed(3))
    assert bench.observer.items == [study(1, trial="mammo")]
    assert [uid for _, uid, _ in bench.made()] == ["1.2.1", "1.2.2", "1.2.3"]
    assert bench.undone == ["its header cannot be read (STORE_DAMAGED)"]
    assert bench.deciding.headers == [bench.archive.headers["1.2.3"]]


@pytest.mark.parametrize("reason", [Reason.PEER_UNAVAILABLE, Reason.CONFIG_INVALID, Reason.INTERNAL])
def test_an_item_waits_for_an_archive_that_does_not_answer_as_it_should(bench: RouteBench, reason: Reason) -> None:
    bench.deciding.asks = True
    bench.archive.headers["1.2.1"] = DianaError(reason, "Away.")
    follow(bench)
    bench.archive.tell(completed(1))
    assert awaited(lambda: reason in bench.observer.losses)
    assert not bench.made()
    bench.archive.headers["1.2.1"] = {}
    assert awaited(lambda: len(bench.made()) == 1)


def test_a_header_that_fails_for_ever_holds_up_nothing_for_ever(
    bench: RouteBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MOST_ATTEMPTS", 1)
    bench.deciding.asks = True
    bench.archive.headers = {"1.2.1": DianaError(Reason.INTERNAL, "Broken.")}
    follow(bench)
    tell(bench, completed(1), completed(2))
    assert [uid for _, uid, _ in bench.made()] == ["1.2.1", "1.2.2"]
    assert bench.undone == ["its header cannot be read (INTERNAL)"]


def test_without_rules_on_the_feed_the_next_one_begins_at_the_head(bench: RouteBench) -> None:
    bench.journal.add([], 1.0, Learnt((FEED, "a:0")))
    bench.follower._stores = ()
    bench.follower.start()
    bench.follower.check_ready()
    assert bench.journal.cursor(FEED) is None


def test_a_rule_ignores_what_it_made_itself_and_others_do_not(bench: RouteBench) -> None:
    bench.deciding.rules = ("put", "send")
    (job,) = bench.journal.add([new_job(file(), "put")], 1.0)
    follow(bench)
    tell(bench, stored(1, rule="put", operation=job.name), completed(1))
    assert bench.made()[1:] == [("send", "1.2.1.9", ("put",)), ("send", "1.2.1", ("put",))]
    assert bench.observer.stops == []


def test_what_an_operation_of_another_service_made_is_its_jobs_work(bench: RouteBench) -> None:
    bench.deciding.rules = ("pseudonymise", "mail")
    (job,) = bench.journal.add([new_job(study(1), "pseudonymise", trail=["put"])], 1.0)
    bench.journal.credit(job.number, "operations/7")
    follow(bench)
    tell(bench, stored(8, "trial", operation="operations/7"), completed(8, "trial"))
    assert bench.made()[-1] == ("mail", "1.2.8", ("put", "pseudonymise"))
    assert len(bench.made()) == 3


def test_a_rule_whose_work_came_back_from_another_archives_rules_is_stopped(bench: RouteBench) -> None:
    follow(bench)
    elsewhere = replace(stored(1, rule="back", operation="jobs/elsewhere"), way=("rule",))
    tell(bench, elsewhere)
    assert bench.made() == []
    assert bench.observer.stops == [("rule", "its own work came back to it, by way of other rules: rule > back > rule")]


def test_a_way_is_told_as_a_text_whose_latest_rules_fit() -> None:
    assert way_of(way_text(("put", "send"))) == ("put", "send")
    assert way_of(way_text(())) == ()
    assert way_of(way_text(("a" * 200, "b" * 100, "c"))) == ("b" * 100, "c")


def test_the_rule_is_known_though_its_job_is_forgotten(bench: RouteBench) -> None:
    follow(bench)
    tell(bench, stored(1, rule="rule", operation="jobs/forgotten"))
    assert bench.made() == []


def test_a_study_is_ignored_until_something_comes_in_from_elsewhere(bench: RouteBench) -> None:
    follow(bench)
    tell(bench, stored(1, rule="rule"), completed(1), stored(1, rule="rule"), completed(1))
    assert bench.made() == []
    tell(bench, stored(1), completed(1), stored(1, rule="rule"), completed(1))
    assert [uid for _, uid, _ in bench.made()] == ["1.2.1.9", "1.2.1"]


def test_only_studies_that_rules_made_are_remembered_once_they_are_complete(bench: RouteBench) -> None:
    follow(bench)
    tell(bench, stored(1), stored(2, rule="rule"), stored(2, rule="rule"), stored(2))
    known = [bench.journal.study_trail("inbox", f"1.2.{number}") for number in (1, 2)]
    assert known == [(), ()]
    tell(bench, completed(1), stored(3, rule="rule"), completed(3))
    known = [bench.journal.study_trail("inbox", f"1.2.{number}") for number in (1, 2, 3)]
    assert known == [None, (), ("rule",)]


def test_a_piece_of_the_feed_changes_nothing_where_all_is_known(bench: RouteBench) -> None:
    bench.journal.add([], 1.0, Learnt(trails={("inbox", "1.2.1"): ("rule",)}))
    trails = Trails(bench.journal)
    assert trails.learn(stored(1, rule="rule")) == ("rule",)
    assert trails.changes == {}


def test_a_loop_of_two_rules_is_stopped_once_until_the_configuration_changes(bench: RouteBench) -> None:
    bench.deciding.rules = ("ping",)
    first, second = new_job(study(1), "ping"), new_job(study(2), "pong", trail=["ping"])
    _, pong = bench.journal.add([first, second], 1.0)
    follow(bench)
    tell(bench, stored(3, rule="pong", operation=pong.name), stored(4))
    ((rule, why),) = bench.observer.stops
    assert rule == "ping"
    assert "ping > pong > ping" in why
    assert bench.intake.stopped == {"ping": why}
    assert [uid for _, uid, _ in bench.made()] == ["1.2.1", "1.2.2", "1.2.4.9"]
    bench.restart()
    assert bench.intake.stopped == {"ping": why}
    (undone,) = bench.intake.add([new_job(study(5), "ping")])
    assert (undone.state, undone.steps[0].last_error) == (State.DEAD, f"its rule was stopped: {why}")
    assert bench.journal.get(undone.name) == undone
    assert bench.journal.retry(undone.name, {"ping": DIGEST}, 2.0).state is State.WAITING
    bench.configuration = "other rules"
    bench.restart()
    assert bench.intake.stopped == {}
    assert len(bench.intake.add([new_job(study(9), "ping")])) == 1


def test_a_rule_that_makes_one_job_after_another_of_an_item_leaves_that_item_undone(bench: RouteBench) -> None:
    for number in range(LOOP_COUNT - 1):
        assert bench.intake.add([new_job(study(), occasion=f"p{number}")])
    more = [new_job(occasion="q10"), new_job(occasion="q11"), new_job(rule="other", occasion="q12")]
    states = [(job.rule, job.state) for job in bench.intake.add(more)]
    assert states == [("rule", State.WAITING), ("rule", State.DEAD), ("other", State.WAITING)]
    (dead,) = bench.journal.page(None, 9, State.DEAD, "")
    assert "100 jobs of this item" in dead.steps[0].last_error
    assert bench.undone == [dead.steps[0].last_error]
    assert bench.intake.stopped == {}
    assert bench.intake.add([new_job(study(2))])[0].state is State.WAITING


def test_a_stopped_rule_gets_dead_jobs_up_to_a_number(bench: RouteBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_DEAD", 3)
    bench.intake._stop("rule", "a loop")
    assert len(bench.intake.add([new_job(study(number)) for number in range(2)])) == 2
    assert bench.intake.troubles == {}
    assert len(bench.intake.add([new_job(study(number)) for number in range(2, 9)])) == 1
    assert bench.intake.troubles == {"rule": "it has 3 dead jobs: further items make none"}


def test_one_file_after_another_may_have_the_same_name_all_day_long(bench: RouteBench) -> None:
    jobs = [new_job(file(), occasion=f"s{number}") for number in range(LOOP_COUNT + 1)]
    assert len(bench.intake.add(jobs)) == len(jobs)
    assert bench.intake.stopped == {}


def test_an_instance_whose_header_did_not_come_with_the_feed_is_asked_for(bench: RouteBench) -> None:
    bench.deciding.asks = True
    follow(bench)
    entry = stored(1)
    tell(bench, type(entry)(entry.event, entry.item, "", 0.0))
    assert isinstance(bench.journal.page(None, 1, None, "")[0].item, InstanceItem)
    assert bench.deciding.headers == []  # it has been deleted since


def test_a_stop_in_the_middle_of_a_batch_leaves_it_to_the_next_time(bench: RouteBench) -> None:
    follow(bench)
    bench.follower._stopping.set()
    bench.archive.tell(completed(1))
    assert awaited(lambda: Reason.STOPPING in bench.observer.losses)
    bench.restart()
    follow(bench)
    assert [uid for _, uid, _ in bench.made()] == ["1.2.1"]
