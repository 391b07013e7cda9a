"""Digests: what comes for somebody within a while goes as one, and the name it goes under keeps its meaning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from diana_common.attempts import Postponed
from diana_common.errors import DianaError, Reason
from diana_notify.core.digests import BODY_PLACE, MAX_MEMBERS, MAX_TEXT_BYTES, Part, combined
from diana_notify.core.model import Content, Delivery, Message, Parcel, State
from diana_notify.stores.sqlite import SqliteLedger
from tests.unit.notify.notify_bench import NotifyBench, email


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    one = SqliteLedger(tmp_path / "ledger.sqlite")
    yield one
    one.close()


def message(text: str, to: str = "ada", seconds: float = 10.0) -> Message:
    return Message(email(to), "email", "subject", text, digest_seconds=seconds)


def add(ledger: SqliteLedger, text: str, now: float, to: str = "ada") -> Delivery:
    return ledger.add([message(text, to)], now)[0]


def taken(ledger: SqliteLedger, now: float) -> Parcel:
    parcel = ledger.next_for("email", now, [])
    assert parcel is not None
    return parcel


def test_three_hundred_studies_are_one_mail(ledger: SqliteLedger) -> None:
    first = add(ledger, "study 0", 100.0)
    for number in range(1, 300):
        add(ledger, f"study {number}", 100.0 + number / 100)
    assert ledger.waiting([]) == [("email", 110.0)]
    assert ledger.next_for("email", 109.9, []) is None
    parcel = taken(ledger, 110.0)
    assert (parcel.delivery.name, len(parcel.numbers)) == (first.name, 300)
    assert parcel.subject == "subject (300 messages)"
    assert [f"study {number}" in parcel.body.split("\n") for number in range(300)] == [True] * 300
    ledger.succeeded(parcel, 111.0)
    assert {(one.state, one.digest) for one in ledger.page(None, 1000, None, "")} == {(State.SENT, first.name)}
    assert ledger.waiting([]) == []


def test_recipients_have_digests_of_their_own_and_one_alone_is_none(ledger: SqliteLedger) -> None:
    alone = add(ledger, "for Bob", 100.0, "bob")
    add(ledger, "for Ada", 101.0)
    add(ledger, "for Ada too", 102.0)
    bobs = taken(ledger, 110.0)
    assert (bobs.delivery.name, bobs.subject, bobs.body, bobs.numbers) == (
        alone.name,
        "subject",
        "for Bob",
        (alone.number,),
    )
    ledger.succeeded(bobs, 110.5)
    assert ledger.get(alone.name).digest == ""
    assert len(taken(ledger, 111.0).numbers) == 2


def test_what_comes_after_the_first_attempt_goes_into_the_next_one(ledger: SqliteLedger) -> None:
    first = add(ledger, "one", 100.0)
    add(ledger, "two", 101.0)
    tried = taken(ledger, 110.0)
    ledger.failed(tried, "SMTP 451", 115.0)
    late = add(ledger, "three", 112.0)
    again = taken(ledger, 115.0)
    assert (again.delivery.name, again.subject, again.body) == (first.name, tried.subject, tried.body)
    assert again.attempt_count == 1
    ledger.succeeded(again, 116.0)
    assert (after := taken(ledger, 122.0)).delivery.name == late.name
    assert after.body == "three"


def test_a_lone_message_that_was_tried_does_not_become_a_digest(ledger: SqliteLedger) -> None:
    first = add(ledger, "one", 100.0)
    ledger.failed(taken(ledger, 110.0), "SMTP 451", 120.0)
    add(ledger, "two", 111.0)
    assert taken(ledger, 120.0).delivery.name == first.name
    assert taken(ledger, 120.0).body == "one"


def test_what_does_not_fit_goes_in_the_next_one(ledger: SqliteLedger) -> None:
    half = "x" * (MAX_TEXT_BYTES // 2)
    for text in (half, "y" * 100, half):
        add(ledger, text, 100.0)
    first = taken(ledger, 110.0)
    assert len(first.numbers) == 2
    ledger.succeeded(first, 110.0)
    assert len(taken(ledger, 110.0).body) == len(half)
    for number in range(MAX_MEMBERS + 1):
        add(ledger, str(number), 200.0, "bob")
    sizes = []
    while parcel := ledger.next_for("email", 300.0, []):
        sizes.append(len(parcel.numbers))
        ledger.succeeded(parcel, 300.0)
    assert sizes == [1, MAX_MEMBERS, 1]


def test_a_formed_digest_is_cancelled_and_replayed_as_a_whole(ledger: SqliteLedger) -> None:
    first, second = add(ledger, "one", 100.0), add(ledger, "two", 100.0)
    tried = taken(ledger, 110.0)
    ledger.failed(tried, "SMTP 451", 115.0)
    assert ledger.cancel(second.name, 112.0).state is State.CANCELLED
    assert ledger.get(first.name).state is State.CANCELLED
    assert ledger.waiting([]) == []
    assert ledger.replay(second.name, 113.0).digest == first.name
    again = taken(ledger, 113.0)
    assert (again.delivery.name, again.body, again.attempt_count) == (first.name, tried.body, 0)
    ledger.dead(again, "SMTP 550", 114.0)
    assert {one.state for one in ledger.page(None, 9, None, "")} == {State.DEAD}


def test_one_that_is_cancelled_before_the_digest_is_formed_is_left_out(ledger: SqliteLedger) -> None:
    first, _, _ = add(ledger, "one", 100.0), add(ledger, "two", 100.0), add(ledger, "three", 100.0)
    ledger.cancel(first.name, 105.0)
    parcel = taken(ledger, 110.0)
    assert "one" not in parcel.body and len(parcel.numbers) == 2
    with pytest.raises(DianaError) as caught:
        ledger.succeeded(parcel, 110.0)
        ledger.cancel(parcel.delivery.name, 111.0)
    assert caught.value.reason is Reason.DELIVERY_ENDED


def test_a_digest_behind_a_dead_target_ends_with_it(ledger: SqliteLedger) -> None:
    add(ledger, "one", 100.0)
    add(ledger, "two", 105.0)
    ledger.failed(taken(ledger, 110.0), "refused", 120.0)
    assert ledger.bury("email", 102.0, "refused", 130.0) == 2
    assert ledger.waiting([]) == []


def test_an_envelope_is_put_around_all_of_a_digest_once(tmp_path: Path) -> None:
    bench = NotifyBench(tmp_path)
    for text in ("one", "two"):
        bench.notifier.dispatch("digests", Content(subject=text, body=f"text {text}"))
    dan = next(one for one in bench.all() if "dan" in one.recipient.address)
    parcel = bench.ledger.next_for("email", 4e9, [])
    while parcel is not None and parcel.delivery.recipient != dan.recipient:
        bench.ledger.succeeded(parcel, 4e9)
        parcel = bench.ledger.next_for("email", 4e9, [])
    bench.ledger.close()
    assert parcel is not None
    assert parcel.subject == "one (and 1 more)"
    assert parcel.body.startswith("Dear Dan,\none\n\ntext one\n") and parcel.body.endswith("text two\nYours, DIANA")
    assert parcel.body.count("Dear") == 1


def test_a_text_without_a_place_in_its_envelope_goes_without_it() -> None:
    assert combined([Part("s", "text", "nothing")]) == ("s", "text")
    assert combined([Part("s", "text", f"<{BODY_PLACE}>")]) == ("s", "<text>")


def test_a_digest_is_carried_once_for_all_and_tried_again_as_one(tmp_path: Path) -> None:
    bench = NotifyBench(tmp_path)

    def once(parcel: Parcel) -> None:
        if len(bench.carrier.attempts) == 1:
            raise Postponed("SMTP 451")

    bench.carrier.behave = once
    deliveries = bench.ledger.add([message(str(number), seconds=0.05) for number in range(20)], 1.0)
    with bench.delivering():
        bench.wait_for(State.SENT, 20)
    bench.ledger.close()
    assert bench.carrier.attempts == [deliveries[0].name] * 2
