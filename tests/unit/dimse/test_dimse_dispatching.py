"""Sending as an operation: what is counted and recorded, waited for, and gone on with after a stop."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime, time

import pytest

from diana_common.errors import DianaError, Reason
from diana_common.hours import Hours
from diana_dimse.core.commitment.model import Reference
from diana_dimse.core.outbound.dispatching import Consignment, Dispatched, Dispatcher
from diana_dimse.core.outbound.pacing import Pace
from diana_dimse.core.outbound.peering import Cancelled, Correspondent
from diana_dimse.core.sending.contexts import Wish
from diana_dimse.core.sending.selection import StoredInstance
from diana_dimse.core.sending.sender import Dial, Link, Sent
from tests.support.kept_instances import KeptInstances, stored
from tests.unit.dimse.fake_work import FakeClock, FakeWaiting, FakeWork, Stopped, correspondent

Rule = Callable[[StoredInstance], Sent]


class FakePeer:
    """Sends, by a rule; is there or away; commits itself or not."""

    def __init__(self, rule: Rule = lambda instance: Sent(instance, 0)) -> None:
        self.rule = rule
        self.sent: list[str] = []
        self.rounds = 0
        self.is_away = False
        self.refuses_to_keep: dict[str, int] = {}
        self.committed: list[str] = []

    def send_all(self, store: str, instances: Sequence[StoredInstance], dial: Dial) -> Generator[Sent, None, None]:
        self.rounds += 1
        for one in instances:
            if self.is_away:
                yield Sent(one, 0x0110, "away", reason=Reason.AE_UNAVAILABLE)
            else:
                self.sent.append(one.sop_instance_uid)
                yield self.rule(one)

    def dial(self, peer: str, calling: str, called: str, wishes: Sequence[Wish]) -> Link:
        raise NotImplementedError

    def echo(self, peer: Correspondent) -> float:
        if self.is_away:
            raise DianaError(Reason.AE_UNAVAILABLE, "away")
        return 0.1

    def ask(self, peer: Correspondent, references: Sequence[Reference], cancelled: Cancelled) -> Mapping[str, int]:
        self.committed += [one.sop_instance_uid for one in references]
        return self.refuses_to_keep


def archive() -> KeptInstances:
    kept = [stored(f"1.2.{study}.{number}", study=f"1.2.{study}") for study in range(3) for number in range(4)]
    return KeptInstances(kept)


def run(
    peer: FakePeer,
    work: FakeWork,
    study_uids: Sequence[str] = (),
    uids: Sequence[str] = (),
    *,
    clock: FakeClock | None = None,
    rate: float = 0,
    hours: tuple[Hours, ...] = (),
    commit: bool = False,
) -> Dispatched:
    clock = clock or FakeClock()
    dispatcher = Dispatcher(peer, archive(), peer, peer, {"pacs": Pace(rate, clock)}, clock, FakeWaiting(), peer)  # type: ignore[arg-type]
    return dispatcher.run(Consignment(correspondent(hours=hours), "default", study_uids, uids, commit), work)


def test_studies_and_instances_go_and_are_counted() -> None:
    peer, work = FakePeer(), FakeWork()
    done = run(peer, work, ["1.2.0", "1.2.1"], ["1.2.2.3"])
    assert (done.instance_count, done.sent_count, done.warning_count) == (9, 9, 0)
    assert len(set(peer.sent)) == 9
    assert work.shown[-1] == (9, 9)


def test_warnings_and_conversions_are_counted() -> None:
    peer = FakePeer(lambda instance: Sent(instance, 0xB000, is_converted=True))
    done = run(peer, FakeWork(), ["1.2.0"])
    assert (done.sent_count, done.warning_count, done.converted_count) == (4, 4, 4)


def test_what_is_not_in_the_store_has_failed() -> None:
    work = FakeWork()
    assert run(FakePeer(), work, ["1.2.9", "1.2.0"], ["1.9", "1.2.2.0"]).sent_count == 5
    assert [(item, error.reason) for item, error in work.failures] == [
        ("1.2.9", Reason.STUDY_NOT_FOUND),
        ("1.9", Reason.INSTANCE_NOT_FOUND),
    ]


def test_what_the_peer_refuses_has_failed_with_its_status() -> None:
    def rule(instance: StoredInstance) -> Sent:
        is_bad = instance.sop_instance_uid == "1.2.0.2"
        return Sent(instance, 0xC123, reason=Reason.PEER_REFUSED) if is_bad else Sent(instance, 0)

    work = FakeWork()
    done = run(FakePeer(rule), work, ["1.2.0"])
    assert (done.instance_count, done.sent_count) == (4, 3)
    [(item, error)] = work.failures
    assert (item, error.reason, error.metadata) == ("1.2.0.2", Reason.PEER_REFUSED, {"status": "C123"})


def test_a_peer_that_is_away_is_waited_for() -> None:
    peer, clock = FakePeer(), FakeClock()
    peer.is_away = True

    def back_after_an_hour() -> bool:
        peer.is_away = clock.slept < 3600
        return False

    work = FakeWork(back_after_an_hour)
    assert run(peer, work, ["1.2.0"], clock=clock).sent_count == 4
    assert not work.failures


def test_an_instance_at_which_every_association_breaks_has_failed_and_the_rest_goes() -> None:
    def rule(instance: StoredInstance) -> Sent:
        is_bad = instance.sop_instance_uid == "1.2.0.1"
        return Sent(instance, 0x0110, reason=Reason.AE_UNAVAILABLE) if is_bad else Sent(instance, 0)

    peer, work = FakePeer(rule), FakeWork()
    assert run(peer, work, ["1.2.0", "1.2.1"]).sent_count == 7
    assert [(item, error.reason) for item, error in work.failures] == [("1.2.0.1", Reason.AE_UNAVAILABLE)]


def test_instances_go_at_the_rate_of_the_peer() -> None:
    clock = FakeClock()
    run(FakePeer(), FakeWork(), ["1.2.0", "1.2.1"], clock=clock, rate=0.5)
    assert clock.slept == pytest.approx(7 / 0.5)


def test_an_association_ends_when_the_hours_do_and_the_rest_goes_the_next_day() -> None:
    clock, peer = FakeClock(datetime(2026, 1, 1, 12, 0)), FakePeer()
    hours = (Hours(time(12), time(12, 1)),)
    assert run(peer, FakeWork(), ["1.2.0"], clock=clock, rate=1 / 30, hours=hours).sent_count == 4
    assert peer.rounds > 1
    assert clock.local() >= datetime(2026, 1, 2, 12, 0)


@pytest.mark.parametrize("stop_after", [1, 5, 9])
def test_what_went_in_a_study_that_is_done_does_not_go_again_after_a_stop(stop_after: int) -> None:
    peer = FakePeer()
    work = FakeWork(lambda: len(peer.sent) >= stop_after)
    with pytest.raises(Stopped):
        run(peer, work, ["1.2.0", "1.2.1", "1.2.2"])
    done = run(peer, work.again(), ["1.2.0", "1.2.1", "1.2.2"])
    assert (done.instance_count, done.sent_count) == (12, 12)
    assert len(peer.sent) - len(set(peer.sent)) == stop_after % 4


def test_the_peer_is_asked_to_keep_what_it_took() -> None:
    def rule(instance: StoredInstance) -> Sent:
        is_bad = instance.sop_instance_uid == "1.2.0.0"
        return Sent(instance, 0xA700, reason=Reason.PEER_REFUSED) if is_bad else Sent(instance, 0)

    peer, work = FakePeer(rule), FakeWork()
    peer.refuses_to_keep = {"1.2.0.3": 0x0110}
    done = run(peer, work, ["1.2.0"], commit=True)
    assert peer.committed == ["1.2.0.1", "1.2.0.2", "1.2.0.3"]
    assert done.committed_count == 2
    assert [(item, error.metadata["status"]) for item, error in work.failures] == [
        ("1.2.0.0", "A700"),
        ("1.2.0.3", "0110"),
    ]
