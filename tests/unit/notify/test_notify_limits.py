"""Limits: a target gets no more a minute than it is to get, and nobody else waits for it."""

from __future__ import annotations

from pathlib import Path

from diana_common.attempts import Attempting, Limits, RetryPolicy, Targets
from diana_common.attempts.limits import Paces
from diana_notify.core.carriers import Carriers
from diana_notify.core.model import Content, State, Transport
from tests.unit.notify.notify_bench import QUICK, NotifyBench, email, webhook

TEXT = Content(subject="subject", body="body")


def used(paces: Paces, target: str, now: float, end: float, step: float = 0.25) -> int:
    """How often a target is tried in a time in which it always could be."""
    count = 0
    while now < end:
        if paces.next_turn(target, now) <= now:
            paces.used(target, now)
            count += 1
        else:
            now += step
    return count


def test_a_target_gets_its_number_a_minute_and_others_theirs() -> None:
    paces = Paces(Limits({"email": 60.0, "webhook": 6.0, "webhook https://fast:443": 120.0}), 0.0)
    assert used(paces, "email", 0.0, 60.0) in (59, 60)
    assert used(paces, "webhook https://slow:443", 0.0, 60.0) in (5, 6)
    assert used(paces, "webhook https://slow:8443", 0.0, 60.0) in (5, 6)
    assert 118 <= used(paces, "webhook https://fast:443", 0.0, 60.0) <= 121
    assert paces.next_turn("file ada", 0.0) == 0.0


def test_what_was_not_used_is_not_made_up_for() -> None:
    paces = Paces(Limits({"email": 60.0}), 0.0)
    assert used(paces, "email", 3600.0, 3660.0) <= 61
    fast = Paces(Limits({"email": 6000.0}), 0.0)
    assert used(fast, "email", 3600.0, 3601.0) <= 250


def test_a_restart_gives_no_new_turns() -> None:
    turns = sum(used(Paces(Limits({"email": 60.0}), start), "email", start, start + 0.9) for start in range(100))
    assert turns == 0


def test_a_clock_that_is_set_back_costs_no_more_than_a_turn() -> None:
    paces = Paces(Limits({"email": 6.0}), 10_000.0)
    paces.used("email", 10_000.0)
    assert paces.next_turn("email", 100.0) == 110.0


def test_very_many_targets_are_not_all_kept() -> None:
    paces = Paces(Limits({"webhook": 60.0}), 0.0)
    for number in range(20_000):
        paces.used(f"webhook https://h{number}:443", float(number))
    assert len(paces._turns) < 2_000


def test_a_limited_target_is_passed_over_until_its_turn() -> None:
    targets = Targets(RetryPolicy(10.0, 10.0, 60.0), Paces(Limits({"a": 60.0}), 0.0))
    waiting = [("a", 0.0), ("b", 0.0)]
    assert targets.choose(waiting, 1.0)[0] == "a"
    targets.begin("a", 1.0)
    assert targets.choose(waiting, 1.0)[0] == "b"
    assert targets.choose([("a", 0.0)], 1.5) == (None, 2.0)
    assert targets.choose([("a", 0.0)], 2.0)[0] == "a"


def test_nobody_waits_behind_a_limited_target(tmp_path: Path) -> None:
    bench = NotifyBench(tmp_path)
    limits = Limits({"webhook": 0.01})
    carriers = Carriers(dict.fromkeys(Transport, bench.carrier))
    bench.deliverer = Attempting(bench.ledger, carriers.carry, QUICK, 86_400.0, bench.observer, limits)
    for _ in range(30):
        bench.notifier.send(webhook(), TEXT)
        bench.notifier.send(email(), TEXT)
    with bench.delivering():
        sent = bench.wait_for(State.SENT, 30)
    bench.ledger.close()
    assert {one.recipient.transport for one in sent} == {Transport.EMAIL}
