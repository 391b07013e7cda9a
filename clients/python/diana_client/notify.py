"""The notifier's clients: messages to people and systems, and what became of them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING

from diana.notify.v1 import notify_service_pb2 as pb
from diana.notify.v1.notify_service_pb2_grpc import NotifyServiceStub
from diana_client.calls import LARGEST_PAGE, AsyncCaller, Caller
from diana_client.channel import AsyncChannel, Channel

if TYPE_CHECKING:
    from diana.notify.v1.notify_service_pb2_grpc import NotifyServiceAsyncStub

_ANY = pb.Delivery.STATE_UNSPECIFIED


def email(address: str) -> pb.Recipient:
    """The recipient behind one e-mail address, without a display name."""
    return pb.Recipient(transport=pb.TRANSPORT_EMAIL, address=address)


def webhook(url: str) -> pb.Recipient:
    """The recipient behind a URL that the notifier's configuration allows."""
    return pb.Recipient(transport=pb.TRANSPORT_WEBHOOK, address=url)


def study(study_uid: str, store: str = "default") -> pb.MessageStudy:
    """The study of the archive that a message is about, for `content`."""
    return pb.MessageStudy(store=store, study_uid=study_uid)


def content(
    subject: str = "",
    body: str = "",
    *,
    template: str = "",
    values: Mapping[str, str] | None = None,
    study: pb.MessageStudy | None = None,
    item: pb.MessageItem | None = None,
) -> pb.Content:
    """What a message says: a configured template's name, or a subject and a body; and what either may name."""
    return pb.Content(template=template, subject=subject, body=body, values=values, study=study, item=item)


class NotifyClient(Caller):
    """Talks to `NotifyService`. Safe to share between threads.

    Calls with the same `request_id` queue one message; without one, each call makes up its own, so that
    a call repeated after a broken connection queues nothing twice.
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.stub = NotifyServiceStub(channel.raw)

    def send(self, recipient: pb.Recipient, content: pb.Content, *, request_id: str = "") -> pb.Delivery:
        """Queue a message for one recipient; `email(...)`, `webhook(...)` and `content(...)` make the arguments."""
        request = pb.SendMessageRequest(request_id=_request_id(request_id), recipient=recipient, content=content)
        return self._ask(self.stub.SendMessage, request).delivery

    def dispatch(self, channel: str, content: pb.Content, *, request_id: str = "") -> list[pb.Delivery]:
        """Queue a message for every subscriber of a channel, all of them or none."""
        request = pb.DispatchMessageRequest(request_id=_request_id(request_id), channel=channel, content=content)
        return list(self._ask(self.stub.DispatchMessage, request).deliveries)

    def delivery(self, name: str) -> pb.Delivery:
        """One delivery as it stands. Raises NotFound."""
        return self._ask(self.stub.GetDelivery, pb.GetDeliveryRequest(name=name)).delivery

    def deliveries(self, *, state: pb.Delivery.State.ValueType = _ANY, channel: str = "") -> Iterator[pb.Delivery]:
        """Deliveries, newest first; those of one state or channel if told."""
        request = pb.ListDeliveriesRequest(state=state, channel=channel, page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListDeliveries, request, lambda page: page.deliveries)

    def watch(self, *, channel: str = "", timeout: float | None = None) -> Iterator[pb.Delivery]:
        """The deliveries that have not ended, then each one whenever it changes. Leaving the loop ends it."""
        for message in self._stream(self.stub.WatchDeliveries, pb.WatchDeliveriesRequest(channel=channel), timeout):
            yield message.delivery

    def replay(self, name: str) -> pb.Delivery:
        """Queue a dead or cancelled delivery once more. Raises NotFound, FailedPrecondition."""
        return self._ask(self.stub.ReplayDelivery, pb.ReplayDeliveryRequest(name=name)).delivery

    def cancel(self, name: str) -> pb.Delivery:
        """End a queued delivery without trying it again. Raises NotFound, FailedPrecondition."""
        return self._ask(self.stub.CancelDelivery, pb.CancelDeliveryRequest(name=name)).delivery

    def preview(self, to: pb.Recipient | str, content: pb.Content) -> pb.PreviewMessageResponse:
        """The messages that `send` to a recipient, or `dispatch` to a channel's tag, would queue; none is queued."""
        return self._ask(self.stub.PreviewMessage, _preview_request(to, content))

    def channels(self) -> list[pb.Channel]:
        """The channels by tag, with their subscribers."""
        return list(self._ask(self.stub.ListChannels, pb.ListChannelsRequest()).channels)


