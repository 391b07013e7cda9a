"""Who asks to be left alone for a time is left alone, and nobody else waits for that."""

from __future__ import annotations

from pathlib import Path

from diana_common.attempts import Postponed, RetryPolicy, Unreachable
from diana_common.attempts.targets import Targets
from diana_notify.core.model import Content, Parcel, State
from tests.unit.notify.notify_bench import QUICK, NotifyBench, email, webhook

CONTENT = Content(subject="Hello", body="It works.")


def test_a_target_is_left_alone_for_as_long_as_it_asks_and_never_less_than_the_policy_says() -> None:
    targets = Targets(RetryPolicy(first_seconds=10.0, longest_seconds=20.0, give_up_seconds=3600.0))
    targets.begin("slack ops", 1000.0)
    assert targets.unreachable("slack ops", 1000.0, 300.0) == (1300.0, 1000.0)
    assert targets.choose([("slack ops", 0.0), ("email", 0.0)], 1299.0) == ("email", 1300.0)
    assert targets.choose([("slack ops", 0.0)], 1300.0)[0] == "slack ops"
    targets.begin("slack ops", 1300.0)
    next_time, since = targets.unreachable("slack ops", 1300.0, 0.1)
    assert next_time >= 1305.0 and since == 1000.0


def test_of_attempts_under_way_together_the_longest_wait_counts() -> None:
    targets = Targets(QUICK)
    for _ in range(3):
        targets.begin("slack ops", 1000.0)
    targets.unreachable("slack ops", 1000.0, 300.0)
    assert targets.unreachable("slack ops", 1000.0, 60.0)[0] == 1300.0
    targets.answered("slack ops")
    assert targets.choose([("slack ops", 0.0)], 1299.0) == (None, 1300.0)
    assert targets.choose([("slack ops", 0.0)], 1300.0)[0] == "slack ops"


def test_messages_for_a_target_that_asks_for_patience_wait_and_others_go(tmp_path: Path) -> None:
    bench = NotifyBench(tmp_path)

    def behave(parcel: Parcel) -> None:
        if parcel.target.startswith("webhook"):
            raise Unreachable("HTTP 429", 600.0)

    bench.carrier.behave = behave
    held = [bench.notifier.send(webhook(), CONTENT).name for _ in range(3)]
    with bench.delivering():
        bench.wait_until(lambda: any(one.attempt_count for one in bench.all()))
        bench.notifier.send(email(), CONTENT)
        bench.wait_for(State.SENT, 1)
    tried = [bench.ledger.get(name) for name in held if bench.ledger.get(name).attempt_count]
    assert all(one.attempt_count == 1 and one.last_error == "HTTP 429" for one in tried)
    assert all((one.next_attempt_time or 0) >= one.create_time + 600.0 for one in tried)


def test_a_message_that_is_to_come_later_comes_no_earlier(tmp_path: Path) -> None:
    bench = NotifyBench(tmp_path)

    def behave(parcel: Parcel) -> None:
        raise Postponed("HTTP 503", 600.0)

    bench.carrier.behave = behave
    name = bench.notifier.send(webhook(), CONTENT).name
    with bench.delivering():
        bench.wait_until(lambda: bench.ledger.get(name).attempt_count == 1)
    found = bench.ledger.get(name)
    assert (found.next_attempt_time or 0) >= found.create_time + 600.0
