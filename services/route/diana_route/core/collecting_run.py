"""One run of a collection: its items one by one, step by step, at its pace and in its hours, until none is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from diana_common.attempts import Failed, Postponed, Refused, RetryPolicy, Unreachable
from diana_common.errors import DianaError, Reason
from diana_route.core.actions import UnderWay
from diana_route.core.collecting import (
    Collected,
    Collections,
    ItemState,
    Order,
    SourceRefused,
    Step,
    Steps,
    Work,
    reason_of,
)

UNIT = "studies"
HOURS = "hours"
"""What is waited for where it is the hours."""

_SLICE_SECONDS = 0.25
_LOOK_SECONDS = 5.0
_REPORT_SECONDS = 0.5
_AT_SOURCE = (Step.FIND, Step.RETRIEVE)
_REFUSED_IN_A_ROW = 5
"""Studies that a source refuses for the same cause before the source, not they, is taken to be at fault."""


class _Occupied(Failed):
    """Another item has the study in the staging store."""


@dataclass(frozen=True)
class Clock:
    """The time, and how it passes."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def local(self, zone: tzinfo | None) -> datetime:
        """The time in a zone; that of the host when None."""
        return datetime.fromtimestamp(self.now(), zone)


def clear(item: Collected, steps: Steps) -> None:
    """Delete what was staged of an item; what cannot be, for good, is told in its message. Raises Failed."""
    if item.before is None:
        return
    try:
        left = steps.clear(item)
    except Refused as refused:
        _note(item, f"what was staged was left: {refused.why}")
    else:
        if left:
            _note(item, f"{left} instances that others stored were left in the staging store")
    item.before = None


def _note(item: Collected, what: str) -> None:
    """Beside why it was given up, if it was."""
    item.message = f"{item.message}; {what}" if item.reason else what


