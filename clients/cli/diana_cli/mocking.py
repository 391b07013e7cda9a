"""Running a mock hospital: what it makes goes to a destination or down the chain, and into its ledger."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO, cast

from diana_cli.chain import Flow
from diana_cli.session import Session
from diana_endpoints.items import BytesContent, Item
from diana_endpoints.protocol.items import Putter

if TYPE_CHECKING:
    from diana_mock.description import Site
    from diana_mock.hospital import Made
    from diana_mock.pace import Stop


@dataclass(frozen=True)
class Order:
    """What was asked for."""

    sites: tuple[Site, ...]
    start: datetime
    speed: float | None
    studies: int | None
    duration: timedelta | None
    dest: str
    reports: Path | None
    ledger: Path | None


def run_mock(session: Session, order: Order) -> Flow:
    """The hospital's instances as items: those that its destination took or refused, or all where it has none."""
    from diana_mock.pace import Stop  # pydicom with it: time that other commands need not spend

    stopped = Stop()
    with ExitStack() as held, _ended_by_interrupt(stopped):
        outgoing = _Outgoing(order, stopped, held.enter_context(order.ledger.open("w")) if order.ledger else None)
        held.callback(outgoing.end)
        items = outgoing.items()
        if order.dest:
            items = outgoing.answered(_target(session, order.dest, held).put(items))
        yield from session.progress("mock", items)
    session.note(f"mock: {outgoing.summary()}")


class _Outgoing:
    """What leaves the hospital. A line of the ledger waits until it is known what became of its item."""

    def __init__(self, order: Order, stopped: Stop, ledger: TextIO | None) -> None:
        from diana_mock.hospital import Hospital
        from diana_mock.ledger import Ledger

        self._order, self._stopped = order, stopped
        self._hospital = Hospital(order.sites, order.start)
        self._ledger = Ledger(ledger)
        self._waiting: dict[int, dict[str, Any]] = {}

    def items(self) -> Iterator[Item]:
        """What is due, as items, until enough is made or somebody interrupts."""
        from diana_mock.ledger import DROPPED
        from diana_mock.pace import Pace

        order = self._order
        made = self._hospital.instances(order.studies, order.duration)
        for number, one in enumerate(Pace(order.speed, order.start, self._stopped).hold(made), 1):
            line = self._ledger.begin(one)
            if not one.data:
                self._ledger.close(line, DROPPED)
            elif not one.part.instance_uid:
                self._ledger.close(line, self._write_report(one))
            else:
                yield self._item(number, one, line)

    def answered(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same, each written down with what became of it."""
        for item in items:
            if line := self._waiting.pop(item.number, None):
                outcome = str(item.meta.get("outcome", "taken"))
                self._ledger.close(line, *(("", item.failure.reason) if item.failure else (outcome,)))
            yield item

    def end(self) -> None:
        """Write down what nobody told of."""
        for line in self._waiting.values():
            self._ledger.close(line, reason="UNANSWERED")

    def summary(self) -> str:
        """How much there was, and what was wrong with it."""
        parts = [f"{self._hospital.begun} studies", _counts(self._ledger.outcomes)]
        return "; ".join([*filter(None, parts), f"faults: {_counts(self._ledger.faults) or 'none'}"])

    def _item(self, number: int, one: Made, line: dict[str, Any]) -> Item:
        keys = ("study_uid", "series_uid", "sop_instance_uid", "sop_class_uid", "size_bytes", "device", "fault")
        item = Item({key: line[key] for key in keys}, content=BytesContent(one.data), number=number)
        if self._order.dest:
            item.header = {}  # it is named by what it was to be, whatever is wrong with it
            self._waiting[number] = line
        else:
            self._ledger.close(line, "handed_on")
        return item

    def _write_report(self, one: Made) -> str:
        """Write a report under its study's UID."""
        if self._order.reports is None:
            return "unwritten"
        self._order.reports.mkdir(parents=True, exist_ok=True)
        (self._order.reports / f"{one.study.uid}.txt").write_bytes(one.data)
        return "written"


def _target(session: Session, dest: str, held: ExitStack) -> Putter:
    from diana_mock.link import Link, Peer

    if peer := Peer.of(dest):
        link = Link(peer)
        held.callback(link.close)
        return link
    return cast(Putter, session.endpoint(dest, Putter, "be put to"))


@contextmanager
def _ended_by_interrupt(stopped: Stop) -> Iterator[None]:
    """Within, the first interrupt says that it is enough; the second interrupts."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counted.most_common())
