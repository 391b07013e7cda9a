"""NotifyService over the core."""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from diana.notify.v1 import notify_service_pb2 as pb
from diana.notify.v1.notify_service_pb2_grpc import NotifyServiceServicer
from diana_common.pages import Pages
from diana_notify.core.notifier import Notifier
from diana_notify.wire import (
    channel_to_proto,
    content_from_proto,
    delivery_to_proto,
    preview_to_proto,
    recipient_from_proto,
    state_from_proto,
)

_PAGE_SIZE = 100
_PREVIEWS = 100


class NotifyServicer(NotifyServiceServicer):
    """Every RPC of the contract; its comments say what each answers and refuses."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    def SendMessage(self, request: pb.SendMessageRequest, context: grpc.ServicerContext) -> pb.SendMessageResponse:
        recipient, content = recipient_from_proto(request.recipient), content_from_proto(request.content)
        delivery = self._notifier.send(recipient, content, request.request_id)
        return pb.SendMessageResponse(delivery=delivery_to_proto(delivery))

    def DispatchMessage(
        self, request: pb.DispatchMessageRequest, context: grpc.ServicerContext
    ) -> pb.DispatchMessageResponse:
        content = content_from_proto(request.content)
        deliveries = self._notifier.dispatch(request.channel, content, request.request_id)
        return pb.DispatchMessageResponse(deliveries=[delivery_to_proto(one) for one in deliveries])

    def GetDelivery(self, request: pb.GetDeliveryRequest, context: grpc.ServicerContext) -> pb.GetDeliveryResponse:
        return pb.GetDeliveryResponse(delivery=delivery_to_proto(self._notifier.get(request.name)))

    def ListDeliveries(
        self, request: pb.ListDeliveriesRequest, context: grpc.ServicerContext
    ) -> pb.ListDeliveriesResponse:
        size, pages = request.page_size or _PAGE_SIZE, Pages(request.state, request.channel)
        before = pages.number(request.page_token)
        found = self._notifier.page(before, size + 1, state_from_proto(request.state), request.channel)
        return pb.ListDeliveriesResponse(
            deliveries=[delivery_to_proto(one) for one in found[:size]],
            next_page_token=pages.token(found[size - 1].number) if len(found) > size else "",
        )

    def WatchDeliveries(
        self, request: pb.WatchDeliveriesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchDeliveriesResponse]:
        watch = self._notifier.watch(request.channel)
        if not context.add_callback(watch.cancel):  # the call has ended already: nobody would end the wait
            return
        for delivery in watch:
            yield pb.WatchDeliveriesResponse(delivery=delivery_to_proto(delivery))

    def ReplayDelivery(
        self, request: pb.ReplayDeliveryRequest, context: grpc.ServicerContext
    ) -> pb.ReplayDeliveryResponse:
        return pb.ReplayDeliveryResponse(delivery=delivery_to_proto(self._notifier.replay(request.name)))

    def CancelDelivery(
        self, request: pb.CancelDeliveryRequest, context: grpc.ServicerContext
    ) -> pb.CancelDeliveryResponse:
        return pb.CancelDeliveryResponse(delivery=delivery_to_proto(self._notifier.cancel(request.name)))

    def PreviewMessage(
        self, request: pb.PreviewMessageRequest, context: grpc.ServicerContext
    ) -> pb.PreviewMessageResponse:
        to = recipient_from_proto(request.recipient) if request.HasField("recipient") else request.channel
        messages = self._notifier.preview(to, content_from_proto(request.content))
        previews = [preview_to_proto(one) for one in messages[:_PREVIEWS]]
        return pb.PreviewMessageResponse(messages=previews, message_count=len(messages))

    def ListChannels(self, request: pb.ListChannelsRequest, context: grpc.ServicerContext) -> pb.ListChannelsResponse:
        return pb.ListChannelsResponse(channels=[channel_to_proto(one) for one in self._notifier.channels()])
