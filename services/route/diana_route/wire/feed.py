"""The archive's feed, from its messages."""

from __future__ import annotations

import json

from diana.archive.v1 import archive_service_pb2, feed_pb2
from diana_route.core.feed import Batch, Told
from diana_route.core.model import InstanceItem, StudyItem
from diana_route.core.rules import Event
from diana_route.core.trails import DOOR, way_of
from diana_server.times import seconds


def batch_from_proto(message: archive_service_pb2.WatchFeedResponse) -> Batch:
    """A message of the feed: the entries of kinds that rules wait for."""
    told = [_told(one) for one in message.entries if one.WhichOneof("event") in ("study_completed", "instance_stored")]
    return Batch(told, message.position)


def _told(entry: feed_pb2.FeedEntry) -> Told:
    time, origin = seconds(entry.commit_time), entry.origin
    way = way_of(origin.source) if origin.door == DOOR else ()
    if entry.HasField("study_completed"):
        completed = entry.study_completed
        study = StudyItem(entry.store, completed.study_uid, dict(completed.attributes))
        return Told(Event.STUDY_COMPLETED, study, entry.position, time, origin.rule, origin.operation, way=way)
    stored = entry.instance_stored
    instance = InstanceItem(entry.store, stored.instance.study_uid, stored.instance.sop_instance_uid)
    header = json.loads(stored.dicom_json) if stored.dicom_json else None
    return Told(Event.INSTANCE_STORED, instance, entry.position, time, origin.rule, origin.operation, header, way)
