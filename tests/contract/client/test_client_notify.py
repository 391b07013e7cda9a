"""The notifier's clients against a servicer of a few lines."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.rpc import code_pb2

from diana.notify.v1 import notify_service_pb2 as pb
from diana.notify.v1.notify_service_pb2_grpc import NotifyServiceServicer, add_NotifyServiceServicer_to_server
from diana_client import AsyncNotifyClient, FailedPrecondition, NotFound, NotifyClient, connect, connect_async
from diana_client.notify import content, email, study, webhook
from tests.contract.client.conftest import Serve
from tests.contract.client.fake_archive import refuse, status_of

DELIVERIES = 2500
TEXT = content("Hello", "{{ values.x }}", values={"x": "1"})


class FakeNotify(NotifyServiceServicer):
    def __init__(self) -> None:
        self.sent: list[pb.SendMessageRequest] = []
        self.dispatched: list[pb.DispatchMessageRequest] = []
        self.lists: list[pb.ListDeliveriesRequest] = []

    def SendMessage(self, request: pb.SendMessageRequest, context: grpc.ServicerContext) -> pb.SendMessageResponse:
        self.sent.append(request)
        return pb.SendMessageResponse(delivery=pb.Delivery(name="deliveries/1", recipient=request.recipient))

    def DispatchMessage(
        self, request: pb.DispatchMessageRequest, context: grpc.ServicerContext
    ) -> pb.DispatchMessageResponse:
        self.dispatched.append(request)
        return pb.DispatchMessageResponse(deliveries=[pb.Delivery(channel=request.channel)] * 2)

    def GetDelivery(self, request: pb.GetDeliveryRequest, context: grpc.ServicerContext) -> pb.GetDeliveryResponse:
        if request.name != "deliveries/1":
            refuse(context, status_of(code_pb2.NOT_FOUND, "DELIVERY_NOT_FOUND", "None."))
        return pb.GetDeliveryResponse(delivery=pb.Delivery(name=request.name))

    def ListDeliveries(
        self, request: pb.ListDeliveriesRequest, context: grpc.ServicerContext
    ) -> pb.ListDeliveriesResponse:
        self.lists.append(request)
        start = int(request.page_token or 0)
        end = min(start + request.page_size, DELIVERIES)
        deliveries = [pb.Delivery(name=f"deliveries/{number}") for number in range(start, end)]
        return pb.ListDeliveriesResponse(deliveries=deliveries, next_page_token=str(end) if end < DELIVERIES else "")

    def WatchDeliveries(
        self, request: pb.WatchDeliveriesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchDeliveriesResponse]:
        for number in range(3):
            yield pb.WatchDeliveriesResponse(delivery=pb.Delivery(name=f"{request.channel}{number}"))

    def ReplayDelivery(
        self, request: pb.ReplayDeliveryRequest, context: grpc.ServicerContext
    ) -> pb.ReplayDeliveryResponse:
        if request.name != "deliveries/1":
            refuse(context, status_of(code_pb2.FAILED_PRECONDITION, "DELIVERY_ENDED", "Sent."))
        return pb.ReplayDeliveryResponse(delivery=pb.Delivery(state=pb.Delivery.STATE_QUEUED))

    def CancelDelivery(
        self, request: pb.CancelDeliveryRequest, context: grpc.ServicerContext
    ) -> pb.CancelDeliveryResponse:
        return pb.CancelDeliveryResponse(delivery=pb.Delivery(state=pb.Delivery.STATE_CANCELLED))

    def PreviewMessage(
        self, request: pb.PreviewMessageRequest, context: grpc.ServicerContext
    ) -> pb.PreviewMessageResponse:
        to = request.channel or request.recipient.address
        study = request.content.study.study_uid
        return pb.PreviewMessageResponse(messages=[pb.MessagePreview(subject=to, body=study)], message_count=1)

    def ListChannels(self, request: pb.ListChannelsRequest, context: grpc.ServicerContext) -> pb.ListChannelsResponse:
        return pb.ListChannelsResponse(channels=[pb.Channel(tag="a")])


@pytest.fixture
def fake() -> FakeNotify:
    return FakeNotify()


@pytest.fixture
def target(serve: Serve, fake: FakeNotify) -> str:
    return serve(add_NotifyServiceServicer_to_server, fake)


@pytest.fixture
def notify(target: str) -> Iterator[NotifyClient]:
    with connect(target) as channel:
        yield NotifyClient(channel)


def test_each_call_makes_up_a_request_id_unless_it_is_given_one(notify: NotifyClient, fake: FakeNotify) -> None:
    assert notify.send(email("ada@x.example"), TEXT).recipient == email("ada@x.example")
    notify.send(webhook("https://x/"), TEXT, request_id="mine")
    notify.dispatch("a", TEXT)
    notify.dispatch("a", TEXT, request_id="mine")
    made_up, given = [one.request_id for one in fake.sent]
    assert given == fake.dispatched[1].request_id == "mine"
    assert made_up and fake.dispatched[0].request_id and made_up != fake.dispatched[0].request_id
    assert fake.sent[0].content == pb.Content(subject="Hello", body="{{ values.x }}", values={"x": "1"})
    assert fake.sent[1].recipient.transport == pb.TRANSPORT_WEBHOOK


def test_deliveries_come_page_by_page(notify: NotifyClient, fake: FakeNotify) -> None:
    found = list(notify.deliveries(state=pb.Delivery.STATE_DEAD, channel="a"))
    assert [one.name for one in found] == [f"deliveries/{number}" for number in range(DELIVERIES)]
    assert [(one.state, one.channel, one.page_size) for one in fake.lists] == [(pb.Delivery.STATE_DEAD, "a", 1000)] * 3


def test_channels_are_listed_and_a_missing_delivery_is_not_found(notify: NotifyClient) -> None:
    assert [one.tag for one in notify.channels()] == ["a"]
    assert [one.channel for one in notify.dispatch("a", TEXT)] == ["a", "a"]
    with pytest.raises(NotFound) as caught:
        notify.delivery("deliveries/2")
    assert caught.value.reason == "DELIVERY_NOT_FOUND"


def test_deliveries_are_watched_replayed_and_cancelled(notify: NotifyClient) -> None:
    assert [one.name for one in notify.watch(channel="a")] == ["a0", "a1", "a2"]
    assert notify.replay("deliveries/1").state == pb.Delivery.STATE_QUEUED
    assert notify.cancel("deliveries/1").state == pb.Delivery.STATE_CANCELLED
    with pytest.raises(FailedPrecondition) as caught:
        notify.replay("deliveries/2")
    assert caught.value.reason == "DELIVERY_ENDED"


def test_a_preview_is_for_a_recipient_or_for_a_channel(notify: NotifyClient) -> None:
    about = content("Hello", study=study("1.2.3", "deid"))
    (one,) = notify.preview(email("ada@x.example"), about).messages
    assert (one.subject, one.body) == ("ada@x.example", "1.2.3")
    assert notify.preview("mammo", TEXT).messages[0].subject == "mammo"


async def test_the_notifier_answers_asynchronously_too(target: str, fake: FakeNotify) -> None:
    async with connect_async(target) as channel:
        client = AsyncNotifyClient(channel)
        assert (await client.send(email("ada@x.example"), TEXT)).name == "deliveries/1"
        assert len(await client.dispatch("a", content(template="t"))) == 2
        assert (await client.delivery("deliveries/1")).name == "deliveries/1"
        assert len([one async for one in client.deliveries()]) == DELIVERIES
        assert [one.tag for one in await client.channels()] == ["a"]
        assert len([one async for one in client.watch()]) == 3
        assert (await client.replay("deliveries/1")).state == pb.Delivery.STATE_QUEUED
        assert (await client.cancel("deliveries/1")).state == pb.Delivery.STATE_CANCELLED
        assert (await client.preview("mammo", TEXT)).message_count == 1
    assert fake.sent[0].request_id and fake.dispatched[0].request_id
