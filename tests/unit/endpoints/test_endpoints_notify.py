"""What a recipient written on a command line means, and what is told of a delivery."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from diana.notify.v1 import notify_service_pb2 as pb
from diana_client.notify import email
from diana_common.errors import DianaError, Reason
from diana_endpoints.notify import Notify, NotifySettings, recipient_of
from diana_endpoints.protocol.notify import Message


class Notifier:
    """A notifier that queues everything, and lists one delivery of each state."""

    def __init__(self) -> None:
        self.contents: list[pb.Content] = []
        self.asked: list[tuple[int, str]] = []

    def send(self, recipient: pb.Recipient, content: pb.Content) -> pb.Delivery:
        self.contents.append(content)
        return pb.Delivery(
            name="deliveries/a1",
            state=pb.Delivery.STATE_QUEUED,
            recipient=recipient,
            create_time=Timestamp(seconds=1_700_000_000, nanos=5_000_000),
            next_attempt_time=Timestamp(seconds=1_700_000_060),
        )

    def dispatch(self, channel: str, content: pb.Content) -> list[pb.Delivery]:
        return [pb.Delivery(name=f"deliveries/{n}", state=pb.Delivery.STATE_QUEUED, channel=channel) for n in "ab"]

    def deliveries(self, *, state: int, channel: str) -> Iterator[pb.Delivery]:
        self.asked.append((state, channel))
        yield pb.Delivery(state=pb.Delivery.STATE_DEAD, attempt_count=3, last_error="SMTP 550", rule="completed")

    def watch(self, *, channel: str) -> Iterator[pb.Delivery]:
        yield pb.Delivery(name="deliveries/b2", channel=channel, digest="deliveries/a1", state=pb.Delivery.STATE_QUEUED)

    def replay(self, name: str) -> pb.Delivery:
        return pb.Delivery(name=name, state=pb.Delivery.STATE_QUEUED)

    def cancel(self, name: str) -> pb.Delivery:
        return pb.Delivery(name=name, state=pb.Delivery.STATE_CANCELLED)

    def preview(self, to: pb.Recipient | str, content: pb.Content) -> pb.PreviewMessageResponse:
        self.contents.append(content)
        recipient = email("ada@x.example") if isinstance(to, str) else to
        return pb.PreviewMessageResponse(messages=[pb.MessagePreview(recipient=recipient, subject="S", body="B")])


@pytest.fixture
def notifier() -> Notifier:
    return Notifier()


@pytest.fixture
def notify(notifier: Notifier, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notify]:
    endpoint = Notify(NotifySettings("127.0.0.1:1"))
    monkeypatch.setattr(endpoint, "_client", notifier)
    yield endpoint
    endpoint.close()


@pytest.mark.parametrize(
    ("text", "transport", "address"),
    [
        ("email:ada@hospital.example", pb.TRANSPORT_EMAIL, "ada@hospital.example"),
        ("webhook:https://x.example:8443/in?a=b", pb.TRANSPORT_WEBHOOK, "https://x.example:8443/in?a=b"),
        ("file:study.jsonl", pb.TRANSPORT_FILE, "study.jsonl"),
        ("screen:", pb.TRANSPORT_SCREEN, ""),
        ("sms:16465550123@verizon", pb.TRANSPORT_SMS, "16465550123@verizon"),
        ("twilio:+16465550123", pb.TRANSPORT_TWILIO, "+16465550123"),
        ("slack:ops", pb.TRANSPORT_SLACK, "ops"),
        ("teams:trial", pb.TRANSPORT_TEAMS, "trial"),
        ("apprise:pager", pb.TRANSPORT_APPRISE, "pager"),
    ],
)
def test_a_recipient_is_a_transport_and_its_address(text: str, transport: int, address: str) -> None:
    recipient = recipient_of(text)
    assert (recipient.transport, recipient.address) == (transport, address)


@pytest.mark.parametrize(
    ("text", "hint"),
    [("emial:a@b.example", "did you mean 'email:'"), ("screen", "did you mean 'screen:'"), ("", "known:")],
)
def test_what_begins_with_no_transport_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(DianaError, match=hint) as caught:
        recipient_of(text)
    assert caught.value.reason is Reason.INVALID_FIELD


def test_a_delivery_is_told_with_its_state_recipient_and_times(notify: Notify, notifier: Notifier) -> None:
    item = notify.send("email:a@b.example", Message(subject="S", body="B", values={"n": "1"}))
    assert item.meta == {
        "delivery": "deliveries/a1",
        "state": "queued",
        "recipient": "email:a@b.example",
        "channel": "",
        "rule": "",
        "attempts": 0,
        "last_error": "",
        "created": "2023-11-14T22:13:20.005Z",
        "next_attempt": "2023-11-14T22:14:20.000Z",
    }
    [content] = notifier.contents
    assert (content.template, content.subject, content.body, dict(content.values)) == ("", "S", "B", {"n": "1"})


def test_a_channel_yields_a_delivery_for_each_subscriber(notify: Notify) -> None:
    items = list(notify.dispatch("news", Message(template="t")))
    assert [(item.meta["delivery"], item.meta["channel"], item.number) for item in items] == [
        ("deliveries/a", "news", 1),
        ("deliveries/b", "news", 2),
    ]


def test_the_ledger_is_listed_by_state_and_channel(notify: Notify, notifier: Notifier) -> None:
    [item] = notify.deliveries("dead", "news")
    list(notify.deliveries())
    assert notifier.asked == [(pb.Delivery.STATE_DEAD, "news"), (pb.Delivery.STATE_UNSPECIFIED, "")]
    assert (item.meta["state"], item.meta["attempts"], item.meta["last_error"]) == ("dead", 3, "SMTP 550")


def test_a_delivery_is_watched_replayed_and_cancelled_by_its_name_or_its_id(notify: Notify) -> None:
    (told,) = notify.watch_deliveries("news")
    assert (told.meta["channel"], told.meta["digest"]) == ("news", "deliveries/a1")
    assert notify.replay("a1").meta["delivery"] == "deliveries/a1"
    assert notify.cancel_delivery("deliveries/a1").meta["state"] == "cancelled"


def test_a_preview_is_for_a_recipient_or_for_a_channel_and_about_a_study(notify: Notify, notifier: Notifier) -> None:
    (one,) = notify.preview("channel:news", Message(template="t", study="1.2"))
    assert one.meta == {"recipient": "email:ada@x.example", "subject": "S", "body": "B"}
    (other,) = notify.preview("screen:", Message(template="t", study="deid/1.2"))
    assert other.meta["recipient"] == "screen:"
    assert [(one.study.store, one.study.study_uid) for one in notifier.contents] == [
        ("default", "1.2"),
        ("deid", "1.2"),
    ]
