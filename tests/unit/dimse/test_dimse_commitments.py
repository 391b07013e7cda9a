"""Storage commitment as provider: what is judged, kept over a crash, reported, tried again and given up."""

from __future__ import annotations

from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_dimse.core.commitment.model import (
    Asked,
    FailureReason,
    Reference,
    Result,
    action_information,
    event_information,
    read_action_information,
    read_event_information,
)
from diana_dimse.core.commitment.provider import Patience
from tests.support.commitment_fakes import CT, MR, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.held.classes = {"1.1": CT, "1.2": CT, "1.3": MR}
    return site


def test_each_instance_is_judged_by_what_is_held_and_of_which_class(site: Site) -> None:
    number = site.accept("1.1", "1.3", "1.4")
    site.now += 11
    result = site.commitments.result(number)
    assert result == Result(
        "1.9",
        (Reference(CT, "1.1"),),
        {
            Reference(CT, "1.3"): FailureReason.CLASS_INSTANCE_CONFLICT,
            Reference(CT, "1.4"): FailureReason.NO_SUCH_OBJECT_INSTANCE,
        },
    )
    assert result.event_type_id == 2


def test_instances_under_way_are_waited_for_a_while(site: Site) -> None:
    number = site.accept("1.1", "1.4")
    assert site.commitments.result(number) is None
    site.held.classes["1.4"] = CT
    result = site.commitments.result(number)
    assert result is not None
    assert (result.event_type_id, len(result.committed)) == (1, 2)


def test_an_archive_that_cannot_tell_fails_every_instance(site: Site) -> None:
    number = site.accept("1.1")
    site.held.refusal = Reason.STORE_DAMAGED
    result = site.commitments.result(number)
    assert result is not None
    assert list(result.failed.values()) == [FailureReason.PROCESSING_FAILURE]


def test_an_archive_that_does_not_answer_is_asked_again(site: Site) -> None:
    number = site.accept("1.1")
    site.commitments.let_go(number)
    site.held.refusal = Reason.PEER_UNAVAILABLE
    assert site.commitments.report_next() == 0
    assert site.commitments.report_next() > 1
    site.held.refusal = None
    site.now += 10
    site.commitments.report_next()
    assert site.told.results.get_nowait()[1].committed == (Reference(CT, "1.1"),)
    assert site.ledger.count() == 0


def test_what_was_accepted_is_reported_after_a_crash(site: Site) -> None:
    number = site.accept("1.1", "1.2")
    assert site.commitments.report_next() > 60  # the association that asked has it
    site.start_again()
    site.commitments.report_next()
    told, result = site.told.results.get_nowait()
    assert (told.number, told.asked.transaction_uid, result.event_type_id) == (number, "1.9", 1)
    site.start_again()
    assert site.ledger.count() == 0


def test_a_requestor_that_cannot_be_told_is_tried_less_and_less_often_then_given_up_visibly(site: Site) -> None:
    site.commitments.let_go(site.accept("1.1"))
    site.told.refusal = Reason.AE_UNAVAILABLE
    waits = []
    while site.ledger.count():
        wait = site.commitments.report_next()
        site.now += wait
        waits += [wait] if wait else []
    assert waits == pytest.approx([2, 4, 8, 16, 32, 64, 128, 256, 512])
    assert site.watched.given_up_on == [("1.9", Reason.AE_UNAVAILABLE)]


def test_a_fault_with_one_is_seen_and_does_not_keep_others_waiting(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.commitments.let_go(site.accept("1.1"))
    site.commitments.let_go(site.accept("1.1", transaction="1.8", calling="OTHER"))
    with monkeypatch.context() as patched:
        patched.setattr(site.held, "classes", None)
        site.commitments.report_next()
    assert [type(one) for one in site.watched.faults] == [TypeError]
    site.commitments.report_next()
    assert site.told.results.get_nowait()[0].calling == "OTHER"


def test_a_stranger_who_left_is_given_up_at_once(site: Site) -> None:
    site.commitments.let_go(site.accept("1.1"))
    site.told.refusal = Reason.AE_UNKNOWN
    site.commitments.report_next()
    assert (site.ledger.count(), site.watched.given_up_on) == (0, [("1.9", Reason.AE_UNKNOWN)])


def test_one_that_cannot_be_told_does_not_keep_others_waiting(site: Site) -> None:
    site.commitments.let_go(site.accept("1.1"))
    site.told.refusal = Reason.AE_UNAVAILABLE
    site.commitments.report_next()
    site.told.refusal = None
    site.commitments.let_go(site.accept("1.1", transaction="1.8", calling="OTHER"))
    site.commitments.report_next()
    assert site.told.results.get_nowait()[0].calling == "OTHER"
    assert site.ledger.count() == 1


def test_the_same_request_once_more_is_the_same_transaction(site: Site) -> None:
    first = site.accept("1.1")
    assert site.accept("1.1") == first
    assert site.accept("1.1", calling="OTHER") != first
    with pytest.raises(DianaError) as refused:
        site.accept("1.2")
    assert refused.value.reason is Reason.REQUEST_ID_REUSED


def test_no_more_than_so_many_wait(tmp_path: Path) -> None:
    site = Site(tmp_path, most=2)
    for number in range(2):
        site.accept("1.1", transaction=f"1.9.{number}")
    with pytest.raises(DianaError) as refused:
        site.accept("1.1", transaction="1.9.2")
    assert refused.value.reason is Reason.OVERLOADED
    assert site.accept("1.1", transaction="1.9.0") == 1


def test_what_was_reported_over_one_association_is_not_over_another(site: Site) -> None:
    first, second = site.accept("1.1"), site.accept("1.1")
    site.commitments.reported(first)
    with pytest.raises(DianaError) as refused:
        site.commitments.result(second)
    assert refused.value.reason is Reason.OPERATION_NOT_FOUND


def test_the_worker_reports_by_itself(tmp_path: Path) -> None:
    site = Site(tmp_path, patience=Patience(0, 1000))
    site.commitments.start()
    try:
        site.commitments.let_go(site.accept("1.1"))
        _, result = site.told.results.get(timeout=20)
    finally:
        site.commitments.stop()
    assert (result.failed, site.watched.faults) == ({Reference(CT, "1.1"): 0x0112}, [])


def test_what_is_asked_and_answered_comes_back_as_it_went() -> None:
    asked = Asked("1.9", (Reference(CT, "1.1"), Reference(MR, "1.2")))
    assert read_action_information(action_information(asked)) == asked
    result = Result("1.9", asked.references[:1], {asked.references[1]: 0x0213})
    assert read_event_information(event_information(result)) == result


@pytest.mark.parametrize(
    "information",
    [
        {},
        {"00081195": {"vr": "UI", "Value": ["1.9"]}},
        {"00081195": {"vr": "UI", "Value": ["1.9"]}, "00081199": {"vr": "SQ", "Value": [{}]}},
        {"00081195": {"vr": "UI", "Value": ["x"]}, "00081199": {"vr": "SQ", "Value": [{
            "00081150": {"vr": "UI", "Value": [CT]}, "00081155": {"vr": "UI", "Value": ["1.1"]}}]}},
    ],
)  # fmt: skip
def test_a_request_without_transaction_or_instances_is_refused(information: dict[str, dict[str, object]]) -> None:
    with pytest.raises(DianaError) as refused:
        read_action_information(information)
    assert refused.value.reason is Reason.INVALID_FIELD
