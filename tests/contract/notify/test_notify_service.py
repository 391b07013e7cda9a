"""The contract of NotifyService, on a real server with a real mail server behind it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from diana.notify.v1 import notify_service_pb2 as pb
from diana.notify.v1.notify_service_pb2_grpc import NotifyServiceStub
from tests.contract.guid.refusals import refused
from tests.contract.notify.conftest import Serve
from tests.support.awaiting import awaited
from tests.support.smtp import MailServer

SECRET = "ZZSECRETZZ"
ADA = pb.Recipient(transport=pb.TRANSPORT_EMAIL, address="ada@a.example")
TEXT = pb.Content(subject="Hello {{ values.who }}", body="It works.\n", values={"who": "Ada"})
INJECTION = pb.Content(subject="{{ values.x }}", values={"x": f"{SECRET}\nBcc: x@y"})
ARRIVED = pb.Content(template="arrived", values={"count": "3"})


def send(
    stub: NotifyServiceStub, content: pb.Content = TEXT, recipient: pb.Recipient = ADA, request_id: str = ""
) -> pb.Delivery:
    request = pb.SendMessageRequest(request_id=request_id, recipient=recipient, content=content)
    return stub.SendMessage(request).delivery


def listed(stub: NotifyServiceStub, state: str = "", channel: str = "") -> list[pb.Delivery]:
    wanted = pb.Delivery.State.Value(f"STATE_{state or 'UNSPECIFIED'}")
    return list(stub.ListDeliveries(pb.ListDeliveriesRequest(state=wanted, channel=channel)).deliveries)


def test_a_message_is_queued_sent_and_listed(stub: NotifyServiceStub, mail: MailServer) -> None:
    queued = send(stub)
    assert queued.state == pb.Delivery.STATE_QUEUED and queued.HasField("next_attempt_time")
    (one,) = mail.wait_for(1)
    assert (one.message["Subject"], one.text.replace("\r\n", "\n")) == ("Hello Ada", "It works.\n")
    assert one.message_id == f"<{queued.name.removeprefix('deliveries/')}@a.example>"
    assert awaited(lambda: len(listed(stub, "SENT")) == 1)
    found = stub.GetDelivery(pb.GetDeliveryRequest(name=queued.name)).delivery
    assert (found.state, found.attempt_count, found.recipient) == (pb.Delivery.STATE_SENT, 1, ADA)
    assert found.HasField("end_time") and not found.HasField("next_attempt_time")


def test_a_channels_subscribers_each_get_theirs_over_each_of_their_transports(
    stub: NotifyServiceStub, mail: MailServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    request = pb.DispatchMessageRequest(channel="mammo-hospital_a", content=ARRIVED)
    deliveries = stub.DispatchMessage(request).deliveries
    assert [one.recipient.transport for one in deliveries] == [
        pb.TRANSPORT_EMAIL,
        pb.TRANSPORT_FILE,
        pb.TRANSPORT_SCREEN,
    ]
    assert awaited(lambda: len(listed(stub, "SENT", "mammo-hospital_a")) == 3)
    assert mail.mails[0].text.strip() == "3 for Ada"
    (line,) = (tmp_path / "notify" / "outbox" / "bob.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "id": deliveries[1].name,
        "channel": "mammo-hospital_a",
        "subject": "Mammography at A",
        "body": "3 for Bob",
    }
    assert not listed(stub, channel="mammo-hospital_b")


def test_a_channel_without_subscribers_is_no_error(stub: NotifyServiceStub) -> None:
    assert not stub.DispatchMessage(pb.DispatchMessageRequest(channel="quiet", content=ARRIVED)).deliveries
    assert not listed(stub)


def test_a_request_repeated_queues_nothing_more(stub: NotifyServiceStub, mail: MailServer) -> None:
    assert send(stub, request_id="r1").name == send(stub, request_id="r1").name
    request = pb.DispatchMessageRequest(request_id="r2", channel="mammo-hospital_a", content=ARRIVED)
    first, again = stub.DispatchMessage(request), stub.DispatchMessage(request)
    assert [one.name for one in first.deliveries] == [one.name for one in again.deliveries]
    assert len(listed(stub)) == 4
    for other in (
        pb.SendMessageRequest(request_id="r1", recipient=ADA, content=ARRIVED),
        pb.SendMessageRequest(request_id="r2", recipient=ADA, content=TEXT),
    ):
        assert refused(stub.SendMessage, other).reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("recipient", "content", "reason", "field"),
    [
        (ADA, pb.Content(template="nope"), "TEMPLATE_UNKNOWN", None),
        (ADA, pb.Content(subject="{{ values.x }}"), "TEMPLATE_INVALID", "content.subject"),
        (ADA, pb.Content(body="{{ 'a' * 10**10 }}"), "TEMPLATE_INVALID", "content.body"),
        (ADA, INJECTION, "TEMPLATE_INVALID", "content.subject"),
        (ADA, ARRIVED, "TEMPLATE_INVALID", "templates.arrived.subject"),  # which names the channel: there is none
        (ADA, pb.Content(), "INVALID_FIELD", "content"),
        (ADA, pb.Content(template="arrived", body="x"), "INVALID_FIELD", "content"),
        (ADA, pb.Content(body="x", values={"Bad Key": "x"}), "INVALID_FIELD", "content.values"),
        (
            pb.Recipient(transport=pb.TRANSPORT_EMAIL, address=f"{SECRET}\n@x"),
            TEXT,
            "RECIPIENT_INVALID",
            "recipient.address",
        ),
        (
            pb.Recipient(transport=pb.TRANSPORT_WEBHOOK, address="http://evil/"),
            TEXT,
            "RECIPIENT_INVALID",
            "recipient.address",
        ),
        (pb.Recipient(transport=pb.TRANSPORT_FILE, address="../x"), TEXT, "RECIPIENT_INVALID", "recipient.address"),
        (pb.Recipient(transport=pb.TRANSPORT_SCREEN, address="x"), TEXT, "RECIPIENT_INVALID", "recipient.address"),
        (pb.Recipient(address="x"), TEXT, "INVALID_FIELD", "recipient.transport"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_field_and_leaves_nothing(
    stub: NotifyServiceStub, recipient: pb.Recipient, content: pb.Content, reason: str, field: str | None
) -> None:
    found = refused(stub.SendMessage, pb.SendMessageRequest(recipient=recipient, content=content))
    assert (found.reason, found.fields) == (reason, [] if field is None else [field])
    assert SECRET not in found.text
    assert not listed(stub)


def test_templates_name_what_is_set_of_an_item_and_nothing_else(stub: NotifyServiceStub) -> None:
    item = pb.MessageItem(rule="intake", store="inbox", study_uid="1.2", attributes={"site": "north"})
    text = "{{ item.rule }} {{ item.store }}/{{ item.study_uid }} {{ item.attributes.site }}"
    request = pb.PreviewMessageRequest(recipient=ADA, content=pb.Content(subject="s", body=text, item=item))
    assert [one.body for one in stub.PreviewMessage(request).messages] == ["intake inbox/1.2 north"]
    for wrong in ("{{ item.path }}", "{{ item.attributes.trial }}"):
        request.content.body = wrong
        assert refused(stub.PreviewMessage, request).reason == "TEMPLATE_INVALID"


def test_an_unknown_channel_or_delivery_is_not_found(stub: NotifyServiceStub) -> None:
    request = pb.DispatchMessageRequest(channel="nowhere", content=ARRIVED)
    assert refused(stub.DispatchMessage, request).reason == "CHANNEL_UNKNOWN"
    assert refused(stub.GetDelivery, pb.GetDeliveryRequest(name="deliveries/x")).reason == "DELIVERY_NOT_FOUND"
    assert refused(stub.GetDelivery, pb.GetDeliveryRequest(name="x")).reason == "INVALID_FIELD"


def test_a_channels_messages_are_all_queued_or_none(serve: Serve) -> None:
    content = pb.Content(subject="s", body="{% if recipient.name == 'Bob' %}{{ values.nope }}{% endif %}")
    stub = serve()
    request = pb.DispatchMessageRequest(channel="mammo-hospital_a", content=content)
    assert refused(stub.DispatchMessage, request).reason == "TEMPLATE_INVALID"
    assert not listed(stub)


def test_pages_hold_all_newest_first_and_tokens_of_other_lists_are_refused(stub: NotifyServiceStub) -> None:
    names = [send(stub).name for _ in range(7)][::-1]
    found, token = [], ""
    while True:
        page = stub.ListDeliveries(pb.ListDeliveriesRequest(page_size=3, page_token=token))
        found += [one.name for one in page.deliveries]
        if not page.next_page_token:
            break
        token = page.next_page_token
    assert found == names
    for bad in (pb.ListDeliveriesRequest(page_token=token, channel="x"), pb.ListDeliveriesRequest(page_token="x")):
        assert refused(stub.ListDeliveries, bad).reason == "PAGE_TOKEN_INVALID"


def test_channels_are_listed_with_their_subscribers(stub: NotifyServiceStub) -> None:
    channels = stub.ListChannels(pb.ListChannelsRequest()).channels
    assert [(one.tag, one.display_name, [who.display_name for who in one.subscribers]) for one in channels] == [
        ("mammo-hospital_a", "Mammography at A", ["Ada", "Bob"]),
        ("mammo-hospital_b", "Mammography at B", ["Bob"]),
        ("quiet", "Nobody", []),
    ]
    assert channels[0].subscribers[0] == pb.Subscriber(display_name="Ada", recipients=[ADA], affiliation="A")


def test_greylisting_and_refusals_are_told_in_the_listing(stub: NotifyServiceStub, mail: MailServer) -> None:
    mail.greylist = 2
    mail.refuse["eve@a.example"] = "550 5.1.1 <eve@a.example> unknown"
    send(stub)
    send(stub, recipient=pb.Recipient(transport=pb.TRANSPORT_EMAIL, address="eve@a.example"))
    assert awaited(lambda: len(listed(stub, "SENT")) == len(listed(stub, "DEAD")) == 1)
    (sent,), (dead,) = listed(stub, "SENT"), listed(stub, "DEAD")
    assert (sent.attempt_count, sent.last_error) == (3, "SMTP 451 for the recipient")
    assert (dead.attempt_count, dead.last_error) == (3, "SMTP 550 for the recipient")


def test_a_mail_server_that_was_down_gets_everything_once(stub: NotifyServiceStub, mail: MailServer) -> None:
    mail.stop()
    names = {send(stub).name.removeprefix("deliveries/") for _ in range(20)}
    assert awaited(lambda: any(one.last_error for one in listed(stub)))
    mail.start()
    assert sorted(one.message_id for one in mail.wait_for(20)) == sorted(f"<{name}@a.example>" for name in names)
    assert awaited(lambda: len(listed(stub, "SENT")) == 20)
    assert len(mail.mails) == 20
