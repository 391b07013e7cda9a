"""One run of a collection: its pace and hours, what is waited for, tried again and given up, what a stop leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from diana_common.attempts import Failed, Postponed, Refused, Unreachable
from diana_common.errors import DianaError, Reason
from diana_common.hours import Hours
from diana_route.core.actions import UnderWay
from diana_route.core.collecting import ItemState, SourceRefused, Tempo
from diana_route.core.collecting_run import HOURS
from diana_route.stores.collections import SqliteCollections
from tests.unit.route.collecting_bench import DONE, EVENING, ORDER, Bench, FakeSteps, FakeWork, Stopped, Turning


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    turning = Turning()
    kept = SqliteCollections(tmp_path / "collections.sqlite")
    yield Bench(kept, turning, FakeSteps(turning))
    kept.close()


def test_each_study_is_brought_to_its_end_before_the_next_is_begun(bench: Bench) -> None:
    bench.create("A", "B")
    work = bench.run()
    steps = ["find", "retrieve", "deidentify", "deliver", "clear"]
    assert [(name, label) for name, label, _ in bench.steps.did] == [(n, a) for a in "AB" for n in steps]
    assert bench.states() == DONE * 2
    assert work.shown[-1] == (2, 2)


def test_a_study_that_stays_as_it_is_passes_no_staging_store(bench: Bench) -> None:
    bench.create("A")
    bench.run(order=replace(ORDER, profile=None, result_store=""))
    assert bench.steps.names() == ["find", "retrieve", "deliver"]


def test_an_unknown_number_is_given_up_and_named_by_its_place_alone(bench: Bench) -> None:
    bench.create("-SECRET", "B")
    work = bench.run()
    ((name, error),) = work.failures
    assert (name, error.reason, "SECRET" in error.message) == ("item 1", Reason.STUDY_NOT_FOUND, False)
    assert bench.states() == [ItemState.FAILED, ItemState.DELIVERED]


def test_further_studies_of_a_number_follow_once_also_after_a_stop(bench: Bench) -> None:
    bench.create("A", "B")
    bench.steps.has["A"] = ["1.2.7", "1.2.8", "1.2.9"]
    stopping = FakeWork(stop_when=lambda: "retrieve" in bench.steps.names())
    with pytest.raises(Stopped):
        bench.run(stopping)
    bench.run()
    found = [(item.number, item.accession_number, item.study_uid) for item in bench.items()]
    assert found == [(1, "A", "1.2.7"), (2, "B", "1.2.1"), (3, "A", "1.2.8"), (4, "A", "1.2.9")]
    assert bench.steps.names("A").count("find") == 1


@pytest.mark.parametrize("step", ["find", "retrieve", "deidentify", "deliver", "clear"])
def test_a_stop_at_any_step_repeats_that_step_alone(bench: Bench, step: str) -> None:
    bench.create("A")
    bench.steps.wrong[step] = [Stopped()]
    with pytest.raises(Stopped):
        bench.run()
    bench.run()
    assert {name: bench.steps.names().count(name) for name in bench.steps.names()} == {
        name: 2 if name == step else 1 for name in ("find", "retrieve", "deidentify", "deliver", "clear")
    }
    assert (bench.states(), bench.steps.staged["1.2.0"]) == (DONE, set())


def test_what_the_staging_store_had_before_stays_also_where_retrieving_was_cut(bench: Bench) -> None:
    bench.create("A")
    bench.steps.staged["1.2.0"] = {"1.2.0.1"}
    bench.steps.wrong["retrieve"] = [Stopped()]
    with pytest.raises(Stopped):
        bench.run()
    bench.run()
    assert bench.steps.staged["1.2.0"] == {"1.2.0.1"}


def test_what_cannot_be_reached_holds_all_up_and_counts_for_no_try(bench: Bench) -> None:
    bench.create("A", "B")
    bench.steps.wrong["find"] = [Unreachable("peer pacs does not answer")] * 7
    bench.run(attempts=2)
    assert bench.steps.names("A").count("find") == 8
    assert bench.steps.did[7][:2] == ("find", "A")
    assert bench.waited.count("peer pacs does not answer") == 7
    assert bench.waited[-1] == ""
    assert bench.states() == DONE * 2


def test_what_is_put_off_lets_others_go_on_and_is_given_up_in_the_end(bench: Bench) -> None:
    bench.create("A", "B")
    bench.steps.wrong["deidentify A"] = [Postponed("not now"), Postponed("not now"), Postponed("never")]
    work = bench.run(attempts=3)
    assert [(name, error.reason) for name, error in work.failures] == [("item 1", Reason.NOT_DEIDENTIFIABLE)]
    assert bench.states() == [ItemState.FAILED, ItemState.DELIVERED]
    assert bench.steps.did.index(("deliver", "B", EVENING)) < len(bench.steps.did) - 2
    assert not any(bench.steps.staged.values())  # of what failed, too


def test_what_is_refused_bears_its_cause_and_what_was_staged_is_cleared(bench: Bench) -> None:
    refusal = Refused("anon refused it")
    refusal.__cause__ = DianaError(Reason.PROFILE_UNKNOWN, "no")
    bench.create("A")
    bench.steps.wrong["deidentify"] = [refusal]
    bench.run()
    (item,) = bench.items()
    assert (item.state, item.reason, item.message) == (ItemState.FAILED, "PROFILE_UNKNOWN", "anon refused it")
    assert not bench.steps.staged["1.2.0"]


def test_what_is_delivered_stays_so_where_clearing_is_refused(bench: Bench) -> None:
    bench.create("A")
    bench.steps.wrong["clear"] = [Refused("older versions")]
    assert not bench.run().failures
    (item,) = bench.items()
    assert (item.state, item.message) == (ItemState.DELIVERED, "what was staged was left: older versions")


def test_what_others_put_into_the_staging_store_is_left_and_told(bench: Bench) -> None:
    bench.create("A")
    bench.steps.staged["1.2.0"] = {"1.2.0.8"}
    bench.steps.others = {"1.2.0.9"}
    bench.steps.wrong["deidentify"] = [Stopped()]
    with pytest.raises(Stopped):
        bench.run()
    bench.steps.staged["1.2.0"] |= bench.steps.others
    bench.run()
    assert bench.steps.staged["1.2.0"] == {"1.2.0.8", "1.2.0.9"}
    assert bench.items()[0].message == "1 instances that others stored were left in the staging store"


def test_clearing_is_tried_until_it_is_done(bench: Bench) -> None:
    bench.create("A")
    bench.steps.wrong["clear"] = [Postponed("not now")] * 9
    bench.run(attempts=2)
    assert (bench.states(), bench.steps.staged["1.2.0"]) == (DONE, set())


def test_a_source_that_refuses_one_study_after_the_other_is_waited_for(bench: Bench) -> None:
    numbers = [f"A{number}" for number in range(9)]
    bench.create(*numbers)
    bench.steps.wrong["retrieve"] = [SourceRefused("refused (PEER_REFUSED)")] * 60
    work = bench.run(attempts=3)
    assert (bench.states(), work.failures) == (DONE * 9, [])
    assert "refused (PEER_REFUSED)" in bench.waited


def test_a_study_that_alone_is_refused_is_given_up_after_its_tries(bench: Bench) -> None:
    bench.create("A", "B")
    bench.steps.wrong["retrieve A"] = [SourceRefused("refused (PEER_REFUSED)")] * 3
    assert [name for name, _ in bench.run(attempts=3).failures] == ["item 1"]
    assert bench.states() == [ItemState.FAILED, ItemState.DELIVERED]


def test_what_failed_and_was_delivered_when_tried_again_meanwhile_is_no_failure(bench: Bench) -> None:
    bench.create("A", "B")
    bench.steps.wrong |= {"find A": [Refused("no")], "deliver B": [Stopped()]}
    work = FakeWork()
    with pytest.raises(Stopped):
        bench.run(work)
    assert bench.kept.revive("key")
    bench.run(work)
    assert (bench.states(), work.failures) == (DONE * 2, [])


def test_what_goes_on_elsewhere_is_asked_for_again_without_a_try(bench: Bench) -> None:
    bench.create("A")
    bench.steps.wrong["retrieve"] = [UnderWay(f"{number} of 9") for number in range(9)]
    bench.run(attempts=1)
    assert (bench.states(), bench.items()[0].attempt_count) == (DONE, 0)


def test_studies_begin_no_faster_than_the_rate(bench: Bench) -> None:
    bench.create("A", "B", "-C", "D")
    bench.run(order=replace(ORDER, tempo=Tempo(studies_per_minute=6)))
    assert bench.steps.times("retrieve") == pytest.approx([0, 10, 30], abs=0.5)


def test_instances_come_no_faster_than_the_rate_on_average(bench: Bench) -> None:
    bench.create("A", "B", "C")
    bench.run(order=replace(ORDER, tempo=Tempo(instances_per_second=0.5)))
    assert bench.steps.times("retrieve") == pytest.approx([0, 4, 8], abs=0.5)


@pytest.mark.parametrize(
    ("zone", "hours_away"), [(ZoneInfo("UTC"), 1), (ZoneInfo("Asia/Tokyo"), 0), (ZoneInfo("America/New_York"), 6)]
)
def test_the_source_is_left_alone_out_of_hours_where_the_zone_is(bench: Bench, zone: tzinfo, hours_away: int) -> None:
    bench.create("A")
    bench.run(order=replace(ORDER, tempo=Tempo(hours=(Hours.read("19:00-06:30"),), zone=zone)))
    assert bench.steps.times("find")[0] == pytest.approx(hours_away * 3600, abs=10)
    assert (HOURS in bench.waited) == bool(hours_away)


def test_what_was_retrieved_in_time_is_delivered_out_of_hours(bench: Bench) -> None:
    bench.create("A")
    tempo = Tempo(hours=(Hours.read("17:00-18:01"),), zone=UTC)
    bench.steps.wrong["deidentify"] = [Postponed("not now")] * 5
    bench.run(order=replace(ORDER, tempo=tempo), attempts=9)
    assert bench.states() == DONE
    assert bench.steps.times("deliver")[0] > 60


def test_a_study_that_was_begun_in_time_is_retrieved_out_of_hours(bench: Bench) -> None:
    bench.create("A")
    tempo = Tempo(hours=(Hours.read("17:00-18:01"),), zone=UTC)
    bench.steps.wrong["retrieve"] = [Postponed("not now")] * 5
    bench.run(order=replace(ORDER, tempo=tempo), attempts=9)
    assert bench.states() == DONE
    assert 60 < bench.steps.times("retrieve")[-1] < 3600


def test_two_collections_stage_one_study_one_after_the_other(bench: Bench) -> None:
    bench.create(uids=["1.2.0"])
    bench.create(uids=["1.2.0"], key="other")
    bench.steps.wrong["deidentify"] = [Stopped()]
    with pytest.raises(Stopped):
        bench.run()
    with pytest.raises(Stopped):
        bench.run(FakeWork(stop_when=lambda: bench.turning.time > EVENING + 3600), key="other", attempts=2)
    assert bench.waited[-1] == "another collection has the study in the staging store now"
    assert (bench.steps.names().count("retrieve"), bench.items("other")[0].attempt_count) == (1, 0)
    bench.run()
    bench.run(key="other")
    assert (bench.states(), bench.states("other")) == (DONE, DONE)


def test_what_failed_is_done_again_from_where_it_was_found(bench: Bench) -> None:
    bench.create("A", "B")
    bench.steps.wrong["deliver"] = [Refused("full")]
    bench.run()
    assert bench.states() == [ItemState.FAILED, ItemState.DELIVERED]
    assert bench.kept.revive("key") is False
    bench.steps.did.clear()
    bench.run()
    assert bench.steps.names("A") == ["retrieve", "deidentify", "deliver", "clear"]
    assert (bench.steps.names("B"), bench.items()[0].round) == ([], 1)


def test_an_error_of_the_cause_that_is_no_reason_of_ours_is_not_told(bench: Bench) -> None:
    bench.create("A")
    refusal: Failed = Refused("no")
    refusal.__cause__ = OSError("/secret/path")
    bench.steps.wrong["find"] = [refusal]
    bench.run()
    assert bench.items()[0].reason == "STUDY_NOT_FOUND"


@pytest.mark.parametrize("step", ["retrieve", "deidentify", "deliver"])
def test_a_collection_that_is_cancelled_leaves_nothing_staged_and_retrieves_anew_when_retried(
    bench: Bench, step: str
) -> None:
    bench.create("A", "B")
    bench.steps.wrong[step] = [Stopped()]
    run = bench.made(FakeWork())
    with pytest.raises(Stopped):
        run.to_the_end()
    bench.abandon()
    assert bench.steps.names("A")[-2:] == ["stop", "clear"]
    assert not any(bench.steps.staged.values())
    assert (bench.states(), bench.kept.begun("key")) == ([ItemState.FOUND, ItemState.WAITING], [])
    assert bench.kept.revive("key")
    bench.run()
    assert (bench.states(), bench.steps.names("A").count("find")) == (DONE * 2, 1)


def test_what_was_delivered_when_it_was_cancelled_is_not_delivered_again(bench: Bench) -> None:
    bench.create("A")
    bench.steps.wrong["clear"] = [Stopped()]
    run = bench.made(FakeWork())
    with pytest.raises(Stopped):
        run.to_the_end()
    bench.abandon()
    bench.run()
    assert (bench.states(), bench.steps.names().count("deliver")) == (DONE, 1)


def test_what_cannot_be_cleared_when_it_is_cancelled_stays_claimed_and_is_cleared_later(bench: Bench) -> None:
    bench.create("A")
    bench.kept.bind("key", "operations/1")
    bench.steps.wrong |= {"deidentify": [Stopped()], "clear": [Unreachable("the archive does not answer")] * 2}
    with pytest.raises(Stopped):
        bench.run()
    bench.abandon()
    bench.keeper().clear()
    assert (bench.kept.unfinished(), len(bench.steps.staged["1.2.0"])) == (["key"], 2)
    bench.keeper(active=["operations/1"]).clear()
    bench.keeper(busy=["key"]).clear()
    assert len(bench.steps.staged["1.2.0"]) == 2  # it is at work, or another has its turn
    bench.keeper().clear()
    assert (bench.kept.unfinished(), bench.steps.staged["1.2.0"]) == ([], set())
    assert bench.states() == [ItemState.FOUND]


def test_what_is_retrieved_elsewhere_is_stopped_also_where_nothing_is_staged(bench: Bench) -> None:
    bench.create(uids=["1.2.0"])
    bench.kept.found("key", bench.items()[0], ["1.2.0"])
    bench.kept.write_memo(bench.items()[0].row, "an operation")
    bench.abandon()
    assert (bench.steps.names(), bench.items()[0].memo) == (["stop"], "")


def test_collections_that_ended_long_ago_are_forgotten_also_when_they_were_cancelled(bench: Bench) -> None:
    for key in ("cancelled", "active", "staged"):
        bench.create(uids=["1.2.0"], key=key)
        bench.kept.bind(key, f"operations/{key}")
    bench.kept.claim("staging", bench.items("staged")[0])
    bench.keeper().forget()
    assert bench.kept.get("cancelled")
    bench.turning.time += 101
    bench.keeper(active=["operations/active"]).forget()
    assert (bench.kept.get("active").key, bench.kept.get("staged").key) == ("active", "staged")
    with pytest.raises(DianaError):
        bench.kept.get("cancelled")


def test_a_collection_that_no_operation_was_ever_at_is_dropped(bench: Bench) -> None:
    bench.create("A")
    bench.create("B", key="bound")
    bench.kept.bind("bound", "operations/1")
    bench.keeper().drop_lost()
    assert (bench.kept.unbound(), bench.kept.get("bound").key, bench.items()) == ([], "bound", [])


def test_what_cannot_be_cleared_when_it_is_cancelled_goes_on_when_it_is_retried(bench: Bench) -> None:
    bench.create("A")
    bench.steps.wrong |= {"deidentify": [Stopped()], "stop": [Unreachable("anon does not answer")]}
    run = bench.made(FakeWork())
    with pytest.raises(Stopped):
        run.to_the_end()
    bench.abandon()
    bench.run()
    assert (bench.states(), bench.steps.names().count("retrieve")) == (DONE, 1)
