"""Between protobuf and notify's own words."""

from __future__ import annotations

import json

from diana.archive.v1 import archive_service_pb2, feed_pb2, resources_pb2
from diana.notify.v1 import notify_service_pb2 as pb
from diana_common.dicomjson import texts
from diana_common.tags import keyword_of
from diana_notify.core.following import FeedBatch
from diana_notify.core.model import (
    Channel,
    Content,
    Delivery,
    Message,
    Recipient,
    State,
    StudyRef,
    Subscriber,
    Transport,
)
from diana_notify.core.rules import StudyCompleted
from diana_server.times import timestamp


def recipient_from_proto(message: pb.Recipient) -> Recipient:
    """A recipient of a checked request."""
    return Recipient(Transport(message.transport), message.address)


def content_from_proto(message: pb.Content) -> Content:
    """What a message is to say."""
    study = StudyRef(message.study.store, message.study.study_uid) if message.HasField("study") else None
    item = _item(message.item) if message.HasField("item") else None
    return Content(message.template, message.subject, message.body, dict(message.values), study, item)


def state_from_proto(state: pb.Delivery.State.ValueType) -> State | None:
    """A state to look for; None for any."""
    return State(state) if state else None


def delivery_to_proto(delivery: Delivery) -> pb.Delivery:
    """A delivery as the contract has it."""
    return pb.Delivery(
        name=delivery.name,
        state=pb.Delivery.State.Value(f"STATE_{delivery.state.name}"),
        recipient=_recipient(delivery.recipient),
        channel=delivery.channel,
        rule=delivery.rule,
        attempt_count=delivery.attempt_count,
        last_error=delivery.last_error,
        create_time=timestamp(delivery.create_time),
        next_attempt_time=timestamp(delivery.next_attempt_time),
        end_time=timestamp(delivery.end_time),
        digest=delivery.digest,
    )


def preview_to_proto(message: Message) -> pb.MessagePreview:
    """A message that is not sent."""
    return pb.MessagePreview(recipient=_recipient(message.recipient), subject=message.subject, body=message.body)


def facts_of(study: resources_pb2.Study, dicom_json: bytes) -> dict[str, object]:
    """What templates may name of a study with the header of one of its instances. Raises ValueError.

    Elements within sequences, binary ones and those without a keyword are left out.
    """
    facts: dict[str, object] = {}
    header = json.loads(dicom_json)
    for tag in header:
        if (keyword := keyword_of(int(tag, 16))) and (found := texts(header, tag)):
            facts[keyword] = "\\".join(found)
    own = {"store": study.store, "study_uid": study.study_uid, "attributes": dict(study.attributes)}
    return {**facts, **own}


def channel_to_proto(channel: Channel) -> pb.Channel:
    """A channel with its subscribers."""
    subscribers = [_subscriber(one) for one in channel.subscribers]
    return pb.Channel(tag=channel.tag, display_name=channel.name, subscribers=subscribers)


def batch_from_proto(message: archive_service_pb2.WatchFeedResponse) -> FeedBatch:
    """A message of the archive's feed: the entries of kinds that rules know."""
    events = [_completed(one) for one in message.entries if one.HasField("study_completed")]
    return FeedBatch(events, message.position)


def _item(message: pb.MessageItem) -> dict[str, object]:
    """What is set of it, so that templates that name what is not are refused."""
    words = ("rule", "store", "study_uid", "sop_instance_uid", "path")
    told: dict[str, object] = {word: getattr(message, word) for word in words if getattr(message, word)}
    return {**told, "attributes": dict(message.attributes)}


def _completed(entry: feed_pb2.FeedEntry) -> StudyCompleted:
    event = entry.study_completed
    known = event.reason in feed_pb2.CompletionReason.values()
    reason = feed_pb2.CompletionReason.Name(event.reason) if known else "COMPLETION_REASON_UNKNOWN"
    return StudyCompleted(
        entry.store,
        event.study_uid,
        reason.removeprefix("COMPLETION_REASON_").lower(),
        event.instance_count,
        dict(event.attributes),
    )


def _recipient(recipient: Recipient) -> pb.Recipient:
    transport = pb.Transport.Value(f"TRANSPORT_{recipient.transport.name}")
    return pb.Recipient(transport=transport, address=recipient.address)


def _subscriber(subscriber: Subscriber) -> pb.Subscriber:
    recipients = [_recipient(one) for one in subscriber.recipients]
    return pb.Subscriber(display_name=subscriber.name, recipients=recipients, affiliation=subscriber.affiliation)
