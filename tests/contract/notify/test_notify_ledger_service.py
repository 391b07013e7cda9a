"""The contract of NotifyService's ledger: followed, replayed, cancelled; and of what messages say before they go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from diana.notify.v1 import notify_service_pb2 as pb
from diana.notify.v1.notify_service_pb2_grpc import NotifyServiceStub
from diana_common.settings import build
from diana_notify.__main__ import make_server
from diana_notify.config import NotifyConfig
from tests.contract.guid.refusals import refused
from tests.contract.notify import one_study
from tests.contract.notify.conftest import Serve
from tests.contract.notify.one_study import OneStudy
from tests.support.awaiting import awaited
from tests.support.smtp import MailServer

ADA = pb.Recipient(transport=pb.TRANSPORT_EMAIL, address="ada@a.example")
TEXT = pb.Content(subject="Hello", body="It works.\n")
ABOUT = pb.Content(
    subject="{{ study.attributes.site }}",
    body="{{ study.PatientID }}, {{ study.PatientName }}, {{ study.store }}",
    study=pb.MessageStudy(store="deid", study_uid=one_study.UID),
)


@pytest.fixture
def archive() -> Iterator[tuple[OneStudy, dict[str, str]]]:
    """An archive, and the setting that leads to it."""
    one = OneStudy()
    with one_study.serving(one) as address:
        yield one, {"address": address}


def send(stub: NotifyServiceStub, content: pb.Content = TEXT) -> pb.Delivery:
    return stub.SendMessage(pb.SendMessageRequest(recipient=ADA, content=content)).delivery


def preview(stub: NotifyServiceStub, content: pb.Content, **to: object) -> pb.PreviewMessageResponse:
    return stub.PreviewMessage(pb.PreviewMessageRequest(content=content, **to))  # type: ignore[arg-type]


def state(stub: NotifyServiceStub, name: str) -> int:
    return stub.GetDelivery(pb.GetDeliveryRequest(name=name)).delivery.state


def test_a_watcher_hears_of_each_delivery_until_it_goes(stub: NotifyServiceStub, mail: MailServer) -> None:
    mail.refuse[ADA.address] = "451 later"
    name = send(stub).name
    watch = stub.WatchDeliveries(pb.WatchDeliveriesRequest())
    assert next(watch).delivery.state == pb.Delivery.STATE_QUEUED
    mail.refuse.clear()
    told = []
    for answer in watch:
        told.append(answer.delivery)
        if told[-1].state == pb.Delivery.STATE_SENT:
            break
    watch.cancel()
    assert {one.name for one in told} == {name}
    assert all(one.state == pb.Delivery.STATE_QUEUED for one in told[:-1])


def test_a_watch_ends_in_good_order_when_the_server_stops(tmp_path: Path) -> None:
    settings = {"server": {"listen": "127.0.0.1:0"}, "state_dir": str(tmp_path / "notify")}
    server = make_server(build(NotifyConfig, {**settings, "webhook": {"allowed": ["http://127.0.0.1:9/"]}}))
    with grpc.insecure_channel(server.start()) as channel:
        stub = NotifyServiceStub(channel)
        nobody = pb.Recipient(transport=pb.TRANSPORT_WEBHOOK, address="http://127.0.0.1:9/")
        name = stub.SendMessage(pb.SendMessageRequest(recipient=nobody, content=TEXT)).delivery.name
        watch = stub.WatchDeliveries(pb.WatchDeliveriesRequest())
        assert next(watch).delivery.name == name
        server.stop(30)
        assert {one.delivery.name for one in watch} <= {name}


def test_a_dead_delivery_is_replayed_and_one_that_was_sent_is_not(stub: NotifyServiceStub, mail: MailServer) -> None:
    mail.refuse[ADA.address] = "550 no such user"
    name = send(stub).name
    assert awaited(lambda: state(stub, name) == pb.Delivery.STATE_DEAD)
    mail.refuse.clear()
    again = stub.ReplayDelivery(pb.ReplayDeliveryRequest(name=name)).delivery
    assert (again.state, again.attempt_count, again.name) == (pb.Delivery.STATE_QUEUED, 0, name)
    mail.wait_for(1)
    assert awaited(lambda: state(stub, name) == pb.Delivery.STATE_SENT)
    for call, request in (
        (stub.ReplayDelivery, pb.ReplayDeliveryRequest(name=name)),
        (stub.CancelDelivery, pb.CancelDeliveryRequest(name=name)),
    ):
        assert refused(call, request).reason == "DELIVERY_ENDED"


def test_a_cancelled_delivery_is_not_tried_again(stub: NotifyServiceStub, mail: MailServer) -> None:
    mail.refuse[ADA.address] = "451 later"
    name = send(stub).name
    ended = stub.CancelDelivery(pb.CancelDeliveryRequest(name=name)).delivery
    assert (ended.state, ended.HasField("end_time")) == (pb.Delivery.STATE_CANCELLED, True)
    assert stub.CancelDelivery(pb.CancelDeliveryRequest(name=name)).delivery == ended
    listed = stub.ListDeliveries(pb.ListDeliveriesRequest(state=pb.Delivery.STATE_CANCELLED)).deliveries
    assert [one.name for one in listed] == [name]
    assert refused(stub.CancelDelivery, pb.CancelDeliveryRequest(name="deliveries/none")).reason == "DELIVERY_NOT_FOUND"


def test_a_digest_is_one_mail_that_all_its_deliveries_name(serve: Serve, mail: MailServer) -> None:
    dan = {"name": "Dan", "email": "dan@a.example", "channels": ["news"], "digest_seconds": 1.0, "wrap": "letter"}
    letter = {"subject": "", "body": "Dear {{ recipient.name }},\n{{ body }}\n-- \n{{ sender.name }}"}
    stub = serve(channels={"news": "News"}, subscribers=[dan], templates={"letter": letter}, sender={"name": "Trials"})
    for number in range(30):
        content = pb.Content(subject=f"study {number}", body="is complete")
        stub.DispatchMessage(pb.DispatchMessageRequest(channel="news", content=content))
    found = pb.ListDeliveriesRequest(state=pb.Delivery.STATE_SENT)
    assert awaited(lambda: len(stub.ListDeliveries(found).deliveries) == 30)
    deliveries = list(stub.ListDeliveries(found).deliveries)
    names = {one.digest or one.name for one in deliveries}
    assert len(mail.mails) == len(names) < 30
    assert {one.message_id.strip("<>").partition("@")[0] for one in mail.mails} == {
        name.removeprefix("deliveries/") for name in names
    }
    text = "".join(one.text for one in mail.mails)
    assert all(f"study {number}" in text + str(mail.mails[0].message["Subject"]) for number in range(30))
    assert text.count("Dear Dan") == text.count("Trials") == len(mail.mails)


def test_a_limit_holds_back_its_own_target_only(serve: Serve) -> None:
    stub = serve(limits={"email": 0.1})
    deliveries = stub.DispatchMessage(pb.DispatchMessageRequest(channel="mammo-hospital_a", content=TEXT)).deliveries
    email, *others = [one.name for one in deliveries]
    assert awaited(lambda: all(state(stub, name) == pb.Delivery.STATE_SENT for name in others))
    assert stub.GetDelivery(pb.GetDeliveryRequest(name=email)).delivery.attempt_count == 0


def test_a_preview_is_what_would_be_sent_and_sends_nothing(stub: NotifyServiceStub) -> None:
    arrived = pb.Content(template="arrived", values={"count": "3"})
    answer = preview(stub, arrived, channel="mammo-hospital_a")
    assert answer.message_count == 3
    assert [one.body for one in answer.messages] == ["3 for Ada", "3 for Bob", "3 for Bob"]
    (one,) = preview(stub, TEXT, recipient=ADA).messages
    assert (one.recipient, one.subject, one.body) == (ADA, "Hello", "It works.")
    assert not stub.ListDeliveries(pb.ListDeliveriesRequest()).deliveries
    request = pb.PreviewMessageRequest(channel="nowhere", content=TEXT)
    assert refused(stub.PreviewMessage, request).reason == "CHANNEL_UNKNOWN"
    assert refused(stub.PreviewMessage, pb.PreviewMessageRequest(content=TEXT)).reason == "INVALID_FIELD"


def test_a_template_may_name_the_study_by_keyword(serve: Serve, archive: tuple[OneStudy, dict[str, str]]) -> None:
    one, address = archive
    stub = serve(archive=address)
    (message,) = preview(stub, ABOUT, recipient=ADA).messages
    assert (message.subject, message.body) == ("hospital_a", "ZZPATIENTZZ, Doe^Jane, deid")
    absent = pb.Content(subject="{{ study.AccessionNumber }}", study=ABOUT.study)
    assert refused(stub.SendMessage, pb.SendMessageRequest(recipient=ADA, content=absent)).reason == "TEMPLATE_INVALID"
    none = pb.Content(subject="{{ study.store }}", study=pb.MessageStudy(store="deid", study_uid="9"))
    assert refused(stub.SendMessage, pb.SendMessageRequest(recipient=ADA, content=none)).reason == "STUDY_NOT_FOUND"
    one.unreachable = True
    assert refused(stub.SendMessage, pb.SendMessageRequest(recipient=ADA, content=ABOUT)).reason == "PEER_UNAVAILABLE"
    assert not stub.ListDeliveries(pb.ListDeliveriesRequest()).deliveries


def test_a_rule_whose_template_names_the_study_waits_for_the_archive(
    serve: Serve, archive: tuple[OneStudy, dict[str, str]], mail: MailServer
) -> None:
    one, address = archive
    one.unreachable = True
    stub = serve(
        archive=address,
        templates={"ready": {"subject": "{{ item.instance_count }}", "body": "{{ study.PatientID }}"}},
        rules=[{"name": "r", "stores": ["deid"], "channel": "mammo-hospital_b", "template": "ready"}],
    )
    one.complete()
    assert awaited(lambda: one.asked > 1)
    assert not stub.ListDeliveries(pb.ListDeliveriesRequest()).deliveries
    one.unreachable = False
    assert awaited(lambda: len(stub.ListDeliveries(pb.ListDeliveriesRequest()).deliveries) == 2)
