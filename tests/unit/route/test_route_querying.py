"""Rules with a query: each study once until it is found no more, whatever happens in between."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_route.core import querying
from diana_route.core.archive import StudySummary
from diana_route.core.following import FEED
from diana_route.core.journal import Learnt
from tests.support.awaiting import awaited
from tests.unit.route.route_bench import RouteBench, new_job, stored, study


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[RouteBench]:
    one = RouteBench(tmp_path)
    one.journal.add([], 1.0, Learnt((FEED, one.archive.head())))
    yield one
    one.close()


def run(bench: RouteBench, *found: int, now: float = 1000.0) -> list[str]:
    """Ask once; the studies that jobs were made of in it."""
    before = len(bench.made())
    bench.index.studies_found = list(found)
    bench.querying.run(bench.query, now)
    return [uid for _, uid, _ in bench.made()[before:]]


def test_each_study_makes_a_job_once_until_it_is_found_no_more_and_again(bench: RouteBench) -> None:
    assert run(bench, 1, 2, 10) == ["1.2.1", "1.2.10", "1.2.2"]
    assert run(bench, *range(1, 12)) == [f"1.2.{number}" for number in (11, 3, 4, 5, 6, 7, 8, 9)]
    assert run(bench, *range(1, 12)) == []
    bench.restart()
    assert run(bench, 5) == []
    assert run(bench) == []
    assert run(bench, 4, 5, 6, now=2000.0) == ["1.2.4", "1.2.5", "1.2.6"]


def test_what_is_found_no_more_is_forgotten_in_pieces(bench: RouteBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(querying, "A_PAGE", 2)
    run(bench, *range(1, 20))
    run(bench, 1, 19)
    assert bench.journal.found(bench.query.cursor, "", None, 99) == ["1.2.1", "1.2.19"]


def test_the_index_is_asked_for_what_the_archive_has_now(bench: RouteBench) -> None:
    bench.archive.tell(stored(1))
    run(bench, 1)
    assert bench.index.asked == [("inbox", "Modality = CT", "a:1")]
    assert bench.journal.page(None, 1, None, "")[0].item == study(1, trial="mammo")


def test_a_run_that_broke_off_has_done_what_it_did(bench: RouteBench) -> None:
    bench.index.error = DianaError(Reason.PEER_UNAVAILABLE, "Away.")
    with pytest.raises(DianaError):
        run(bench, 1, 2, 3, 4)
    assert len(bench.made()) == 4
    assert bench.journal.cursor(bench.query.cursor) is None
    bench.index.error = None
    assert run(bench, 1, 2, 3, 4, 5) == ["1.2.5"]


def test_what_a_rule_made_is_not_taken_though_the_feed_was_not_heard_so_far(bench: RouteBench) -> None:
    (job,) = bench.journal.add([new_job(study(1), "nightly")], 1.0)
    bench.journal.credit(job.number, "operations/1")
    bench.archive.tell(stored(7, operation="operations/1"), stored(8))
    assert run(bench, 7, 8) == ["1.2.8"]
    assert run(bench, 7, 8) == []


def test_no_query_is_asked_before_the_feed_is_followed(bench: RouteBench) -> None:
    bench.journal.forget_cursor(FEED)
    with pytest.raises(DianaError) as caught:
        run(bench, 1)
    assert caught.value.reason is Reason.PEER_UNAVAILABLE


def test_a_study_that_no_rule_can_be_asked_of_is_asked_again(bench: RouteBench) -> None:
    bench.deciding.asks = True
    bench.archive.headers["1.2.1"] = DianaError(Reason.STUDY_NOT_FOUND, "Gone.")
    bench.archive.headers["1.2.2"] = {}
    assert run(bench, 1, 2) == ["1.2.2"]
    assert bench.observer.items == []  # the archive has deleted it, and the index will know soon
    del bench.archive.headers["1.2.1"]
    assert run(bench, 1, 2) == ["1.2.1"]


def test_the_schedule_survives_a_restart_and_a_failure_is_told_and_mended(
    bench: RouteBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(querying, "_RETRY_SECONDS", (0.01,))
    bench.index.studies_found = [1]
    bench.index.error = DianaError(Reason.FILTER_INVALID, "No such attribute.")
    bench.querying.start()
    assert awaited(lambda: bench.querying.trouble("nightly") == "No such attribute.")
    assert bench.observer.failures[0] == ("nightly", Reason.FILTER_INVALID)
    bench.index.error = None
    assert awaited(lambda: bench.journal.cursor(bench.query.cursor) is not None)
    assert awaited(lambda: not bench.querying.trouble("nightly"))
    bench.restart()
    asked = len(bench.index.asked)
    due = bench.querying._due(bench.query)
    assert 3500 < due - time.time() <= 3600
    bench.querying.start()
    bench.querying.stop()
    assert len(bench.index.asked) == asked


def test_a_clock_that_was_put_back_delays_a_query_by_its_schedule_at_most(bench: RouteBench) -> None:
    run(bench, now=time.time() + 1e6)
    assert bench.querying._due(bench.query) <= time.time() + 3600


def test_a_rule_that_was_stopped_is_not_asked_and_misses_nothing(bench: RouteBench) -> None:
    bench.journal.stop_rule("nightly", "a loop", bench.configuration)
    bench.restart()
    assert bench.querying._due(bench.query) == math.inf
    bench.configuration = "other rules"
    bench.restart()
    assert run(bench, 1) == ["1.2.1"]


def test_a_rule_that_is_stopped_in_mid_run_misses_nothing(bench: RouteBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(querying, "_A_STEP", 1)
    bench.journal.add([], 1.0, Learnt(trails={("inbox", "1.2.2"): ("nightly", "other")}))
    assert run(bench, 1, 2, 3) == ["1.2.1"]
    assert bench.intake.stopped.keys() == {"nightly"}
    bench.configuration = "other rules"
    bench.restart()
    assert run(bench, 1, 2, 3) == ["1.2.3"]


def test_a_run_waits_for_an_archive_that_does_not_take_the_token(
    bench: RouteBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(store: str, study_uid: str) -> StudySummary:
        raise DianaError(Reason.CONFIG_INVALID, "The token is being replaced.")

    with monkeypatch.context() as patch, pytest.raises(DianaError):
        patch.setattr(bench.archive, "study", refuse)
        run(bench, 1)
    assert bench.observer.items == []
    assert run(bench, 1) == ["1.2.1"]


def test_a_stop_ends_a_run_between_two_studies(bench: RouteBench) -> None:
    bench.querying.stop()
    assert run(bench, 1, 2) == []
    assert bench.journal.cursor(bench.query.cursor) is None
    bench.restart()
    assert run(bench, 1, 2) == ["1.2.1", "1.2.2"]
