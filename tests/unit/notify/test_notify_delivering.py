"""How deliveries are tried: again when it may help, never when not, and nobody waits behind the dead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_common.attempts import WORKERS, Postponed, Refused, RetryPolicy, Targets, Unreachable
from diana_notify.core.model import Content, Parcel, State
from tests.unit.notify.notify_bench import NotifyBench, email, raising, webhook

TEXT = Content(subject="subject", body="body")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[NotifyBench]:
    one = NotifyBench(tmp_path)
    yield one
    one.ledger.close()


def test_a_message_is_carried_once_and_recorded(bench: NotifyBench) -> None:
    with bench.delivering():
        sent = bench.notifier.send(email(), TEXT)
        (delivery,) = bench.wait_for(State.SENT, 1)
    assert delivery.name == sent.name
    assert bench.carrier.attempts == [sent.name]
    assert (delivery.attempt_count, delivery.last_error) == (1, "")


def test_what_was_queued_before_the_start_is_carried(bench: NotifyBench) -> None:
    for _ in range(50):
        bench.notifier.send(email(), TEXT)
    with bench.delivering():
        bench.wait_for(State.SENT, 50)
    assert len(set(bench.carrier.attempts)) == len(bench.carrier.attempts) == 50


@pytest.mark.parametrize("failure", [Postponed("SMTP 451"), Unreachable("connection refused"), RuntimeError("bug")])
def test_what_may_help_later_is_tried_again_under_the_same_name(bench: NotifyBench, failure: Exception) -> None:
    def twice(parcel: Parcel) -> None:
        if len(bench.carrier.attempts) < 3:
            raise failure

    bench.carrier.behave = twice
    with bench.delivering():
        name = bench.notifier.send(email(), TEXT).name
        (delivery,) = bench.wait_for(State.SENT, 1)
    assert bench.carrier.attempts == [name] * 3
    assert delivery.attempt_count == 3
    assert delivery.last_error in ("SMTP 451", "connection refused", "failed here (RuntimeError)")


def test_a_refusal_for_good_is_dead_at_once(bench: NotifyBench) -> None:
    bench.carrier.behave = raising(Refused("SMTP 550 for the recipient"))
    with bench.delivering():
        bench.notifier.send(email(), TEXT)
        (delivery,) = bench.wait_for(State.DEAD, 1)
    assert (delivery.attempt_count, delivery.last_error) == (1, "SMTP 550 for the recipient")
    assert delivery.end_time is not None and delivery.next_attempt_time is None


def test_what_was_tried_for_too_long_is_dead(tmp_path: Path) -> None:
    bench = NotifyBench(tmp_path, RetryPolicy(0.01, 0.02, 0.0))
    bench.carrier.behave = raising(Postponed("HTTP 503"))
    with bench.delivering():
        bench.notifier.send(webhook(), TEXT)
        (delivery,) = bench.wait_for(State.DEAD, 1)
    assert (delivery.attempt_count, delivery.last_error) == (2, "HTTP 503")
    bench.ledger.close()


def test_what_waits_behind_a_target_that_stays_dead_ends_too(tmp_path: Path) -> None:
    bench = NotifyBench(tmp_path, RetryPolicy(0.01, 0.02, 0.0))
    bench.carrier.behave = raising(Unreachable("timed out"))
    for _ in range(100):
        bench.notifier.send(webhook(), TEXT)
    with bench.delivering():
        assert {one.last_error for one in bench.wait_for(State.DEAD, 100)} == {"timed out"}
    assert len(bench.carrier.attempts) < 20
    bench.ledger.close()


def test_targets_that_hang_leave_workers_for_those_that_answer(bench: NotifyBench) -> None:
    over = threading.Event()

    def behave(parcel: Parcel) -> None:
        if "dead" in parcel.delivery.recipient.address:
            over.wait(60)
            raise Unreachable("timed out")

    bench.carrier.behave = behave
    for _ in range(3 * WORKERS):
        bench.notifier.send(webhook("dead.example"), TEXT)
    for _ in range(20):
        bench.notifier.send(email(), TEXT)
    with bench.delivering():
        try:
            bench.wait_for(State.SENT, 20)
        finally:
            over.set()


def test_a_dead_target_is_asked_seldom_and_all_goes_out_once_it_is_back(bench: NotifyBench) -> None:
    bench.carrier.behave = raising(Unreachable("connection refused"))
    for _ in range(60):
        bench.notifier.send(email(), TEXT)
    with bench.delivering():
        bench.wait_until(lambda: len(bench.carrier.attempts) >= 6)
        bench.carrier.behave = lambda parcel: None
        bench.wait_for(State.SENT, 60)
    failed = len(bench.carrier.attempts) - 60
    assert len(set(bench.carrier.attempts)) == 60
    assert failed < 60  # not each of those that waited had to find out


def test_a_stop_finishes_what_is_under_way_and_begins_nothing(bench: NotifyBench) -> None:
    begun, finish = threading.Event(), threading.Event()

    def behave(parcel: Parcel) -> None:
        begun.set()
        finish.wait(60)

    bench.carrier.behave = behave
    for _ in range(3 * WORKERS):
        bench.notifier.send(email(), TEXT)
    bench.deliverer.start()
    assert begun.wait(60)
    stopper = threading.Thread(target=bench.deliverer.stop)
    stopper.start()
    bench.wait_until(lambda: bench.deliverer._stopping.is_set())
    finish.set()
    stopper.join(60)
    assert 0 < len(bench.carrier.attempts) < 3 * WORKERS
    assert len(bench.all(State.SENT)) == len(bench.carrier.attempts)


def test_a_ledger_that_cannot_take_the_outcome_does_not_make_a_message_go_twice(
    bench: NotifyBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, tries = bench.ledger.succeeded, []

    def full(piece: Parcel, now: float) -> None:
        tries.append(piece)
        if len(tries) == 1:
            raise OSError("full")
        record(piece, now)

    monkeypatch.setattr(bench.ledger, "succeeded", full)
    with bench.delivering():
        bench.notifier.send(email(), TEXT)
        bench.wait_for(State.SENT, 1)
    assert len(bench.carrier.attempts) == 1
    assert len(bench.observer.errors) == 1


def test_waits_double_up_to_the_longest_and_are_left_to_chance_by_half() -> None:
    policy = RetryPolicy(1.0, 10.0, 60.0)
    for failures, longest in ((1, 1.0), (2, 2.0), (4, 8.0), (5, 10.0), (10_000, 10.0)):
        waits = [policy.delay_after(failures) for _ in range(200)]
        assert longest / 2 <= min(waits) < max(waits) <= longest


def test_targets_take_turns_and_one_that_fails_gets_one_attempt_at_a_time() -> None:
    targets = Targets(RetryPolicy(10.0, 10.0, 60.0))
    waiting = [("a", 0.0), ("b", 0.0)]
    turns = []
    for _ in range(4):
        turn, _ = targets.choose(waiting, 1.0)
        assert turn is not None
        targets.begin(turn, 1.0)
        turns.append(turn)
    assert turns == ["a", "b", "a", "b"]
    not_before, _ = targets.unreachable("a", 1.0)
    assert targets.unreachable("a", 1.0)[0] == not_before
    assert targets.choose([("a", 0.0)], 2.0) == (None, not_before)
    assert targets.choose([("a", 0.0)], not_before) == ("a", float("inf"))
    targets.begin("a", not_before)
    assert targets.choose([("a", 0.0)], not_before) == (None, float("inf"))
    targets.answered("a")
    assert targets.choose([("a", 0.0)], not_before)[0] == "a"


def test_a_target_that_never_answered_gets_few_attempts_at_a_time() -> None:
    targets = Targets(RetryPolicy(10.0, 10.0, 60.0))

    def begun() -> int:
        count = 0
        while targets.choose([("a", 0.0)], 1.0)[0]:
            targets.begin("a", 1.0)
            count += 1
        return count

    assert begun() == 2
    targets.answered("a")
    assert begun() == 3
