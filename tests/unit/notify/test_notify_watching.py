"""Watching the ledger: first what has not ended, then what changes, and nobody waits for a slow watcher."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_notify.core.model import Content, Delivery, Message, Parcel, State
from diana_notify.core.watching import LedgerWatch
from tests.unit.notify.notify_bench import NotifyBench, email

TEXT = Content(subject="subject", body="body")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[NotifyBench]:
    one = NotifyBench(tmp_path)
    yield one
    one.changes.close()
    one.ledger.close()


class Watcher:
    """A thread that keeps what it is told."""

    def __init__(self, watch: LedgerWatch) -> None:
        self.watch = watch
        self.told: list[tuple[int, State]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for delivery in self.watch:
            self.told.append((delivery.number, delivery.state))

    def ended(self) -> bool:
        self._thread.join(60)
        return not self._thread.is_alive()


def sent(bench: NotifyBench, delivery: Delivery) -> None:
    bench.ledger.succeeded(Parcel(delivery, "email", "", ""), 200.0)


def test_it_tells_what_waits_then_each_change_and_ends_when_cancelled(bench: NotifyBench) -> None:
    old, first = bench.notifier.send(email(), TEXT), bench.notifier.send(email(), TEXT)
    sent(bench, old)
    watcher = Watcher(bench.notifier.watch(""))
    bench.wait_until(lambda: (first.number, State.QUEUED) in watcher.told)
    second = bench.notifier.send(email(), TEXT)
    bench.wait_until(lambda: (second.number, State.QUEUED) in watcher.told)
    sent(bench, first)
    bench.wait_until(lambda: (first.number, State.SENT) in watcher.told)
    bench.notifier.cancel(second.name)
    bench.wait_until(lambda: (second.number, State.CANCELLED) in watcher.told)
    watcher.watch.cancel()
    assert watcher.ended()
    assert old.number not in {number for number, _ in watcher.told}


def test_a_channels_watcher_hears_of_that_channel_only(bench: NotifyBench) -> None:
    watcher = Watcher(bench.notifier.watch("letters"))
    bench.notifier.dispatch("mammo-hospital_b", TEXT)
    (cleo, _) = bench.notifier.dispatch("letters", TEXT)
    bench.wait_until(lambda: len(watcher.told) >= 2)
    assert watcher.told[0] == (cleo.number, State.QUEUED)
    bench.changes.close()  # as at a stop
    assert watcher.ended()
    assert list(bench.notifier.watch("")) != []


def test_who_asks_seldom_is_told_how_things_are_then(bench: NotifyBench) -> None:
    delivery = bench.notifier.send(email(), TEXT)
    slow = iter(bench.notifier.watch(""))
    assert next(slow).state is State.QUEUED
    for attempt in range(50):
        bench.ledger.failed(Parcel(delivery, "email", "", ""), f"failure {attempt}", 300.0)
    sent(bench, delivery)
    assert next(slow).state is State.SENT
    newer = bench.notifier.send(email(), TEXT)
    assert next(slow).number == newer.number


def test_more_changes_at_once_than_are_read_at_a_time_are_all_told(bench: NotifyBench) -> None:
    slow = iter(bench.notifier.watch(""))
    first = bench.notifier.send(email(), TEXT)
    assert next(slow).number == first.number
    many = bench.ledger.add([Message(email(), "email", "s", "b")] * 1000, 100.0)
    numbers = [next(slow).number for _ in many]
    assert numbers == [one.number for one in many]