class AsyncNotifyClient(AsyncCaller):
    """As `NotifyClient`, for asyncio."""

    def __init__(self, channel: AsyncChannel) -> None:
        super().__init__(channel)
        self.stub: NotifyServiceAsyncStub = NotifyServiceStub(channel.raw)

    async def send(self, recipient: pb.Recipient, content: pb.Content, *, request_id: str = "") -> pb.Delivery:
        """Queue a message for one recipient; `email(...)`, `webhook(...)` and `content(...)` make the arguments."""
        request = pb.SendMessageRequest(request_id=_request_id(request_id), recipient=recipient, content=content)
        return (await self._ask(self.stub.SendMessage, request)).delivery

    async def dispatch(self, channel: str, content: pb.Content, *, request_id: str = "") -> list[pb.Delivery]:
        """Queue a message for every subscriber of a channel, all of them or none."""
        request = pb.DispatchMessageRequest(request_id=_request_id(request_id), channel=channel, content=content)
        return list((await self._ask(self.stub.DispatchMessage, request)).deliveries)

    async def delivery(self, name: str) -> pb.Delivery:
        """One delivery as it stands. Raises NotFound."""
        return (await self._ask(self.stub.GetDelivery, pb.GetDeliveryRequest(name=name))).delivery

    def deliveries(self, *, state: pb.Delivery.State.ValueType = _ANY, channel: str = "") -> AsyncIterator[pb.Delivery]:
        """Deliveries, newest first; those of one state or channel if told."""
        request = pb.ListDeliveriesRequest(state=state, channel=channel, page_size=LARGEST_PAGE)
        return self._pages(self.stub.ListDeliveries, request, lambda page: page.deliveries)

    async def watch(self, *, channel: str = "", timeout: float | None = None) -> AsyncIterator[pb.Delivery]:
        """The deliveries that have not ended, then each one whenever it changes. Leaving the loop ends it."""
        async for message in self._stream(
            self.stub.WatchDeliveries, pb.WatchDeliveriesRequest(channel=channel), timeout
        ):
            yield message.delivery

    async def replay(self, name: str) -> pb.Delivery:
        """Queue a dead or cancelled delivery once more. Raises NotFound, FailedPrecondition."""
        return (await self._ask(self.stub.ReplayDelivery, pb.ReplayDeliveryRequest(name=name))).delivery

    async def cancel(self, name: str) -> pb.Delivery:
        """End a queued delivery without trying it again. Raises NotFound, FailedPrecondition."""
        return (await self._ask(self.stub.CancelDelivery, pb.CancelDeliveryRequest(name=name))).delivery

    async def preview(self, to: pb.Recipient | str, content: pb.Content) -> pb.PreviewMessageResponse:
        """The messages that `send` to a recipient, or `dispatch` to a channel's tag, would queue; none is queued."""
        return await self._ask(self.stub.PreviewMessage, _preview_request(to, content))

    async def channels(self) -> list[pb.Channel]:
        """The channels by tag, with their subscribers."""
        return list((await self._ask(self.stub.ListChannels, pb.ListChannelsRequest())).channels)


def _request_id(given: str) -> str:
    return given or str(uuid.uuid4())


def _preview_request(to: pb.Recipient | str, content: pb.Content) -> pb.PreviewMessageRequest:
    if isinstance(to, str):
        return pb.PreviewMessageRequest(channel=to, content=content)
    return pb.PreviewMessageRequest(recipient=to, content=content)
