"""What messages may say: of the study, of this system, of what happened; and how they are wrapped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_common.errors import DianaError, Reason
from diana_notify.core.addresses import AddressBook
from diana_notify.core.directory import Directory, Subscription
from diana_notify.core.model import Content, StudyRef, Subscriber
from diana_notify.core.rules import Rule, Rules, StudyCompleted
from tests.unit.notify.notify_bench import NotifyBench, email

STUDY = StudyRef("deid", "1.2.3")
ABOUT = Content(subject="News", body="{{ study.PatientID }} of {{ study.attributes.trial }}", study=STUDY)
RULE = Rule("r", frozenset({"deid"}), "mammo-hospital_b", "patient")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[NotifyBench]:
    one = NotifyBench(tmp_path)
    yield one
    one.ledger.close()


def completed(study_uid: str = "1.2.3") -> StudyCompleted:
    return StudyCompleted("deid", study_uid, "declared", 3, {"trial": "mammo"})


def test_the_study_is_read_once_and_only_if_a_template_names_it(bench: NotifyBench) -> None:
    (message, *_) = bench.notifier.preview("mammo-hospital_a", ABOUT)
    assert message.body == "ZZPATIENTZZ of mammo"
    assert bench.studies.asked == [STUDY]
    bench.notifier.preview(email(), Content(subject="News", body="nothing of it", study=STUDY))
    assert len(bench.studies.asked) == 1


def test_a_template_that_names_a_study_where_none_is_given_is_refused(bench: NotifyBench) -> None:
    with pytest.raises(DianaError) as caught:
        bench.notifier.send(email(), Content(subject="{{ study.PatientID }}"))
    assert (caught.value.reason, "study is not given" in str(caught.value)) == (Reason.TEMPLATE_INVALID, True)


@pytest.mark.parametrize(
    ("uid", "down", "reason"), [("9.9", False, "STUDY_NOT_FOUND"), ("1", True, "PEER_UNAVAILABLE")]
)
def test_a_study_that_cannot_be_read_is_told_and_nothing_is_queued(
    bench: NotifyBench, uid: str, down: bool, reason: str
) -> None:
    bench.studies.down = down
    with pytest.raises(DianaError) as caught:
        bench.notifier.dispatch("mammo-hospital_a", Content(subject="{{ study.store }}", study=StudyRef("deid", uid)))
    assert caught.value.reason.name == reason
    assert not bench.all()


def test_a_rules_template_may_name_the_study_and_what_happened(bench: NotifyBench) -> None:
    (message,) = Rules([RULE], bench.directory, bench.composer, bench.observer).messages(completed())
    assert (message.subject, message.body) == ("deid declared", "ZZPATIENTZZ mammo")


def test_a_rule_whose_study_is_gone_tells_nobody_and_one_that_cannot_read_it_is_asked_again(bench: NotifyBench) -> None:
    rules = Rules([RULE], bench.directory, bench.composer, bench.observer)
    assert rules.messages(completed("9.9")) == []
    assert bench.observer.unmatched_reasons == [("r", "9.9", Reason.STUDY_NOT_FOUND)]
    bench.studies.down = True
    with pytest.raises(DianaError) as caught:
        rules.messages(completed())
    assert caught.value.reason is Reason.PEER_UNAVAILABLE


def test_a_subscribers_messages_are_wrapped_as_they_want_them(bench: NotifyBench) -> None:
    cleo, dan = bench.notifier.preview("letters", Content(subject="News", body="It is {{ sender.address }}."))
    assert (cleo.subject, cleo.body) == ("News", "Dear Cleo,\nIt is diana@hospital.example.\nYours, DIANA")
    assert dan.body == "Dear Dan,\nIt is diana@hospital.example.\nYours, DIANA"
    assert not bench.all()


def test_another_study_is_another_request(bench: NotifyBench) -> None:
    bench.notifier.send(email(), Content(subject="s", study=STUDY), "r")
    bench.notifier.send(email(), Content(subject="s", study=STUDY), "r")
    with pytest.raises(DianaError) as caught:
        bench.notifier.send(email(), Content(subject="s", study=StudyRef("deid", "2")), "r")
    assert caught.value.reason is Reason.REQUEST_ID_REUSED


def test_a_wrap_that_is_no_template_is_refused_with_its_place() -> None:
    subscriber = Subscriber("Ada", "ada@a.example", "", [email()], "leter")
    with pytest.raises(DianaError) as caught:
        Directory({}, [Subscription(subscriber, [])], {}, AddressBook(True, []))
    assert caught.value.fields[0].field == "subscribers[0].wrap"
