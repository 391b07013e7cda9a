"""Retrievals from a peer that exists in memory only: what is asked, counted, recorded, and gone on with."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from diana_common.dicomjson import DataSetJson, first_value
from diana_common.errors import DianaError, Reason
from diana_dimse.core.entities import LocalEntity
from diana_dimse.core.intake.receiving import Origin
from diana_dimse.core.outbound.asking import Found, Inquiry
from diana_dimse.core.outbound.collecting import Collected, Collector, Order
from diana_dimse.core.outbound.pacing import Pace
from diana_dimse.core.outbound.peering import Cancelled, Correspondent, Keep, Outcome, Retrieve
from diana_dimse.core.outbound.selecting import Selection, by_accession, by_dates, by_study
from tests.unit.dimse.fake_work import FakeClock, FakeWaiting, FakeWork, Stopped, correspondent

AWAY = DianaError(Reason.AE_UNAVAILABLE, "away")
INSTANCES = 4


@dataclass
class Study:
    uid: str
    accession: str
    date: str
    instances: int = INSTANCES
    is_counted: bool = True
    failing: int = 0
    """How many of its instances cannot be sent."""

    names_failed: bool = True
    faults: list[DianaError] = field(default_factory=list)
    """What retrievals of it end with, one after the other."""

    def answer(self) -> DataSetJson:
        told: dict[str, Mapping[str, object]] = {
            "0020000D": {"vr": "UI", "Value": [self.uid]},
            "00080050": {"vr": "SH", "Value": [self.accession]},
            "00080020": {"vr": "DA", "Value": [self.date]},
        }
        return {**told, "00201208": {"vr": "IS", "Value": [self.instances]}} if self.is_counted else told


class FakePacs:
    """A peer, and the archive that it sends to."""

    def __init__(self, *studies: Study) -> None:
        self.studies = {one.uid: one for one in studies}
        self.asked: list[str] = []
        self.retrieved: list[str] = []
        self.methods: list[str] = []
        self.is_away = False
        self.query_faults: list[DianaError] = []
        self.ignores_keys = False
        self.arrives_late = 0
        self.stored: dict[str, int] = {}
        self.told: list[tuple[str, int]] = []
        self.sessions: list[tuple[str, int]] = []
        self.described: list[str] = []

    def echo(self, peer: Correspondent) -> float:
        if self.is_away:
            raise AWAY
        return 0.1

    def find(self, peer: Correspondent, inquiry: Inquiry, cancelled: Cancelled) -> Generator[DataSetJson, None, None]:
        raise NotImplementedError

    def find_each(
        self, peer: Correspondent, inquiries: Sequence[Inquiry], keep: Keep, cancelled: Cancelled
    ) -> Iterator[Sequence[Found]]:
        for place, inquiry in enumerate(inquiries):
            if self.is_away:
                raise AWAY
            if self.query_faults:
                raise self.query_faults.pop(0)
            yield [kept for one in self._answers(inquiry) if (kept := keep(place, one))]

    def move(self, peer: Correspondent, study_uid: str, destination: str, cancelled: Cancelled) -> Outcome:
        self.methods.append(f"move to {destination}")
        return self._send(self.studies[study_uid], lambda: None)

    def get(
        self, peer: Correspondent, study: Found, store: str, watch: Callable[[], None], cancelled: Cancelled
    ) -> Outcome:
        self.methods.append(f"get into {store}")
        return self._send(self.studies[study.study_uid], watch)

    def count(self, store: str, study_uid: str) -> int:
        if self.arrives_late:
            self.arrives_late -= 1
            return 0
        return self.stored.get(study_uid, 0)

    def source_has(self, origin: Origin, study_uid: str, instance_count: int) -> None:
        self.told.append((study_uid, instance_count))

    def session_ended(self, origin: Origin, study_uid: str, session: str, released: bool, instance_count: int) -> None:
        self.sessions.append((study_uid, instance_count))

    def describe(self, origin: Origin, study_uid: str, attributes: Mapping[str, str]) -> None:
        self.described.append(study_uid)

    def _answers(self, inquiry: Inquiry) -> list[DataSetJson]:
        wanted = {tag: first_value(inquiry.identifier, tag) for tag in ("0020000D", "00080050", "00080020")}
        self.asked.append(next(one for one in wanted.values() if one))
        answers = [one.answer() for one in self.studies.values()]
        if self.ignores_keys:
            return answers
        return [one for one in answers if all(_matches(one, tag, value) for tag, value in wanted.items())]

    def _send(self, study: Study, watch: Callable[[], None]) -> Outcome:
        if self.is_away:
            raise AWAY
        self.retrieved.append(study.uid)
        if study.faults:
            raise study.faults.pop(0)
        sent = study.instances - study.failing
        for _ in range(sent):
            watch()
        if sent:
            self.stored[study.uid] = sent
        failed = tuple(f"{study.uid}.9.{number}" for number in range(study.failing)) if study.names_failed else ()
        return Outcome(sent, study.failing, 0, failed)


def _matches(answer: DataSetJson, tag: str, wanted: str | None) -> bool:
    if not wanted:
        return True
    first, _, last = wanted.partition("-")
    return first <= (first_value(answer, tag) or "") <= (last or first)


def studies(count: int) -> list[Study]:
    return [Study(f"1.2.{number}", f"A{number}", f"202601{number:02}") for number in range(1, count + 1)]


def run(
    pacs: FakePacs,
    selection: Selection,
    work: FakeWork,
    method: Retrieve = Retrieve.MOVE,
    clock: FakeClock | None = None,
    rate: float = 0,
) -> Collected:
    clock = clock or FakeClock()
    collector = Collector(pacs, pacs, pacs, {"pacs": Pace(rate, clock)}, clock, FakeWaiting())
    entity = LocalEntity("DIANA", "raw", attributes={"trial": "atlas"})
    return collector.run(Order(correspondent(), entity, method, selection), work)


def test_accession_numbers_are_found_brought_counted_and_told_to_the_archive() -> None:
    pacs, work = FakePacs(*studies(3)), FakeWork()
    collected = run(pacs, by_accession(["A1", "A3", "A7"]), work)
    assert pacs.asked == ["A1", "A3", "A7"]
    assert pacs.retrieved == ["1.2.1", "1.2.3"]
    assert pacs.methods == ["move to DIANA"] * 2
    assert pacs.told == [("1.2.1", INSTANCES), ("1.2.3", INSTANCES)]
    assert (collected.study_count, collected.complete_study_count) == (2, 2)
    assert (collected.instance_count, collected.failed_instance_count) == (2 * INSTANCES, 0)
    assert [(item, error.reason) for item, error in work.failures] == [("A7", Reason.STUDY_NOT_FOUND)]
    assert work.shown[-1] == (3, 3)


def test_days_are_swept_and_a_study_that_is_found_twice_comes_once() -> None:
    pacs, work = FakePacs(*studies(6)), FakeWork()
    twin = pacs.studies["1.2.2"].answer()
    asked = pacs._answers
    pacs._answers = lambda inquiry: [*asked(inquiry), {**twin, "00080020": {"vr": "DA", "Value": ["20260104"]}}]  # type: ignore[method-assign]
    collected = run(pacs, by_dates("20260101", "20260106", 2, []), work)
    assert sorted(pacs.retrieved) == [f"1.2.{number}" for number in range(1, 7)]
    assert collected.complete_study_count == 6
    assert not work.failures


def test_a_peer_that_ignores_keys_does_not_have_us_bring_all_that_it_has() -> None:
    pacs = FakePacs(*studies(9))
    pacs.ignores_keys = True
    for selection in (by_accession(["A2"]), by_study(["1.2.3"]), by_dates("20260104", "20260105", 1, [])):
        run(pacs, selection, FakeWork())
    assert pacs.retrieved == ["1.2.2", "1.2.3", "1.2.4", "1.2.5"]


def test_instances_that_come_over_our_own_association_end_a_session_of_the_studys() -> None:
    pacs = FakePacs(Study("1.2.1", "A1", "20260101", is_counted=False))
    collected = run(pacs, by_study(["1.2.1"]), FakeWork(), Retrieve.GET)
    assert pacs.methods == ["get into raw"]
    assert pacs.sessions == [("1.2.1", INSTANCES)]
    assert pacs.described == ["1.2.1"]
    assert not pacs.told
    assert collected.complete_study_count == 1


@pytest.mark.parametrize("names_failed", [True, False])
def test_instances_that_the_peer_cannot_send_have_failed(names_failed: bool) -> None:
    pacs, work = FakePacs(Study("1.2.1", "A1", "20260101", failing=2, names_failed=names_failed)), FakeWork()
    collected = run(pacs, by_study(["1.2.1"]), work)
    assert (collected.study_count, collected.complete_study_count) == (1, 0)
    assert (collected.instance_count, collected.failed_instance_count) == (2, 2)
    expected = ["1.2.1.9.0", "1.2.1.9.1"] if names_failed else ["1.2.1"]
    assert [item for item, _ in work.failures] == expected


def test_what_a_peer_only_begins_to_send_is_waited_for() -> None:
    pacs, clock = FakePacs(*studies(1)), FakeClock()
    pacs.arrives_late = 10
    assert run(pacs, by_study(["1.2.1"]), FakeWork(), clock=clock).complete_study_count == 1
    assert 0 < clock.slept < 20


def test_a_study_that_never_comes_whole_is_incomplete_after_a_while() -> None:
    pacs, work = FakePacs(*studies(1)), FakeWork()
    pacs.arrives_late = 10_000
    assert run(pacs, by_study(["1.2.1"]), work).complete_study_count == 0
    assert [error.reason for _, error in work.failures] == [Reason.STUDY_INCOMPLETE]


def test_a_peer_that_is_away_is_waited_for() -> None:
    pacs, clock = FakePacs(*studies(2)), FakeClock()
    pacs.is_away = True
    work = FakeWork(stop_when=lambda: _comes_back(pacs, clock, after=5000))
    assert run(pacs, by_study(["1.2.1", "1.2.2"]), work, clock=clock).complete_study_count == 2
    assert clock.slept >= 5000
    assert not work.failures


def _comes_back(pacs: FakePacs, clock: FakeClock, after: float) -> bool:
    pacs.is_away = clock.slept < after
    return False


def test_a_study_at_which_associations_break_is_tried_again_and_then_has_failed() -> None:
    poison, passing = studies(2)
    poison.faults, passing.faults = [AWAY] * 3, [AWAY] * 2
    pacs, work = FakePacs(poison, passing), FakeWork()
    collected = run(pacs, by_study(["1.2.1", "1.2.2"]), work)
    assert pacs.retrieved == ["1.2.1"] * 3 + ["1.2.2"] * 3
    assert collected.complete_study_count == 1
    assert [(item, error.reason) for item, error in work.failures] == [("1.2.1", Reason.AE_UNAVAILABLE)]


def test_a_peer_that_is_out_of_resources_is_asked_again_as_often_as_configured() -> None:
    busy = DianaError(Reason.PEER_REFUSED, "busy", metadata={"status": "A701"})
    first, second = studies(2)
    first.faults, second.faults = [busy] * 2, [busy] * 3
    pacs, work = FakePacs(first, second), FakeWork()
    assert run(pacs, by_study(["1.2.1", "1.2.2"]), work).complete_study_count == 1
    assert pacs.retrieved == ["1.2.1"] * 3 + ["1.2.2"] * 3
    assert [(item, error) for item, error in work.failures] == [("1.2.2", busy)]


def test_a_query_that_breaks_goes_on_with_what_was_not_answered() -> None:
    pacs, work = FakePacs(*studies(3)), FakeWork()
    pacs.query_faults = [AWAY]
    assert run(pacs, by_study([f"1.2.{n}" for n in (1, 2, 3)]), work).complete_study_count == 3
    assert pacs.asked == ["1.2.1", "1.2.2", "1.2.3"]


def test_a_query_that_is_refused_has_failed_and_the_rest_goes_on() -> None:
    pacs, work = FakePacs(*studies(2)), FakeWork()
    pacs.query_faults = [DianaError(Reason.PEER_REFUSED, "no", metadata={"status": "C001"})]
    assert run(pacs, by_study(["1.2.1", "1.2.2"]), work).complete_study_count == 1
    assert [(item, error.metadata) for item, error in work.failures] == [("1.2.1", {"status": "C001"})]


@pytest.mark.parametrize(
    "fault",
    [
        DianaError(Reason.ASSOCIATION_REJECTED, "no"),
        DianaError(Reason.PEER_REFUSED, "no", metadata={"status": "A801"}),
    ],
)
def test_what_would_fail_with_every_study_ends_the_operation(fault: DianaError) -> None:
    first, second = studies(2)
    first.faults = [fault]
    pacs = FakePacs(first, second)
    with pytest.raises(DianaError) as raised:
        run(pacs, by_study(["1.2.1", "1.2.2"]), FakeWork())
    assert raised.value is fault
    assert pacs.retrieved == ["1.2.1"]


@pytest.mark.parametrize(
    "selection",
    [
        by_study([f"1.2.{number}" for number in range(1, 10)]),
        by_accession([f"A{number}" for number in range(1, 10)]),
        by_dates("20260101", "20260109", 4, []),
        by_dates("20260101", "20260109", 1, []),
    ],
)
def test_what_is_complete_is_not_asked_for_again_after_a_stop(selection: Selection) -> None:
    pacs = FakePacs(*studies(9))
    pacs.studies["1.2.4"].failing = 1
    work: FakeWork | None = None
    for most in (1, 2, 4, 7):
        work = _resumed(work, lambda most=most: len(pacs.retrieved) > most)  # type: ignore[misc]
        with pytest.raises(Stopped):
            run(pacs, selection, work)
    assert work is not None
    last = work.again()
    collected = run(pacs, selection, last)
    again = [uid for uid in set(pacs.retrieved) if pacs.retrieved.count(uid) > 1]
    assert not again
    assert (collected.study_count, collected.complete_study_count) == (9, 8)
    assert collected.instance_count == 9 * INSTANCES - 1
    assert [item for item, _ in last.failures] == ["1.2.4.9.0"]


def test_what_fails_because_we_stop_has_not_failed() -> None:
    pacs = FakePacs(*studies(2))
    pacs.studies["1.2.2"].failing = 3
    work = FakeWork(lambda: len(pacs.retrieved) == 2)
    with pytest.raises(Stopped):
        run(pacs, by_study(["1.2.1", "1.2.2"]), work)
    assert not work.failures
    pacs.studies["1.2.2"].failing = 0
    assert run(pacs, by_study(["1.2.1", "1.2.2"]), work.again()).complete_study_count == 2
    assert pacs.retrieved == ["1.2.1", "1.2.2", "1.2.2"]


def _resumed(before: FakeWork | None, stop_when: Callable[[], bool]) -> FakeWork:
    work = FakeWork(stop_when)
    if before:
        work.last_checkpoint, work.failures = before.last_checkpoint, before.failures
    return work


@pytest.mark.parametrize("method", list(Retrieve))
def test_instances_come_at_the_rate_of_the_peer(method: Retrieve) -> None:
    pacs, clock = FakePacs(*studies(6)), FakeClock()
    run(pacs, by_study([f"1.2.{number}" for number in range(1, 7)]), FakeWork(), method, clock, rate=2)
    assert (6 - 1) * INSTANCES / 2 <= clock.slept <= 6 * INSTANCES / 2