class Run:
    """One attempt at a collection, for one thread."""

    def __init__(
        self,
        key: str,
        order: Order,
        items: Collections,
        steps: Steps,
        work: Work,
        retry: RetryPolicy,
        attempts: int,
        waits: Callable[[str], None],
        clock: Clock,
    ) -> None:
        """`attempts`: how often a step is tried that another side does not do now.

        `waits` is told why the run does not go on: HOURS, or words; empty when it does."""
        self._key, self._order, self._items, self._steps, self._work = key, order, items, steps, work
        self._retry, self._attempts, self._waits, self._clock = retry, attempts, waits, clock
        self._free_at = 0.0
        self._report_at = 0.0
        self._away = 0
        """How often in a row something could not be reached."""
        self._refused: set[tuple[str, int]] = set()
        """Why the source refused studies in a row, and the rows of their items."""

    def to_the_end(self) -> None:
        """Do what is left. Leaves the operation where it is to stop."""
        while True:
            self._work.raise_if_cancelled()
            if self._clock.monotonic() >= self._report_at:
                self._report()
            item = self._items.next(self._key, self._clock.now())
            if item is not None:
                self._go_on(item)
            elif self._items.finish(self._key):
                self.record()
                self._report()
                return

    def record(self) -> None:
        """What failed in the end, in the operation's failures, once in all its attempts.

        Not before: what was given up may be tried again meanwhile, and be delivered."""
        recorded = self._work.failed_items
        for item in self._items.failed(self._key):
            if (name := f"item {item.number}") not in recorded:
                self._work.fail_item(name, DianaError(Reason[item.reason], f"Given up: {item.message}."))

    def _go_on(self, item: Collected) -> None:
        if (wait := item.due_time - self._clock.now()) > 0:
            self._pause(min(wait, _LOOK_SECONDS))
        elif item.step not in _AT_SOURCE or item.is_being_brought or self._may_ask():
            self._attempt(item)

    def _may_ask(self) -> bool:
        """Whether the source may be used now; waits a little where it may not."""
        if not self._order.tempo.is_open(self._clock.local):
            self._waits(HOURS)
            self._pause(_LOOK_SECONDS)
            return False
        if (wait := self._free_at - self._clock.monotonic()) > 0:
            self._pause(min(wait, _LOOK_SECONDS))
            return False
        return True

    def _attempt(self, item: Collected) -> None:
        try:
            self._do(item)
        except UnderWay as waited:
            self._waits(waited.why)
        except _Occupied as occupied:
            self._come_back(item, occupied)
        except Unreachable as failed:
            self._wait_for(item, failed)
        except Postponed as failed:
            self._put_off(item, failed)
        except Failed as failed:
            self._give_up(item, failed)
        else:
            self._away = 0
            self._waits("")

    def _do(self, item: Collected) -> None:
        """Do the next step of an item, and keep that it is done. Raises Failed."""
        match item.step:
            case Step.FIND:
                self._find(item)
            case Step.RETRIEVE:
                self._retrieve(item)
            case Step.DEIDENTIFY:
                self._steps.deidentify(item)
                self._done(item, Step.DELIVER, ItemState.DEIDENTIFIED)
            case Step.DELIVER:
                delivery = self._steps.deliver(item)
                item.delivered_count, item.confirmed = delivery.instance_count, delivery.confirmed
                self._done(item, Step.CLEAR if self._order.is_staged else Step.END, ItemState.DELIVERED)
            case _:
                self._clear(item)

    def _find(self, item: Collected) -> None:
        began = self._clock.monotonic()
        found = self._steps.find(item)
        if not found:
            self._free_at = began + self._order.tempo.seconds_for(0)
            self._end_badly(item, Reason.STUDY_NOT_FOUND.name, "the source has no such study")
            return
        self._forget_failure(item)
        self._items.found(self._key, item, found)

    def _retrieve(self, item: Collected) -> None:
        began = self._clock.monotonic()
        if self._order.is_staged:
            self._claim(item)
        item.retrieved_count = self._steps.retrieve(item)
        self._refused.clear()
        self._free_at = began + self._order.tempo.seconds_for(item.retrieved_count)
        self._done(item, Step.DELIVER if self._order.profile is None else Step.DEIDENTIFY, ItemState.RETRIEVED)

    def _claim(self, item: Collected) -> None:
        """Know what the staging store had before, and let no other collection bring or clear the same study."""
        if not self._items.claim(self._order.staging_store, item):
            raise _Occupied("another collection has the study in the staging store now")
        if item.before is None:
            item.before = self._steps.before(item)
            self._items.save(item)

    def _clear(self, item: Collected) -> None:
        clear(item, self._steps)
        self._items.release(item)
        self._end(item)

    def _done(self, item: Collected, step: Step, state: ItemState) -> None:
        item.step, item.state = step, state
        self._forget_failure(item)
        self._keep(item)

    def _forget_failure(self, item: Collected) -> None:
        item.attempt_count, item.message = 0, ""

    def _wait_for(self, item: Collected, failed: Failed) -> None:
        """Nothing is done while something that is needed is away."""
        self._away += 1
        item.message = failed.why
        self._keep(item)
        self._waits(failed.why)
        self._pause(max(self._retry.delay_after(self._away), failed.retry_after))

    def _come_back(self, item: Collected, occupied: Failed) -> None:
        """Others go on, and it is looked again; however long that takes, it is no failure."""
        item.message, item.due_time = occupied.why, self._clock.now() + _LOOK_SECONDS
        self._keep(item)
        self._waits(occupied.why)

    def _put_off(self, item: Collected, failed: Failed) -> None:
        """Try this one again later; others go on. Given up where it was tried for too long."""
        if isinstance(failed, SourceRefused) and self._refuses_all(item, failed):
            item.due_time = self._clock.now() + self._retry.longest_seconds  # others are tried before
            self._wait_for(item, failed)
            return
        item.attempt_count += 1
        item.message = failed.why
        if item.attempt_count >= self._attempts and item.step is not Step.CLEAR:
            self._give_up(item, failed)
            return
        item.due_time = self._clock.now() + max(self._retry.delay_after(item.attempt_count), failed.retry_after)
        self._keep(item)

    def _refuses_all(self, item: Collected, failed: Failed) -> bool:
        """Whether the source refuses one study after the other for the same cause."""
        self._refused = {one for one in self._refused if one[0] == failed.why} | {(failed.why, item.row)}
        return len(self._refused) >= _REFUSED_IN_A_ROW

    def _give_up(self, item: Collected, failed: Failed) -> None:
        self._end_badly(item, reason_of(item.step, failed.__cause__), failed.why)

    def _end_badly(self, item: Collected, reason: str, message: str) -> None:
        """What was staged of it is cleared before it ends."""
        item.reason, item.message = reason, message
        if item.before is None:
            self._items.release(item)
            self._end(item)
            return
        item.step = Step.CLEAR
        self._keep(item)

    def _end(self, item: Collected) -> None:
        item.step = Step.END
        if item.reason:
            item.state = ItemState.FAILED
        self._keep(item)

    def _keep(self, item: Collected) -> None:
        item.update_time = self._clock.now()
        self._items.save(item)

    def _report(self) -> None:
        self._report_at = self._clock.monotonic() + _REPORT_SECONDS
        counts = self._items.counts(self._key)
        done = counts.get(ItemState.DELIVERED, 0) + counts.get(ItemState.FAILED, 0)
        self._work.progress(done, sum(counts.values()), UNIT)

    def _pause(self, seconds: float) -> None:
        """Let time pass. Leaves the operation where it is to stop."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, _SLICE_SECONDS))
            self._work.raise_if_cancelled()
